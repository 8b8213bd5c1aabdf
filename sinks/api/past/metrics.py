"""Metrics of an agent over time: in buckets, so that an answer has as many points as a picture can show."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from schemas.catalogue import METRICS
from sinks.api.past.bands import usual_band
from sinks.api.times import Span

NICE_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400)
MAX_POINTS = 2_000
MAX_METRICS = 40
_CUSTOM = "custom:"
"""What anomalies put before the name of a custom metric; questions may."""
_LEAD, _LONGEST_LEAD = 0.5, timedelta(days=3)
"""So much of a span before it is read for its first bands."""
_LARGEST = 1e150
"""The square of a greater value is no finite number: bands leave it out."""


@dataclass(frozen=True, slots=True)
class Series:
    """Of one metric: mean, least and greatest of every bucket, None where it has no finite value.

    `expected`, `low`, `high`: the usual band (`sinks.api.past.bands`); None: it was not asked for.
    """

    mean: list[float | None]
    min: list[float | None]
    max: list[float | None]
    expected: list[float | None] | None = None
    low: list[float | None] | None = None
    high: list[float | None] | None = None


@dataclass(frozen=True, slots=True)
class Buckets:
    """`at`: begin of every bucket that has reports; `reports`: how many it has."""

    at: list[datetime]
    reports: list[int]
    series: dict[str, Series]


def bucket_s(span: Span, points: int) -> int:
    """The shortest nice width with which a span has at most `points` buckets, seconds."""
    least = span.length_s / points
    return next((width for width in NICE_S if width >= least), math.ceil(least / 86_400) * 86_400)


def with_lead(span: Span) -> Span:
    """The span with what its first bands are made of before it."""
    return Span(span.start - min(_LEAD * (span.end - span.start), _LONGEST_LEAD), span.end)


def read_buckets(span: Span, width_s: int, names: Sequence[str]) -> Callable[[duckdb.DuckDBPyConnection], Buckets]:
    """The question: `names` of the sixteen metrics, any other is a custom metric."""
    sql, values = _sql(span, width_s, names, _SHOWN)

    def ask(connection: duckdb.DuckDBPyConnection) -> Buckets:
        at, reports, columns = _asked(connection, sql, values, width_s, len(names) * len(_SHOWN))
        series = {name: Series(*columns[3 * i : 3 * i + 3]) for i, name in enumerate(names)}
        return Buckets(at, reports, series)

    return ask


def read_banded(span: Span, width_s: int, names: Sequence[str]) -> Callable[[duckdb.DuckDBPyConnection], Buckets]:
    """The same with usual bands; to be asked of `with_lead(span)`. The first bucket is a whole one."""
    sql, values = _sql(with_lead(span), width_s, names, _SHOWN + _SPREAD)
    count = len(_SHOWN + _SPREAD)

    def ask(connection: duckdb.DuckDBPyConnection) -> Buckets:
        at, reports, columns = _asked(connection, sql, values, width_s, len(names) * count)
        skipped = bisect_right(at, span.start - timedelta(seconds=width_s))
        series = {name: _banded(columns[count * i : count * (i + 1)], skipped) for i, name in enumerate(names)}
        return Buckets(at[skipped:], reports[skipped:], series)

    return ask


_SHOWN = tuple(f"{function}({{0}}) FILTER (isfinite({{0}}))" for function in ("avg", "min", "max"))
_SPREAD = tuple(f"{function}({{0}}) FILTER (abs({{0}}) < {_LARGEST!r})" for function in ("count", "avg", "var_pop"))


def _sql(span: Span, width_s: int, names: Sequence[str], functions: Sequence[str]) -> tuple[str, list[Any]]:
    parts = [f"{_value(name)} AS m{i}" for i, name in enumerate(names)]
    shown = [function.format(f"m{i}") for i in range(len(names)) for function in functions]
    values: list[Any] = [name.removeprefix(_CUSTOM) for name in names if name not in METRICS]
    sql = f"""SELECT epoch_us("timestamp") // {width_s * 1_000_000} AS bucket, count(*), {", ".join(shown)}
        FROM (SELECT "timestamp", {", ".join(parts)} FROM metrics WHERE "timestamp" >= ? AND "timestamp" < ?)
        GROUP BY bucket ORDER BY bucket"""  # noqa: S608  # our own names; those of custom metrics are parameters
    return sql, [*values, span.start, span.end]


def _asked(
    connection: duckdb.DuckDBPyConnection, sql: str, values: list[Any], width_s: int, count: int
) -> tuple[list[datetime], list[int], list[list[Any]]]:
    """Begin and reports of every bucket, and `count` columns of what it says."""
    rows = connection.execute(sql, values).fetchall()
    at = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=row[0] * width_s) for row in rows]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(2 + count)]
    return at, columns[1], columns[2:]


def _banded(columns: Sequence[list[Any]], skipped: int) -> Series:
    mean, least, greatest, counts, means, variances = columns
    band = usual_band(counts, means, variances)
    expected, low, high = (
        [value if math.isfinite(value) else None for value in each[skipped:].tolist()]
        for each in (band.expected, band.low, band.high)
    )
    return Series(mean[skipped:], least[skipped:], greatest[skipped:], expected, low, high)


def _value(name: str) -> str:
    return f'"{name}"' if name in METRICS else "(list_filter(custom, lambda each: each.name = ?)[1]).value"
