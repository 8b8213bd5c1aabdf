"""Which files of the lake hold rows of a span of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from sinks.api.times import Span
from sinks.lake.naming import HOUR_S, folder_hour, hour_folder, list_folders, list_names, parse_name, visible

_NAMED_HOURS = 72
"""Up to so many hours their folders are named; for more, the folders that there are are listed."""


def files_of_span(lake: Path, table: str, span: Span | None) -> list[Path]:
    """The files that a reader must read to see every event of a span once (None: of all time), the oldest hour first.

    Rows lie in the folder of the hour of their own time, so nothing else is listed, let alone opened.
    """
    folders = list_folders(lake, table) if span is None else list(_folders_of(lake, table, span))
    chosen = visible(_names(lake, folders))
    if span is not None and _overlapping(chosen):
        # A group that was cut in two when its writer died: all its folders together say which of two is whole.
        wanted = set(folders)
        everything = visible(_names(lake, list_folders(lake, table)))
        chosen = [name for name in everything if name.rpartition("/")[0] in wanted]
    return [lake / name for name in sorted(chosen)]


def _folders_of(lake: Path, table: str, span: Span) -> Iterator[str]:
    first, last = _hour(span.start), _hour(span.end)
    if last - first <= _NAMED_HOURS:
        return (f"{table}/{hour_folder(hour)}" for hour in range(first, last + 1))
    return (f for f in list_folders(lake, table) if (hour := folder_hour(f)) is not None and first <= hour <= last)


def _hour(moment: datetime) -> int:
    return int(moment.timestamp()) // HOUR_S


def _names(lake: Path, folders: Iterable[str]) -> list[str]:
    return [f"{folder}/{name}" for folder in folders for name in list_names(lake, folder)]


def _overlapping(names: Iterable[str]) -> bool:
    """Whether two files of one folder and log hold the same offset."""
    ranges = []
    for name in names:
        folder, _, bare = name.rpartition("/")
        file = parse_name(bare)
        assert file is not None, "visible() gives what has a name of the writer's"
        ranges.append((folder, file.topic, file.partition, file.epoch, file.first, file.last))
    return any(a[:4] == b[:4] and b[4] <= a[5] for a, b in pairwise(sorted(ranges)))
