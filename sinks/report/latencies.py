"""How long it took from an event to its score, to an alert, to being there for SQL: percentiles in seconds."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import duckdb

from sinks.lake.ledger import PRODUCER_TABLES
from sinks.lake.naming import parse_name, visible_files

_ABSENCE = "('agent_late', 'agent_offline')"
_RIGHT = "agent_id NOT IN (SELECT agent_id FROM clocks_off)"
_NEWS = "state = 'firing' AND coalesce(cause, 'began') IN ('began', 'worse')"
"""Rows that an event caused: what is repeated, unsilenced or escalated later says nothing of the way."""
_SOURCES = {
    "event_to_score": "FROM trust WHERE true",
    "event_to_score_settled": (
        "FROM trust WHERE kafka_timestamp > (SELECT min(kafka_timestamp) FROM trust) + INTERVAL 10 SECOND"
    ),
    "event_to_alert": f"FROM alerts WHERE {_NEWS} AND name NOT IN {_ABSENCE}",
    "absence_to_alert": f"FROM alerts WHERE {_NEWS} AND name IN {_ABSENCE}",
}


def _percentiles(row: tuple[Any, ...] | None) -> dict[str, float | int | None]:
    assert row is not None
    p50, p99, most, count = row
    values = {"p50": p50, "p99": p99, "max": most}
    return {name: None if value is None else round(value / 1e6, 6) for name, value in values.items()} | {"count": count}


def _of(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, float | int | None]:
    return _percentiles(
        connection.execute(
            f"""SELECT quantile_cont(us, 0.5), quantile_cont(us, 0.99), max(us), count(us)
            FROM (SELECT epoch_us(kafka_timestamp) - epoch_us(oldest_source_timestamp) AS us {source} AND {_RIGHT})"""  # noqa: S608  # our own text
        ).fetchone()
    )


def _landed_files(lake: Path) -> list[tuple[str, int]]:
    """Visible files of producer tables as they landed, with when they got their name, micros.

    That is the time of the last change of the inode (the name is linked after the bytes are synced): the modification
    time is earlier. Compacted files came later and say nothing of the landing.
    """
    found = []
    for table in PRODUCER_TABLES:
        for path in visible_files(lake, table):
            name = parse_name(path.name)
            if name is not None and not name.compacted:
                found.append((str(path), path.stat().st_ctime_ns // 1000))
    return found


def _queryable(connection: duckdb.DuckDBPyConnection, lake: Path) -> dict[str, float | int | None]:
    files = _landed_files(lake)
    if not files:
        return _percentiles((None, None, None, 0))
    connection.execute("CREATE OR REPLACE TEMP TABLE landed (filename VARCHAR, at_us BIGINT)")
    connection.executemany("INSERT INTO landed VALUES (?, ?)", files)
    names = [name for name, _ in files]
    return _percentiles(
        connection.execute(
            """SELECT quantile_cont(us, 0.5), quantile_cont(us, 0.99), max(us), count(us) FROM (
              SELECT at_us - epoch_us("timestamp") AS us
              FROM read_parquet(?, filename = true, union_by_name = true, hive_partitioning = false)
              JOIN landed USING (filename) WHERE agent_id NOT IN (SELECT agent_id FROM clocks_off))""",
            [names],
        ).fetchone()
    )


def measure_latencies(
    connection: duckdb.DuckDBPyConnection, lake: Path, clocks_off: Collection[str] = ()
) -> dict[str, dict[str, float | int | None]]:
    """p50, p99, max in seconds and the count of rows that they are over.

    `event_to_score` and `event_to_alert`: Kafka timestamp of the row less the time of the oldest event behind it, all
    trust rows and all alerts that begin or become worse; `event_to_score_settled` is without the first 10 s, in which a
    broker that was started a moment ago answers slowly; alerts about absence are apart, since their event is that
    none came, and the alert manager may hold them for a second to see whether it is an outage.
    Agents in `clocks_off` are left out: by their clocks nothing can be measured. `event_to_queryable`: from event time
    to when the row's file got its name; rows of compacted files are left out.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE clocks_off (agent_id VARCHAR)")
    connection.executemany("INSERT INTO clocks_off VALUES (?)", [(agent_id,) for agent_id in {"", *clocks_off}])
    measured = {name: _of(connection, source) for name, source in _SOURCES.items()}
    return measured | {"event_to_queryable": _queryable(connection, lake)}
