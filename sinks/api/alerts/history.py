"""The past of alerts, from the lake: every change, and every attempt to tell somebody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb

from sinks.api.scope import Scope
from sinks.api.times import iso_us

TABLES = ("alerts", "deliveries")
_CHANGE = "severity, summary, cause, suppressed_by, receivers, escalation_step, actor, comment"
_ATTEMPT = "channel, attempt, outcome, status_code, error"
_COLUMNS = (
    "kind", "at_us", "kafka_offset", "fingerprint", "epoch", "state", "name", "agent_id", "user_id",
    *_CHANGE.split(", "), *_ATTEMPT.split(", "),
)  # fmt: skip
_BASE = 'epoch_us("timestamp") AS at_us, kafka_offset, fingerprint, epoch, state, name, agent_id, user_id'
_SQL = f"""SELECT {", ".join(_COLUMNS)} FROM (
  SELECT 'change' AS kind, {_BASE}, {_CHANGE} FROM alerts
  UNION ALL BY NAME
  SELECT 'delivery' AS kind, {_BASE}, {_ATTEMPT} FROM deliveries WHERE $attempts AND outcome <> 'suppressed')
WHERE at_us >= $start AND at_us < $end AND starts_with(lower(fingerprint), $fingerprint)
  AND ($agent IS NULL OR agent_id GLOB $agent) AND ($name IS NULL OR name GLOB $name)
  AND ($at IS NULL OR (at_us, kind, kafka_offset, fingerprint) < ($at, $kind, $offset, $last))
ORDER BY at_us DESC, kind DESC, kafka_offset DESC, fingerprint DESC LIMIT $most"""  # noqa: S608  # our own names
Place = tuple[int, str, int, str]


@dataclass(frozen=True)
class Asked:
    """Event times in micros, the end is excluded. `fingerprint`: how it begins. `agent`, `name`: patterns.
    `after`: the last row of the page before. `scope`: whether errors of channels may be shown."""

    start_us: int
    end_us: int
    fingerprint: str
    agent: str | None
    name: str | None
    attempts: bool
    after: Place | None
    most: int
    scope: Scope


def history(asked: Asked) -> Callable[[duckdb.DuckDBPyConnection], tuple[list[dict[str, Any]], Place | None]]:
    """A question to the lake: rows of one page, the newest first, and where the next begins."""

    def question(connection: duckdb.DuckDBPyConnection) -> tuple[list[dict[str, Any]], Place | None]:
        rows = connection.execute(_SQL, _values(asked)).fetchall()
        found = [dict(zip(_COLUMNS, row, strict=True)) for row in rows[: asked.most]]
        last = found[-1] if len(rows) > asked.most else None
        place = None if last is None else (last["at_us"], last["kind"], last["kafka_offset"], last["fingerprint"])
        return [_shown(row, asked.scope) for row in found], place

    return question


def _values(asked: Asked) -> dict[str, Any]:
    at, kind, offset, last = asked.after or (None, None, None, None)
    return {
        "attempts": asked.attempts, "start": asked.start_us, "end": asked.end_us,
        "fingerprint": asked.fingerprint.strip().lower(), "agent": asked.agent, "name": asked.name,
        "at": at, "kind": kind, "offset": offset, "last": last, "most": asked.most + 1,
    }  # fmt: skip


def _shown(row: dict[str, Any], scope: Scope) -> dict[str, Any]:
    at_us, _ = row.pop("at_us"), row.pop("kafka_offset")
    hidden = {} if scope.tenant is None else {"error": None}  # it names machines of those who run the fleet
    return {**row, "at": iso_us(at_us), **hidden}
