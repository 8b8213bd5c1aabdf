"""The question behind a trend: buckets of time by groups, of which the largest are told and the others put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from sinks.api.times import Span
from sinks.api.trends.measures import CUSTOM, Measure, Stat

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATS: dict[Stat, str] = {
    "mean": "avg(v) FILTER (isfinite(v))",
    "sum": "sum(v) FILTER (isfinite(v))",
    "min": "min(v) FILTER (isfinite(v))",
    "max": "max(v) FILTER (isfinite(v))",
    "p95": "quantile_cont(v, 0.95) FILTER (isfinite(v))",
    "count": "count(*)::DOUBLE",
}
GROUPS_TABLE = "trend_groups"


@dataclass(frozen=True, slots=True)
class Form:
    """How rows are put together: SQL by statistic, and of how many there are."""

    stats: Mapping[Stat, str]
    rows: str


RAW = Form(_STATS, "count(*)")
MOST_BUCKETS = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """`by`: "" for one line of everything, else what the rows are grouped by. `groups`: of what memory knows of agents:
    user_id, agent_id and grp of everybody who has one. `top`: so many groups have a line of their own."""

    measure: Measure
    stat: Stat
    span: Span
    width_s: int
    by: str = ""
    top: int = 8
    lowest: bool = False
    agent: str | None = None
    deployment: str | None = None
    groups: pa.Table | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One group: `group` None is whose group is not known; `values` by bucket number."""

    group: str | None
    total: float | None
    rows: int
    values: dict[int, tuple[float | None, float | None, float | None, int]]


@dataclass(frozen=True, slots=True)
class Trend:
    """`lines`: the groups that were asked for, the first first; `others`: of all that are left, where there are any."""

    lines: list[Line]
    others: Line | None
    groups: int

    def buckets(self) -> list[int]:
        """Numbers of the buckets that have anything."""
        every = [*self.lines, *([self.others] if self.others else [])]
        return sorted({number for line in every for number in line.values})


def read_trend(wanted: Wanted) -> Callable[[duckdb.DuckDBPyConnection], Trend]:
    """The question to raw rows, which are of the scope of the connection's views."""
    rows, values = _rows(wanted)
    sql = text_of(wanted, rows, RAW)

    def ask(connection: duckdb.DuckDBPyConnection) -> Trend:
        if wanted.measure.name.startswith(CUSTOM):
            connection.execute("SET VARIABLE trend_custom = ?", [wanted.measure.name.removeprefix(CUSTOM)])
        return answer(connection, wanted, sql, values)

    return ask


def answer(connection: duckdb.DuckDBPyConnection, wanted: Wanted, sql: str, values: list[Any]) -> Trend:
    """What a text gives, with the groups of `wanted` as a table."""
    if wanted.groups is None:
        return _trend(connection.execute(sql, values).fetchall(), wanted.top)
    connection.register(GROUPS_TABLE, wanted.groups)
    try:
        return _trend(connection.execute(sql, values).fetchall(), wanted.top)
    finally:
        connection.unregister(GROUPS_TABLE)


def group_of(wanted: Wanted) -> tuple[str, str]:
    """SQL of a row's group, and the join that it needs."""
    if wanted.groups is not None:
        return "grp::VARCHAR", f"LEFT JOIN {GROUPS_TABLE} USING (user_id, agent_id)"
    return f"{wanted.measure.by.get(wanted.by, 'NULL')}::VARCHAR", ""


def conditions_of(wanted: Wanted) -> tuple[list[str], list[Any]]:
    """SQL conditions of rows, with their values."""
    where = ['"timestamp" >= ? AND "timestamp" < ?']
    values: list[Any] = [wanted.span.start, wanted.span.end]
    for column, asked in (("agent_id", wanted.agent), ("deployment_id", wanted.deployment)):
        if asked is not None:
            where.append(f"{column} = ?")
            values.append(asked)
    return where, values


def _rows(wanted: Wanted) -> tuple[str, list[Any]]:
    """SQL of the rows with their bucket `b`, group `g` and value `v`."""
    measure = wanted.measure
    group, joined = group_of(wanted)
    where, values = conditions_of(wanted)
    sql = f"""SELECT epoch_us("timestamp") // {wanted.width_s * 1_000_000} AS b, {group} AS g,
        {measure.value or "1"}::DOUBLE AS v FROM {measure.source} {joined}
        WHERE ({measure.where}) AND {" AND ".join(where)}"""  # noqa: S608  # our own names
    return (sql if measure.value is None else f"SELECT * FROM ({sql}) WHERE v IS NOT NULL"), values  # noqa: S608  # as above


def text_of(wanted: Wanted, rows: str, form: Form) -> str:
    """Groups are told apart first, then counted again with the small ones together: a mean of means is no mean."""
    stat = form.stats[wanted.stat]
    order = f"total {'ASC' if wanted.lowest else 'DESC'} NULLS LAST, n DESC, g NULLS LAST"
    return f"""WITH r AS ({rows}),
      ranked AS (SELECT g, {stat} AS total, {form.rows} AS n FROM r GROUP BY g),
      placed AS (SELECT *, row_number() OVER (ORDER BY {order}) AS place, count(*) OVER () AS every FROM ranked),
      named AS (SELECT r.*, least(place, {wanted.top + 1}) AS place, every
        FROM r JOIN placed ON r.g IS NOT DISTINCT FROM placed.g)
      SELECT place, any_value(every), CASE WHEN place <= {wanted.top} THEN max(g) END, b, {stat},
        {form.stats["min"]}, {form.stats["max"]}, {form.rows}
      FROM named GROUP BY GROUPING SETS ((place, b), (place)) ORDER BY place, b NULLS FIRST"""  # noqa: S608  # our own names, and numbers


def _trend(rows: list[tuple[Any, ...]], top: int) -> Trend:
    """Of (place, groups, group, bucket, value, least, greatest, rows); rows without a bucket are of the whole range."""
    totals = [row for row in rows if row[3] is None]
    lines = {row[0]: Line(row[2], row[4], row[7], {}) for row in totals}
    for place, _, _, bucket, value, least, greatest, count in rows:
        if bucket is not None:
            lines[place].values[bucket] = (value, least, greatest, count)
    together = lines.pop(top + 1, None)
    return Trend([lines[place] for place in sorted(lines)], together, int(rows[0][1]) if rows else 0)


def bucket_at(number: int, width_s: int) -> datetime:
    """When a bucket begins."""
    return _EPOCH + timedelta(seconds=number * width_s)
