"""What changed: statuses, alerts, falls of trust, the newest first; from the lake, over any span.

A fall of trust is one of `FALL` or more from the end of one half hour to the end of the next in which the agent was
scored. Scores are published with every little step, and hardly anyone wants to see these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, get_args

import duckdb

from sinks.api.past.shown import shown_row
from sinks.api.times import Span

Kind = Literal["status", "alert", "trust"]
KINDS: tuple[str, ...] = get_args(Kind)
FALL = 0.05
PERIOD = timedelta(minutes=30)
_PERIOD_S = int(PERIOD.total_seconds())
_TABLE_OF = {"status": "status", "alert": "alerts", "trust": "trust"}
_COLUMNS = (
    "kind", "at", "id", "agent_id", "user_id", "deployment_id", "status", "previous", "reason", "trust",
    "trust_before", "fingerprint", "name", "severity", "state", "cause", "summary",
)  # fmt: skip
_HEAD = '"timestamp" AS "at", event_id::VARCHAR AS id, agent_id, user_id, deployment_id'
_SQL_OF = {
    "status": f"""SELECT 'status' AS kind, {_HEAD}, status, previous, reason FROM status
WHERE "timestamp" >= $start AND "timestamp" < $end AND status <> previous""",  # noqa: S608  # our own names
    "alert": f"""SELECT 'alert' AS kind, {_HEAD}, fingerprint, name, severity, state, cause, summary FROM alerts
WHERE "timestamp" >= $start AND "timestamp" < $end AND coalesce(cause, '') NOT IN ('repeated', 'escalated')
  AND (suppressed_by IS NULL OR state <> 'firing')""",  # noqa: S608  # as above
    "trust": f"""SELECT 'trust' AS kind, "at", id, agent_id, user_id, deployment_id, trust, trust_before FROM (
  SELECT *, lag(trust) OVER (PARTITION BY user_id, agent_id ORDER BY period) AS trust_before FROM (
    SELECT user_id, agent_id, epoch("timestamp")::BIGINT // {_PERIOD_S} AS period, max("timestamp") AS "at",
      arg_max(event_id, "timestamp")::VARCHAR AS id, arg_max(deployment_id, "timestamp") AS deployment_id,
      arg_max(trust, "timestamp") AS trust
    FROM trust WHERE "timestamp" >= $before AND "timestamp" < $end GROUP BY ALL))
WHERE "at" >= $start AND trust_before - trust >= {FALL}""",  # noqa: S608  # as above
}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class After:
    """Where a page ended: time (microseconds since 1970) and id of its last row."""

    at_us: int
    id: str


def tables_of(kinds: Sequence[str]) -> tuple[str, ...]:
    """The tables that kinds of changes are in."""
    return tuple(_TABLE_OF[kind] for kind in kinds)


def read_span(span: Span) -> Span:
    """The span whose files have to be read: what a score was before the span is before it."""
    return Span(span.start - PERIOD, span.end)


def read_changes(
    span: Span, kinds: Sequence[str], after: After | None, count: int
) -> Callable[[duckdb.DuckDBPyConnection], list[Row]]:
    """The question: at most `count` changes, each with every column, null where its kind has none."""
    values: dict[str, Any] = {"start": span.start, "end": span.end}
    values |= {"before": span.start - PERIOD} if "trust" in kinds else {}
    where = "true"
    if after is not None:
        where = '(epoch_us("at"), id) < ($after_us, $after_id)'
        values |= {"after_us": after.at_us, "after_id": after.id}
    nothing = ", ".join(f'NULL::{_type(name)} AS "{name}"' for name in _COLUMNS)
    union = " UNION ALL BY NAME ".join([f"SELECT {nothing} WHERE false", *(_SQL_OF[kind] for kind in kinds)])
    chosen = ", ".join(f'"{name}"' for name in _COLUMNS)
    sql = f"""SELECT {chosen}, epoch_us("at") FROM ({union}) WHERE {where}
ORDER BY "at" DESC, id DESC LIMIT {count}"""  # noqa: S608  # our own names

    def ask(connection: duckdb.DuckDBPyConnection) -> list[Row]:
        rows = connection.execute(sql, values).fetchall()
        return [dict(zip((*_COLUMNS, "at_us"), row, strict=True)) for row in rows]

    return ask


def _type(name: str) -> str:
    return {"at": "TIMESTAMPTZ", "trust": "DOUBLE", "trust_before": "DOUBLE"}.get(name, "VARCHAR")


def after_of(row: Row) -> After:
    """The place of a change in the list."""
    return After(row["at_us"], row["id"])


def shown_change(row: Row) -> Row:
    """As the API tells it."""
    return shown_row({name: row[name] for name in _COLUMNS})
