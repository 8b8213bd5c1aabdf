"""Turns many small files of an hour into few large ones, without a reader seeing a row twice or not at all.

1. Of a folder and partition, take consecutive visible files that end before the durable position: a group that is still
   being written is never touched.
2. Write one file for the union of their ranges under a temporary name, in the smallest encoding.
3. Give it its final name. From here on readers ignore what it contains (`naming.visible`).
4. After a grace, for queries that have listed the old names, remove what it contains; also after a crash.

One compactor at a time, by a file lock that the kernel releases with the process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from infra.runtime.logs import get_logger
from schemas.catalogue import TABLES
from sinks.lake.crash import crash_point
from sinks.lake.encoding import smallest_layout, write_parquet
from sinks.lake.naming import (
    DUPLICATES_TABLE,
    HOUR_S,
    LakeFile,
    folder_hour,
    list_folders,
    list_names,
    parse_name,
    visible,
)
from sinks.lake.positions import Position, load_positions
from sinks.lake.recovery import LAST_TIMESTAMP_KEY
from sinks.lake.storage import LOCKS, TEMPORARY, fsync_path, give_final_name, make_folder

_LATE_FILES = 8
_log = get_logger("lake.compaction")


@dataclass(frozen=True)
class CompactionOptions:
    """When files are merged.

    An hour is closed `closed_after_s` after its end: all of it is compacted. Of an open hour, files older than
    `small_after_s` are, when there are at least `small_files` of a partition. `max_rows` bounds a compacted file and
    the memory that making it takes. Contained files stay for `grace_s`.
    """

    closed_after_s: float = 300.0
    small_after_s: float = 60.0
    small_files: int = 30
    max_rows: int = 500_000
    grace_s: float = 10.0


@dataclass
class CompactionReport:
    """What a run did."""

    files_read: int = 0
    files_written: int = 0
    files_removed: int = 0
    rows: int = 0
    bytes_before: int = 0
    bytes_after: int = 0


@dataclass(frozen=True)
class _Source:
    """A visible file of one folder and partition."""

    file: LakeFile
    path: Path
    rows: int
    age_s: float


class Compactor:
    """Compacts a lake, run after run; remembers which folders had nothing to do."""

    def __init__(self, lake: Path, options: CompactionOptions) -> None:
        self._lake = lake
        self._options = options
        self._done: dict[str, float] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End a run after the file that it writes."""
        self._stopping.set()

    def run(self, now_s: float, *, everything: bool = False) -> CompactionReport:
        """One pass over all tables; `everything` takes open hours whole. Nothing when another compactor is at work.

        Raises `OSError`.
        """
        report = CompactionReport()
        with _only_one(self._lake) as alone:
            if not alone:
                _log.info("another compaction is at work")
                return report
            self._remove_stray()
            positions = load_positions(self._lake)
            for table in (*TABLES, DUPLICATES_TABLE):
                for folder in list_folders(self._lake, table):
                    if self._stopping.is_set():
                        return report
                    try:
                        self._compact_folder(folder, positions, now_s, everything=everything, report=report)
                    except pa.ArrowException as error:
                        _log.error("a file cannot be read, its hour is left as it is", folder=folder, error=str(error))
        if report.files_written:
            _log.info("compacted", **vars(report))
        return report

    def _remove_stray(self) -> None:
        for name in list_names(self._lake, f"{TEMPORARY}/compaction"):
            (self._lake / TEMPORARY / "compaction" / name).unlink(missing_ok=True)

    def _compact_folder(
        self,
        folder: str,
        positions: Mapping[tuple[str, int], Position],
        now_s: float,
        *,
        everything: bool,
        report: CompactionReport,
    ) -> None:
        hour = folder_hour(folder)
        if hour is None:
            return
        try:
            changed_s = (self._lake / folder).stat().st_mtime
        except FileNotFoundError:
            return
        if self._done.get(folder) == changed_s:
            return
        closed = everything or (hour + 1) * HOUR_S + self._options.closed_after_s <= now_s
        waiting = False
        for names, covered in self._by_partition(folder, positions):
            if not covered:
                waiting = True
                continue
            waiting |= self._remove_contained(folder, names, now_s, report)
            sources = self._sources(folder, names, now_s)
            for run in self._runs(sources, closed=closed, everything=everything):
                if self._stopping.is_set():
                    return
                self._merge(folder, run, report)
                waiting = True
            waiting |= any(not source.file.compacted for source in sources)
        if closed and not waiting:
            self._done[folder] = changed_s

    def _by_partition(
        self, folder: str, positions: Mapping[tuple[str, int], Position]
    ) -> list[tuple[list[LakeFile], bool]]:
        """The files of a folder by topic, partition, epoch, and whether the partition's hint covers them."""
        found: defaultdict[tuple[str, int, int, bool], list[LakeFile]] = defaultdict(list)
        for name in list_names(self._lake, folder):
            file = parse_name(name)
            if file is None:
                continue
            hint = positions.get((file.topic, file.partition))
            covered = hint is not None and (file.epoch, file.last) < (hint.epoch, hint.next_offset)
            found[file.topic, file.partition, file.epoch, covered].append(file)
        return [(found[key], key[3]) for key in sorted(found)]

    def _remove_contained(self, folder: str, files: list[LakeFile], now_s: float, report: CompactionReport) -> bool:
        """Remove what a compacted file stands for; True when some of it has to wait for the grace."""
        shown = set(visible(file.name for file in files))
        hidden = [file for file in files if file.name not in shown]
        if not hidden:
            return False
        unions = [file for file in files if file.compacted]
        waiting = False
        removed = 0
        for file in hidden:
            covers = [u for u in unions if u.first <= file.first and file.last <= u.last and u != file]
            ages = [now_s - (self._lake / folder / u.name).stat().st_mtime for u in covers if u.name in shown]
            if not ages or max(ages) < self._options.grace_s:
                waiting = True
                continue
            if removed:
                crash_point("compact_between_removals")
            (self._lake / folder / file.name).unlink(missing_ok=True)
            removed += 1
        if removed:
            fsync_path(self._lake / folder)
        report.files_removed += removed
        return waiting

    def _sources(self, folder: str, files: list[LakeFile], now_s: float) -> list[_Source]:
        shown = set(visible(file.name for file in files))
        sources = []
        for file in sorted((f for f in files if f.name in shown), key=lambda f: (f.first, f.last)):
            path = self._lake / folder / file.name
            sources.append(_Source(file, path, pq.read_metadata(path).num_rows, now_s - path.stat().st_mtime))
        return sources

    def _runs(self, sources: list[_Source], *, closed: bool, everything: bool) -> Iterator[list[_Source]]:
        """Consecutive files to merge into one each."""
        if not closed:
            sources = [s for s in sources if s.age_s >= self._options.small_after_s and not s.file.compacted]
            if len(sources) < self._options.small_files:
                return
        elif not everything and len(sources) < _LATE_FILES and self._all_young(sources):
            # A late file in a closed hour waits too, lest every one of them has the hour rewritten.
            return
        run: list[_Source] = []
        rows = 0
        for source in sources:
            if run and rows + source.rows > self._options.max_rows:
                if _worth(run):
                    yield run
                run, rows = [], 0
            run.append(source)
            rows += source.rows
        if run and _worth(run):
            yield run

    def _all_young(self, sources: list[_Source]) -> bool:
        return all(s.file.compacted or s.age_s < self._options.closed_after_s for s in sources)

    def _merge(self, folder: str, run: list[_Source], report: CompactionReport) -> None:
        first = run[0].file
        union = LakeFile(
            first.topic, first.partition, first.first, max(s.file.last for s in run), compacted=True, epoch=first.epoch
        )
        final = self._lake / folder / union.name
        temporary = self._lake / TEMPORARY / "compaction" / f"{folder.replace('/', '+')}+{union.name}"
        make_folder(temporary.parent)
        table = _read(run)
        before = sum(source.path.stat().st_size for source in run)
        write_parquet(table, temporary, smallest_layout(table))
        after = temporary.stat().st_size
        crash_point("compact_before_rename")
        if not give_final_name(temporary, final):
            return
        fsync_path(final.parent)
        crash_point("compact_after_rename")
        report.files_read += len(run)
        report.files_written += 1
        report.rows += table.num_rows
        report.bytes_before += before
        report.bytes_after += after


def _worth(run: list[_Source]) -> bool:
    return len(run) > 1 or not run[0].file.compacted


def _read(run: list[_Source]) -> pa.Table:
    """The rows of a run, sorted by agent and time."""
    tables = [pq.read_table(source.path, partitioning=None) for source in run]
    # Columns that a newer program added are null in the older files' rows.
    table = pa.concat_tables(
        [t.replace_schema_metadata(None) for t in tables], promote_options="default"
    ).combine_chunks()
    order: list[tuple[str, Literal["ascending", "descending"]]] = [
        (name, "ascending") for name in ("agent_id", "timestamp") if name in table.column_names
    ]
    table = table.sort_by(order)
    stamp = (tables[-1].schema.metadata or {}).get(LAST_TIMESTAMP_KEY)
    return table.replace_schema_metadata({LAST_TIMESTAMP_KEY: stamp} if stamp else None)


@contextlib.contextmanager
def _only_one(lake: Path) -> Iterator[bool]:
    """Whether this process is the only one that compacts the lake, while the block runs."""
    make_folder(lake / LOCKS)
    handle = os.open(lake / LOCKS / "compaction", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)
