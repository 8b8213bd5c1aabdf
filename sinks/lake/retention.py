"""Removes hours that a table need not keep any more, whole folders at a time."""

from __future__ import annotations

import errno
import threading
from collections.abc import Mapping
from pathlib import Path

from infra.runtime.logs import get_logger
from schemas.catalogue import DAY_S, TABLES
from sinks.lake.expired import EXPIRED_RETENTION_S, note_expired, removing
from sinks.lake.naming import (
    DUPLICATES_TABLE,
    EXPIRED_TABLE,
    HOUR_S,
    folder_hour,
    list_folders,
    list_names,
    parse_name,
)
from sinks.lake.positions import Position, load_positions
from sinks.lake.storage import fsync_path

DUPLICATES_RETENTION_S = 90 * DAY_S
_log = get_logger("lake.retention")


def retention_s_by_table() -> dict[str, int]:
    """How long each table keeps its rows by default, in seconds."""
    ours = {DUPLICATES_TABLE: DUPLICATES_RETENTION_S, EXPIRED_TABLE: EXPIRED_RETENTION_S}
    return {name: topic.lake_retention_s for name, topic in TABLES.items()} | ours


def retain(
    lake: Path, now_s: float, overrides_s: Mapping[str, int] | None = None, stopping: threading.Event | None = None
) -> list[str]:
    """Remove the hour folders that ended longer ago than their table keeps rows; returns them.

    A folder with a file that no position hint covers yet stays: the file may be what recovery needs. `overrides_s`
    gives some tables another retention, in seconds. Which numbers went is noted before they go. Ends soon after
    `stopping` is set; the next run goes on. Raises `OSError`.
    """
    stopping = stopping or threading.Event()
    with removing(lake, stopping) as mine:
        return _retain(lake, now_s, retention_s_by_table() | dict(overrides_s or {}), stopping) if mine else []


def _retain(lake: Path, now_s: float, keep_s_by_table: Mapping[str, int], stopping: threading.Event) -> list[str]:
    positions = load_positions(lake)
    removed: list[str] = []
    for table, keep_s in keep_s_by_table.items():
        for folder in list_folders(lake, table):
            if stopping.is_set():
                return removed
            hour = folder_hour(folder)
            if hour is None or (hour + 1) * HOUR_S > now_s - keep_s:
                continue
            names = list_names(lake, folder)
            free = table == EXPIRED_TABLE or all(_is_covered(name, positions) for name in names)
            if free and note_expired(lake, folder, names, stopping):
                _remove(lake, folder, names)
                removed.append(folder)
    return removed


def _is_covered(name: str, positions: Mapping[tuple[str, int], Position]) -> bool:
    file = parse_name(name)
    if file is None:
        return True
    hint = positions.get((file.topic, file.partition))
    return hint is not None and (file.epoch, file.last) < (hint.epoch, hint.next_offset)


def _remove(lake: Path, folder: str, names: list[str]) -> None:
    path = lake / folder
    for name in names:
        (path / name).unlink(missing_ok=True)
    # A file that came meanwhile keeps its folder; the next run looks again.
    if _removed_empty(path):
        fsync_path(path.parent)
        _removed_empty(path.parent)
    _log.info("hour removed", folder=folder, files=len(names))


def _removed_empty(folder: Path) -> bool:
    """Remove a folder unless there is something in it, or it is gone already."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
            raise
        return False
    return True
