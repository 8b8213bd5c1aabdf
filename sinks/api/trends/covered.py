"""Which offsets a roll-up stands for, written within it: what of an hour it tells, and what besides is to be told.

Raw files go by their retention one by one, and late ones come into an hour that is half gone. So a roll-up cannot be
judged by the files that are there: it keeps what it was made of, and only rows that it has not seen are added to it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sinks.lake.naming import parse_name

Log = str
"""Topic, partition and epoch: offsets count within it."""
Range = tuple[int, int]
"""First and last offset, both included."""
Covered = Mapping[Log, tuple[Range, ...]]
"""Ranges that do not touch each other, in their order."""
METADATA = "fleetpulse_offsets"
_KEPT_ANSWERS = 12_288
"""More than 400 days have hours: each is asked about once a minute while there are raw files of its day."""


@dataclass(frozen=True, slots=True)
class Left:
    """A raw file, or the rows of it whose offsets are not in `seen`."""

    path: Path
    seen: tuple[Range, ...] = ()


def covered_by(files: Iterable[Path]) -> Covered:
    """What the names of raw files say that they hold."""
    ranges: defaultdict[Log, list[Range]] = defaultdict(list)
    for path in files:
        log, found = _told(path)
        ranges[log].append(found)
    return {log: _united(each) for log, each in ranges.items()}


def joined(one: Covered, other: Covered) -> Covered:
    """Both."""
    return {log: _united([*one.get(log, ()), *other.get(log, ())]) for log in {**one, **other}}


def is_within(inner: Covered, outer: Covered) -> bool:
    """Whether every offset of `inner` is in `outer`."""
    return all(_holds(outer.get(log, ()), each) for log, ranges in inner.items() for each in ranges)


def left_of(files: Iterable[Path], seen: Covered) -> list[Left]:
    """What of raw files is not in `seen`."""
    return list(_left(files, seen))


def text_of(covered: Covered) -> str:
    """To be written into a roll-up."""
    return json.dumps(covered)


def covered_in(path: Path) -> Covered | None:
    """What a roll-up stands for; None where it does not say (none did at first), or is none.

    Raises `FileNotFoundError`.
    """
    return _covered_in(path, *_version(path))


def reports_in(path: Path) -> int:
    """How many reports a roll-up tells; 0 where it is none. Raises `FileNotFoundError`."""
    return _reports_in(path, *_version(path))


def rows_not_after(files: Iterable[Path], rolled: Path) -> int:
    """How many reports there are in the raw files that a roll-up may have been made of, by their footers: in older
    ones, and in compacted ones, which are young and hold what is old. Raises `FileNotFoundError`."""
    made_ns = rolled.stat().st_mtime_ns
    return sum(_rows(path) for path in files if _is_compacted(path) or path.stat().st_mtime_ns <= made_ns)


def _is_compacted(path: Path) -> bool:
    file = parse_name(path.name)
    return file is not None and file.compacted


def _rows(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except pa.ArrowInvalid:
        return 0


def _version(path: Path) -> tuple[int, int]:
    """What changes when a file is replaced by another of its name, by whatever process."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


@lru_cache(_KEPT_ANSWERS)
def _reports_in(path: Path, _inode: int, _mtime_ns: int) -> int:
    try:
        found = pq.read_table(path, columns=["reports"], partitioning=None)["reports"].to_numpy()
        return int(found.sum())
    except pa.ArrowInvalid:
        return 0


@lru_cache(_KEPT_ANSWERS)
def _covered_in(path: Path, _inode: int, _mtime_ns: int) -> Covered | None:
    try:
        told = (pq.read_metadata(path).metadata or {}).get(METADATA.encode())
    except pa.ArrowInvalid:
        return None
    if told is None:
        return None
    return {log: tuple((int(a), int(b)) for a, b in ranges) for log, ranges in json.loads(told).items()}


def _told(path: Path) -> tuple[Log, Range]:
    file = parse_name(path.name)
    assert file is not None, "raw files have names of the writer's"
    return f"{file.topic}/{file.partition}/{file.epoch}", (file.first, file.last)


def _united(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same offsets in as few ranges as can be."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def _holds(ranges: Iterable[Range], wanted: Range) -> bool:
    return any(first <= wanted[0] and wanted[1] <= last for first, last in ranges)


def _left(files: Iterable[Path], seen: Covered) -> Iterator[Left]:
    for path in files:
        log, (first, last) = _told(path)
        there = tuple(each for each in seen.get(log, ()) if each[0] <= last and first <= each[1])
        if not _holds(there, (first, last)):
            yield Left(path, there)
