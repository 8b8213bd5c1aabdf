"""Runs of agents with their steps and failures, from the events of fleet.runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from sinks.api.times import Span

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_EVENTS = 10_000
"""Steps and failures of one run that are told."""
Row = dict[str, Any]

_COLUMNS = (
    "run_id", "user_id", "agent_id", "deployment_id", "name", "status", "started_at", "ended_at", "latency_ms",
    "steps", "failures",
)  # fmt: skip
_CHOSEN = ", ".join(_COLUMNS).replace(
    "latency_ms", "coalesce(latency_ms, CASE WHEN began THEN epoch_us(ended_at - started_at) / 1000 END) AS latency_ms"
)
_RUNS = """SELECT run_id, user_id, arg_min(agent_id, "timestamp") AS agent_id,
  any_value(deployment_id) AS deployment_id,
  max(name) FILTER (kind IN ('run_started', 'run_finished')) AS name,
  coalesce(arg_max(status, "timestamp") FILTER (kind = 'run_finished'), 'running') AS status,
  coalesce(min(started_at) FILTER (kind IN ('run_started', 'run_finished')), min("timestamp")) AS started_at,
  max(coalesce(ended_at, "timestamp")) FILTER (kind = 'run_finished') AS ended_at,
  max(latency_ms) FILTER (kind = 'run_finished') AS latency_ms,
  count(DISTINCT step_id) FILTER (kind = 'step') AS steps, count(*) FILTER (kind = 'failure') AS failures,
  count(*) FILTER (kind = 'run_started') > 0 AS began
  FROM runs WHERE "timestamp" >= ? AND "timestamp" < ? GROUP BY user_id, run_id"""
_EVENTS = (
    "timestamp", "kind", "agent_id", "step_id", "name", "status", "started_at", "ended_at", "latency_ms", "step_index",
    "retries", "failure_type", "failure_code", "message", "attributes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class After:
    """Where a page ended: when its last run started (microseconds since 1970), its id and tenant."""

    started_us: int
    run_id: str
    user_id: str


def read_runs(
    span: Span, status: str | None, after: After | None, count: int
) -> Callable[[duckdb.DuckDBPyConnection], list[Row]]:
    """The question: runs that have events in a span, the newest first."""
    values: list[Any] = [span.start, span.end]
    where = ["true"]
    if status is not None:
        where.append("status = ?")
        values.append(status)
    if after is not None:
        where.append("(epoch_us(started_at), run_id, user_id) < (?, ?, ?)")
        values += [after.started_us, after.run_id, after.user_id]
    sql = f"""SELECT {_CHOSEN} FROM ({_RUNS}) WHERE {" AND ".join(where)}
        ORDER BY epoch_us(started_at) DESC, run_id DESC, user_id DESC LIMIT {count}"""  # noqa: S608  # our own names

    def ask(connection: duckdb.DuckDBPyConnection) -> list[Row]:
        return [dict(zip(_COLUMNS, row, strict=True)) for row in connection.execute(sql, values).fetchall()]

    return ask


def after_of(run: Row) -> After:
    """The place of a run in the list."""
    return After((run["started_at"] - _EPOCH) // timedelta(microseconds=1), run["run_id"], run["user_id"])


def read_run(span: Span, run_id: str) -> Callable[[duckdb.DuckDBPyConnection], tuple[Row, list[Row]] | None]:
    """The question: a run with its events in their order; of tenants that name one the same, the newest."""
    runs = f"""SELECT {_CHOSEN} FROM ({_RUNS.replace(" GROUP BY", " AND run_id = ? GROUP BY")})
        ORDER BY started_at DESC LIMIT 1"""  # noqa: S608  # our own names
    names = ", ".join(f'"{name}"' for name in _EVENTS)
    events = f"""SELECT {names} FROM runs WHERE "timestamp" >= ? AND "timestamp" < ? AND run_id = ? AND user_id = ?
        ORDER BY coalesce(step_index, 9223372036854775807), "timestamp", seq LIMIT {MOST_EVENTS}"""  # noqa: S608  # our own names

    def ask(connection: duckdb.DuckDBPyConnection) -> tuple[Row, list[Row]] | None:
        found = connection.execute(runs, [span.start, span.end, run_id]).fetchone()
        if found is None:
            return None
        run = dict(zip(_COLUMNS, found, strict=True))
        rows = connection.execute(events, [span.start, span.end, run_id, run["user_id"]]).fetchall()
        return run, [dict(zip(_EVENTS, row, strict=True)) for row in rows]

    return ask
