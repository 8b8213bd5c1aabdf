"""Removes hours that a table need not keep any more, whole folders at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from infra.runtime.logs import get_logger
from schemas.catalogue import DAY_S, TABLES
from sinks.lake.naming import DUPLICATES_TABLE, HOUR_S, folder_hour, list_folders, list_names, parse_name
from sinks.lake.positions import Position, load_positions
from sinks.lake.storage import fsync_path

DUPLICATES_RETENTION_S = 90 * DAY_S
_log = get_logger("lake.retention")


def retention_s_by_table() -> dict[str, int]:
    """How long each table keeps its rows by default, in seconds."""
    return {name: topic.lake_retention_s for name, topic in TABLES.items()} | {DUPLICATES_TABLE: DUPLICATES_RETENTION_S}


def retain(lake: Path, now_s: float, overrides_s: Mapping[str, int] | None = None) -> list[str]:
    """Remove the hour folders that ended longer ago than their table keeps rows; returns them.

    A folder with a file that no position hint covers yet stays: the file may be what recovery needs. `overrides_s`
    gives some tables another retention, in seconds. Raises `OSError`.
    """
    positions = load_positions(lake)
    removed = []
    for table, keep_s in (retention_s_by_table() | dict(overrides_s or {})).items():
        for folder in list_folders(lake, table):
            hour = folder_hour(folder)
            if hour is None or (hour + 1) * HOUR_S > now_s - keep_s:
                continue
            names = list_names(lake, folder)
            if all(_is_covered(name, positions) for name in names):
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
    with contextlib.suppress(OSError):
        # A file that came meanwhile keeps its folder; the next run looks again.
        path.rmdir()
        fsync_path(path.parent)
        path.parent.rmdir()
    _log.info("hour removed", folder=folder, files=len(names))
