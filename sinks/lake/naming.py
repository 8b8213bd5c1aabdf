"""Names of lake files: they say which offsets a file holds, so that storage itself is the truth about what has landed.

`<table>/date=YYYY-MM-DD/hour=HH/<topic>+<partition>+<first offset>+<last offset>+<k>of<n>[c][+e<epoch>].parquet`

A group is what one flush of one partition wrote: n files with one offset range, one for each hour (and table) that its
rows fall into. `c` marks a compacted file: it stands for every range of its partition and epoch that lies in its own,
within its folder. `+eN` marks the N-th incarnation of the broker's log after the first, whose offsets begin anew.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HOUR_S = 3600
DUPLICATES_TABLE = "duplicates"
"""Events that came a second time, of all topics."""
EXPIRED_TABLE = "expired"
"""Which numbers of sessions retention has removed: `sinks.lake.expired`."""

_NAME = re.compile(
    r"(?P<topic>[A-Za-z0-9._-]+)\+(?P<partition>\d+)\+(?P<first>\d+)\+(?P<last>\d+)"
    r"\+(?P<part>\d+)of(?P<parts>\d+)(?P<compacted>c?)(?:\+e(?P<epoch>\d+))?\.parquet"
)


@dataclass(frozen=True, slots=True)
class LakeFile:
    """What the name of a file says. `first` and `last` are offsets, both included; `part` counts from 1 to `parts`."""

    topic: str
    partition: int
    first: int
    last: int
    part: int = 1
    parts: int = 1
    compacted: bool = False
    epoch: int = 0

    @property
    def name(self) -> str:
        """The file's name."""
        mark = "c" if self.compacted else ""
        epoch = f"+e{self.epoch}" if self.epoch else ""
        return f"{self.topic}+{self.partition}+{self.first}+{self.last}+{self.part}of{self.parts}{mark}{epoch}.parquet"

    @property
    def group(self) -> Group:
        """The group that the file is a part of."""
        return Group(self.topic, self.partition, self.epoch, self.first, self.last, self.parts, self.compacted)


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one flush, or one compacted file."""

    topic: str
    partition: int
    epoch: int
    first: int
    last: int
    parts: int
    compacted: bool


def parse_name(name: str) -> LakeFile | None:
    """Read a file name (without folders); None for what the lake writer did not name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return LakeFile(
        found["topic"],
        int(found["partition"]),
        int(found["first"]),
        int(found["last"]),
        int(found["part"]),
        int(found["parts"]),
        bool(found["compacted"]),
        int(found["epoch"] or 0),
    )


def hour_folder(hour: int) -> str:
    """Folder of an hour below its table; `hour` counts whole hours since 1970-01-01 UTC."""
    return datetime.fromtimestamp(hour * HOUR_S, tz=UTC).strftime("date=%Y-%m-%d/hour=%H")


def folder_hour(folder: str) -> int | None:
    """The hour that a path's last two folders name (`date=.../hour=..`); None when they do not name one."""
    try:
        moment = datetime.strptime("/".join(folder.split("/")[-2:]), "date=%Y-%m-%d/hour=%H").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) // HOUR_S


def complete_groups(files: Iterable[LakeFile]) -> set[Group]:
    """The groups of which every part is among `files`. The parts lie in different folders: give all of a partition."""
    parts: defaultdict[Group, set[int]] = defaultdict(set)
    for file in files:
        parts[file.group].add(file.part)
    return {group for group, found in parts.items() if len(found) == group.parts}


def visible(names: Iterable[str]) -> list[str]:
    """Of file names with their folders, those that a reader must read so that it sees each offset once.

    Hidden is a file whose range lies within the range of a complete group (a compacted file is one) of the same
    partition and epoch in the same folder. Names that are not the writer's are left out. Keeps the order given.
    """
    names = list(names)
    parsed = {name: file for name in names if (file := parse_name(name.rpartition("/")[2])) is not None}
    complete = complete_groups(parsed.values())
    folders: defaultdict[tuple[str, str, int, int], set[Group]] = defaultdict(set)
    for name, file in parsed.items():
        folders[name.rpartition("/")[0], file.topic, file.partition, file.epoch].add(file.group)
    hidden = {(key[0], group) for key, groups in folders.items() for group in _contained(groups, complete)}
    return [n for n, file in parsed.items() if (n.rpartition("/")[0], file.group) not in hidden]


def _contained(groups: set[Group], complete: set[Group]) -> Iterator[Group]:
    """The groups of one folder and partition whose range lies within a complete other's."""
    covered_through = -1
    # Widest first among those that begin together; of equal ranges the compacted, then the complete one stays.
    for group in sorted(groups, key=lambda g: (g.first, -g.last, not g.compacted, g not in complete, g.parts)):
        if group.last <= covered_through:
            yield group
        elif group in complete:
            covered_through = group.last


def list_folders(lake: Path, table: str) -> list[str]:
    """The hour folders of a table as paths below the lake (`<table>/date=.../hour=..`), sorted."""
    found = []
    for day in _folders(lake / table, "date="):
        found += [f"{table}/{day}/{hour}" for hour in _folders(lake / table / day, "hour=")]
    return sorted(found)


def _folders(path: Path, prefix: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.name.startswith(prefix)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def list_names(lake: Path, folder: str) -> list[str]:
    """The names in a folder below the lake; none where retention has removed it."""
    try:
        return [entry.name for entry in (lake / folder).iterdir()]
    except FileNotFoundError:
        return []


def visible_files(lake: Path, table: str) -> list[Path]:
    """The files of a table that a reader must read to see every event once, oldest hour first."""
    names = [f"{folder}/{name}" for folder in list_folders(lake, table) for name in list_names(lake, folder)]
    return [lake / name for name in sorted(visible(names))]
