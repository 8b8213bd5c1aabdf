"""What an agent measures: the names, how often, the latest value, and how many of its values were flagged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import duckdb

from schemas.catalogue import METRIC_FAMILIES, METRICS
from schemas.registry import load_schema
from sinks.api.times import Span

MOST_CUSTOM = 200
"""Custom metrics of one answer, those that are reported most."""
MEASURED_TABLES = ("metrics", "anomalies", "forecasts")
_WITHIN = '"timestamp" >= ? AND "timestamp" < ?'


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric; `name` as anomalies have it. `unit`, `meaning`: None for a custom one."""

    name: str
    family: str
    unit: str | None
    meaning: str | None
    reports: int
    first_at: datetime | None
    latest: float | None
    latest_at: datetime | None
    flags: int
    forecasts: int


def read_measured(span: Span) -> Callable[[duckdb.DuckDBPyConnection], list[Measured]]:
    """The question: the sixteen metrics that have reports, in the order of the schema, then custom ones by name."""

    def ask(connection: duckdb.DuckDBPyConnection) -> list[Measured]:
        flags, forecasts = (_counts(connection, table, span) for table in ("anomalies", "forecasts"))
        return [
            Measured(name, *_meaning(name), count, first, latest, at, flags.get(name, 0), forecasts.get(name, 0))
            for name, count, first, latest, at in (*_of_families(connection, span), *_of_customs(connection, span))
        ]

    return ask


def _meaning(name: str) -> tuple[str, str | None, str | None]:
    return _meanings().get(name, ("custom", None, None))


def _of_families(connection: duckdb.DuckDBPyConnection, span: Span) -> list[tuple[Any, ...]]:
    parts = [
        f'count("{name}") FILTER ({fit}), min("timestamp") FILTER ({fit}), '
        f'arg_max("{name}", "timestamp") FILTER ({fit}), max("timestamp") FILTER ({fit})'
        for name, fit in ((each, f'isfinite("{each}")') for each in METRICS)
    ]
    row = connection.execute(
        f"SELECT {', '.join(parts)} FROM metrics WHERE {_WITHIN}",  # noqa: S608  # our own names
        [span.start, span.end],
    ).fetchone()
    assert row is not None
    return [(name, *row[4 * i : 4 * i + 4]) for i, name in enumerate(METRICS) if row[4 * i]]


def _of_customs(connection: duckdb.DuckDBPyConnection, span: Span) -> list[tuple[Any, ...]]:
    return connection.execute(
        f"""SELECT * FROM (SELECT 'custom:' || each.name AS name, count(*) AS reports, min("timestamp"),
        arg_max(each.value, "timestamp"), max("timestamp")
        FROM (SELECT "timestamp", unnest(custom) AS each FROM metrics WHERE {_WITHIN})
        WHERE isfinite(each.value) GROUP BY each.name ORDER BY reports DESC, name LIMIT {MOST_CUSTOM}) ORDER BY name""",  # noqa: S608  # our own names
        [span.start, span.end],
    ).fetchall()


def _counts(connection: duckdb.DuckDBPyConnection, table: str, span: Span) -> dict[str, int]:
    found = connection.execute(
        f"SELECT metric, count(*) FROM {table} WHERE {_WITHIN} GROUP BY metric",  # noqa: S608  # our own names
        [span.start, span.end],
    ).fetchall()
    return dict(found)


@cache
def _meanings() -> dict[str, tuple[str, str | None, str | None]]:
    """Family, unit and meaning of the sixteen, as their schema says them: `Family: meaning.`"""
    fields = {field["name"]: field for field in load_schema("metrics").raw["fields"]}
    return {
        name: (family, fields[name]["unit"], fields[name]["doc"].partition(": ")[2])
        for family, names in METRIC_FAMILIES.items()
        for name in names
    }
