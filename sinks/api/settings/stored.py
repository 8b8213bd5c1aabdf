"""How long each kind of event is kept, and what its files take."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.runtime.errors import LakeError
from schemas.catalogue import TABLES
from sinks.api.times import at_s, iso
from sinks.lake.keep import Applied, Decision, applied, decisions, in_force, may_be_decided, shortest_s
from sinks.lake.naming import HOUR_S, folder_hour, list_folders
from sinks.lake.retention import retention_s_by_table

_OURS = {
    "duplicates": "second arrivals of an event, kept apart",
    "expired": "which numbers of sessions were removed with their time over",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """Of one table: files, their size, the hour (since 1970) of the oldest folder; None: there is none."""

    files: int
    stored_bytes: int
    oldest_hour: int | None


def measure(lake: Path) -> dict[str, Stored]:
    """Of every table. Blocks. Raises `OSError`, but for what compaction and retention take away meanwhile."""
    return {table: _table(lake, table) for table in retention_s_by_table()}


def _table(lake: Path, table: str) -> Stored:
    folders = list_folders(lake, table)
    sizes = [size for folder in folders for size in _sizes(lake / folder)]
    hours = [hour for folder in folders if (hour := folder_hour(folder)) is not None]
    return Stored(len(sizes), sum(sizes), min(hours, default=None))


def _sizes(folder: Path) -> list[int]:
    try:
        with os.scandir(folder) as entries:
            return [size for entry in entries if (size := _size(entry)) is not None]
    except FileNotFoundError:
        return []


def _size(entry: os.DirEntry[str]) -> int | None:
    try:
        return entry.stat().st_size if entry.is_file() else None
    except FileNotFoundError:
        return None


def retention(stored: Mapping[str, Stored] | None, lake: Path) -> list[dict[str, Any]]:
    """Every table in the shape of `Retention`; without `stored`: not what it takes. Blocks. Raises `LakeError`."""
    return _lines(stored, decisions(lake), applied(lake))


def retention_told(stored: Mapping[str, Stored] | None, lake: Path) -> dict[str, Any]:
    """The same with how it is followed; where what was decided cannot be read, what the lake writer went by. Blocks."""
    followed = applied(lake)
    try:
        known, trouble = decisions(lake), None
    except LakeError as error:
        known, trouble = {}, f"{error.problem}. {error.way_out}"
    at = None if followed is None else iso(at_s(followed.at_s))
    return {"retention": _lines(stored, known, followed), "applied_at": at, "keep_trouble": trouble}


def _lines(
    stored: Mapping[str, Stored] | None, decided: Mapping[str, Decision], followed: Applied | None
) -> list[dict[str, Any]]:
    found = []
    keep_s = in_force(decided)
    for table, default_s in retention_s_by_table().items():
        by = decided.get(table)
        keeping = {
            "lake_s": keep_s[table],
            "default_s": default_s,
            "shortest_s": shortest_s(table) if may_be_decided(table) else None,
            "decided_by": None if by is None else by.by,
            "decided_at": None if by is None else iso(at_s(by.at_s)),
            "applied_s": None if followed is None else followed.keep_s.get(table),
        }
        found.append({**_told(table, stored), **keeping})
    return found


def _told(table: str, stored: Mapping[str, Stored] | None) -> dict[str, Any]:
    topic, found = TABLES.get(table), None if stored is None else stored[table]
    oldest = None if found is None or found.oldest_hour is None else iso(at_s(found.oldest_hour * HOUR_S))
    return {
        "table": table,
        "topic": None if topic is None else topic.name,
        "summary": _OURS.get(table, table) if topic is None else topic.summary,
        "topic_s": None if topic is None or topic.compacted else topic.retention_s,
        "stored_bytes": None if found is None else found.stored_bytes,
        "files": None if found is None else found.files,
        "oldest": oldest,
    }
