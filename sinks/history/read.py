"""Changes of alerts and attempts to deliver them, from the tables `alerts` and `deliveries`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from infra.runtime.errors import LakeError
from infra.runtime.text import printable
from sinks.lake.views import ask_lake

CHANGE, DELIVERY = "change", "delivery"
_COMMON = "kafka_timestamp, fingerprint, epoch, state, name, agent_id"
_CHANGE = f"{_COMMON}, severity, summary, cause, suppressed_by, receivers, escalation_step, actor, comment"
_DELIVERY = f"{_COMMON}, channel, channel_kind, attempt, outcome, status_code, error, duration_s"


@dataclass(frozen=True)
class Asked:
    """`since`: aware, by the broker's clock. `fingerprint`: how it begins, empty: any. `agent`, `name`: patterns with
    `*` and `?`, None: any. `suppressed`: also records of channels that had nobody to tell. `most`: rows, the newest."""

    since: datetime
    fingerprint: str = ""
    agent: str | None = None
    name: str | None = None
    suppressed: bool = False
    most: int = 200


@dataclass(frozen=True)
class Entry:
    """One row: `kind` change or delivery; `at`: when the broker got it; `values`: its columns by name."""

    kind: str
    at: datetime
    values: dict[str, Any]


@dataclass(frozen=True)
class History:
    """`entries` in the order of time, the newest at the end; `found`: how many there are in all."""

    entries: list[Entry]
    found: int


def read_history(lake: Path, asked: Asked) -> History:
    """Raises `LakeError` without a lake, and where a fingerprint that was asked for has nothing."""

    def ask(connection: duckdb.DuckDBPyConnection) -> History:
        where, values = _where(asked)
        quiet = "" if asked.suppressed else " AND outcome <> 'suppressed'"
        changes, found = _rows(connection, CHANGE, "alerts", _CHANGE, where, values, asked.most)
        attempts, more = _rows(connection, DELIVERY, "deliveries", _DELIVERY, where + quiet, values, asked.most)
        entries = sorted([*changes, *attempts], key=lambda entry: (entry.at, entry.kind))
        return History(entries[-asked.most :], found + more)

    history = ask_lake(lake, ("alerts", "deliveries"), ask)
    if asked.fingerprint and not history.found:
        raise LakeError(
            f"nothing begins with {printable(asked.fingerprint)!r} since {asked.since:%Y-%m-%d %H:%M} UTC",
            setting="FINGERPRINT, --since",
            way_out="Look further back with --since 90d, or give less of it",
        )
    return history


def _where(asked: Asked) -> tuple[str, list[Any]]:
    """A condition and its values. The folders are by event time, which may be a day from the broker's."""
    parts = ['"date" >= ?', "kafka_timestamp >= ?", "starts_with(lower(fingerprint), ?)"]
    values: list[Any] = [asked.since.date() - timedelta(days=1), asked.since, asked.fingerprint.strip().lower()]
    for column, pattern in (("agent_id", asked.agent), ("name", asked.name)):
        if pattern is not None:
            parts.append(f"{column} GLOB ?")
            values.append(pattern)
    return " AND ".join(parts), values


def _rows(
    connection: duckdb.DuckDBPyConnection, kind: str, table: str, columns: str, where: str, values: list[Any], most: int
) -> tuple[Iterable[Entry], int]:
    names = columns.split(", ")
    rows = connection.execute(
        f"SELECT {columns} FROM {table} WHERE {where} ORDER BY kafka_timestamp DESC, kafka_offset DESC LIMIT ?",  # noqa: S608  # our own names
        [*values, most],
    ).fetchall()
    counted = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()  # noqa: S608  # the same
    assert counted is not None
    # Reversed, so that sorting by time, which keeps the order of equals, has them as they were written.
    return [Entry(kind, row[0], dict(zip(names, row, strict=True))) for row in reversed(rows)], int(counted[0])
