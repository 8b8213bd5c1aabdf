"""Roll-ups in SQL: made of raw rows, put together, read again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from schemas.catalogue import METRICS
from sinks.api.trends.covered import Left
from sinks.lake.naming import HOUR_S
from sinks.lake.views import quoted, table_select


def hour_sql(connection: duckdb.DuckDBPyConnection, hour: int, raw: list[Left], rolled: Path | None) -> str:
    """The roll-up of an hour: of raw rows, and of an older roll-up that knows of others."""
    sql = f"""SELECT user_id, agent_id, deployment_id, {_at(hour)} AS "timestamp", count(*) AS reports,
        {_rolled_columns()} FROM ({raw_select(connection, raw)}) GROUP BY ALL"""  # noqa: S608  # our own names, files quoted
    if rolled is None:
        return sql
    return _merged(f"({rolled_select([rolled])} UNION ALL BY NAME {sql})", '"timestamp"')


def day_sql(first_hour: int, rolled: list[Path]) -> str:
    """The roll-up of a day from those of its hours."""
    return _merged(_scan(rolled), _at(first_hour))


def _at(hour: int) -> str:
    return f"TIMESTAMPTZ {quoted(datetime.fromtimestamp(hour * HOUR_S, UTC).isoformat())}"


def _rolled_columns() -> str:
    parts = [
        f'count("{m}") FILTER (isfinite("{m}")) AS "{m}_n", sum("{m}") FILTER (isfinite("{m}")) AS "{m}_s", '
        f'min("{m}") FILTER (isfinite("{m}")) AS "{m}_lo", max("{m}") FILTER (isfinite("{m}")) AS "{m}_hi"'
        for m in METRICS
    ]
    return ", ".join(parts)


def _merged_columns() -> str:
    parts = [
        f'sum("{m}_n")::BIGINT AS "{m}_n", sum("{m}_s") AS "{m}_s", '
        f'min("{m}_lo") AS "{m}_lo", max("{m}_hi") AS "{m}_hi"'
        for m in METRICS
    ]
    return ", ".join(parts)


def _merged(rows: str, at: str) -> str:
    """SQL of roll-ups put together, at a time each."""
    return f"""SELECT user_id, agent_id, deployment_id, {at} AS "timestamp", sum(reports)::BIGINT AS reports,
        {_merged_columns()} FROM {rows} GROUP BY ALL"""  # noqa: S608  # our own names, files quoted


def raw_select(connection: duckdb.DuckDBPyConnection, raw: list[Left]) -> str:
    """SQL of the rows of metrics that are to be told raw; there must be some."""
    whole = [each.path for each in raw if not each.seen]
    selects = [table_select(connection, "metrics", whole)] if whole else []
    for each in raw:
        if each.seen:
            there = " OR ".join(f"kafka_offset BETWEEN {first} AND {last}" for first, last in each.seen)
            rows = table_select(connection, "metrics", [each.path])
            selects.append(f"SELECT * FROM ({rows}) WHERE NOT ({there})")  # noqa: S608  # our own names, and numbers
    return " UNION ALL BY NAME ".join(selects)


def _scan(files: Iterable[Path]) -> str:
    return f"read_parquet([{', '.join(quoted(str(file)) for file in files)}], hive_partitioning = false)"


def rolled_select(files: list[Path]) -> str:
    """SQL of the rows of roll-ups."""
    return f"SELECT * FROM {_scan(files)}"  # noqa: S608  # files quoted
