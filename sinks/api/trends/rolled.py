"""A trend of metrics from their roll-ups, and from raw rows where there is no roll-up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import duckdb

from schemas.catalogue import METRICS
from sinks.api.scope import Scope, conditions
from sinks.api.times import Span
from sinks.api.trends.question import Form, Trend, Wanted, answer, conditions_of, group_of, text_of
from sinks.api.trends.rolled_sql import raw_select, rolled_select
from sinks.api.trends.rollups import Parts, Rollups
from sinks.lake.naming import HOUR_S

_DAY_S = 86_400
_FORM = Form(
    {
        "mean": "sum(s) / nullif(sum(n), 0)",
        "sum": "sum(s)",
        "min": "min(lo)",
        "max": "max(hi)",
        "count": "sum(n)::DOUBLE",
    },
    "sum(n)::BIGINT",
)
_TABLES = ("agent", "deployment", "tenant")


def can_be_rolled(wanted: Wanted) -> bool:
    """Whether roll-ups hold what a question needs: whole hours, no percentile, a metric of the sixteen or reports."""
    measure = wanted.measure
    known = measure.name in METRICS or measure.name == "reports"
    grouped = not wanted.by or wanted.groups is not None or wanted.by in _TABLES
    return known and grouped and wanted.width_s % HOUR_S == 0 and wanted.stat in _FORM.stats


def whole_buckets(span: Span, width_s: int) -> Span:
    """A span from the begin of its first bucket on: a roll-up cannot be cut."""
    start_s = int(span.start.timestamp()) // width_s * width_s
    return Span(datetime.fromtimestamp(start_s, UTC), span.end)


def read_rolled(
    wanted: Wanted, rollups: Rollups, scope: Scope
) -> Callable[[duckdb.DuckDBPyConnection], tuple[Trend, str]]:
    """The question, with what it was told from: raw, hourly or daily. It needs no view, only the scope's variables."""

    def ask(connection: duckdb.DuckDBPyConnection) -> tuple[Trend, str]:
        parts = rollups.parts(wanted.span, daily=wanted.width_s % _DAY_S == 0)
        if not parts.rolled and not parts.raw:
            return Trend([], None, 0), "raw"
        group, joined = group_of(wanted)
        where, values = conditions_of(wanted)
        rows = f"""SELECT epoch_us("timestamp") // {wanted.width_s * 1_000_000} AS b, {group} AS g, n, s, lo, hi
            FROM ({_source(connection, wanted, parts, scope)}) {joined} WHERE n > 0 AND {" AND ".join(where)}"""  # noqa: S608  # our own names
        return answer(connection, wanted, text_of(wanted, rows, _FORM), values), parts.source

    return ask


def _source(connection: duckdb.DuckDBPyConnection, wanted: Wanted, parts: Parts, scope: Scope) -> str:
    """SQL of the rows of a scope: how many reports with a value each stands for, their sum, least and greatest."""
    name = wanted.measure.name if wanted.measure.value is not None else None
    seen = " AND ".join(conditions(scope, None, "metrics")) or "true"
    sources = []
    if parts.rolled:
        numbers = [f'"{name}_{end}"' for end in ("n", "s", "lo", "hi")] if name else ["reports", "reports", "1", "1"]
        sources.append(_columns(numbers, rolled_select(parts.rolled), seen))
    if parts.raw:
        there = f'(isfinite("{name}"))::INT' if name else "1"
        value = f'CASE WHEN isfinite("{name}") THEN "{name}" END' if name else "1"
        numbers = [f"coalesce({there}, 0)", value, value, value]
        sources.append(_columns(numbers, raw_select(connection, parts.raw), seen))
    return " UNION ALL ".join(sources)


def _columns(numbers: list[str], rows: str, seen: str) -> str:
    n, s, lo, hi = numbers
    return f"""SELECT user_id, agent_id, deployment_id, "timestamp", {n}::BIGINT AS n, {s}::DOUBLE AS s,
        {lo}::DOUBLE AS lo, {hi}::DOUBLE AS hi FROM ({rows}) WHERE {seen}"""  # noqa: S608  # our own names; values in variables
