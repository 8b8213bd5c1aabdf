"""What probes measured, from the lake: the newest of every host, and one host over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from sinks.api.past.shown import shown
from sinks.api.times import Span

NUMBERS = (
    "cpu_usage", "cpu_cores", "load_1m", "memory_usage", "memory_used_bytes", "memory_total_bytes", "swap_usage",
    "disk_usage", "disk_free_bytes", "disk_read_rate", "disk_write_rate", "network_receive_rate", "network_send_rate",
    "processes", "gpu_usage", "gpu_memory_usage", "gpu_temperature", "gpu_count",
)  # fmt: skip
CHARTED = (
    "cpu_usage", "memory_usage", "swap_usage", "disk_usage", "load_1m", "disk_read_rate", "disk_write_rate",
    "network_receive_rate", "network_send_rate", "processes", "gpu_usage", "gpu_memory_usage", "gpu_temperature",
)  # fmt: skip
MOST_HOSTS = 20_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Measured = dict[str, Any]


def read_newest(span: Span) -> Callable[[duckdb.DuckDBPyConnection], dict[str, Measured]]:
    """The question: of every host that was probed in a span the last that its probe told, by its name."""
    chosen = ", ".join(f'"{name}"' for name in NUMBERS)
    sql = f"""SELECT host, max("timestamp"), arg_max(struct_pack({_packed()}), "timestamp")
        FROM (SELECT host, "timestamp", {chosen} FROM hosts WHERE "timestamp" >= ? AND "timestamp" < ?)
        GROUP BY host LIMIT {MOST_HOSTS}"""  # noqa: S608  # our own names

    def ask(connection: duckdb.DuckDBPyConnection) -> dict[str, Measured]:
        rows = connection.execute(sql, [span.start, span.end]).fetchall()
        return {host: {"at": shown(at)} | {name: shown(values[name]) for name in NUMBERS} for host, at, values in rows}

    return ask


def _packed() -> str:
    return ", ".join(f'{name} := "{name}"' for name in NUMBERS)


@dataclass(frozen=True, slots=True)
class History:
    """`at`: begin of every bucket that has anything; `series`: the mean of each of `CHARTED` that has any value."""

    at: Sequence[datetime]
    series: dict[str, list[float | None]]


def read_history(span: Span, host: str, width_s: int) -> Callable[[duckdb.DuckDBPyConnection], History]:
    """The question: a host in buckets of `width_s`."""
    means = ", ".join(f'avg("{name}") FILTER (isfinite("{name}"::DOUBLE))' for name in CHARTED)
    sql = f"""SELECT epoch_us("timestamp") // {width_s * 1_000_000} AS bucket, {means} FROM hosts
        WHERE host = ? AND "timestamp" >= ? AND "timestamp" < ? GROUP BY bucket ORDER BY bucket"""  # noqa: S608  # our own names

    def ask(connection: duckdb.DuckDBPyConnection) -> History:
        rows = connection.execute(sql, [host, span.start, span.end]).fetchall()
        columns = [list(column) for column in zip(*(row[1:] for row in rows), strict=True)]
        series = dict(zip(CHARTED, columns, strict=False))
        known = {name: values for name, values in series.items() if any(value is not None for value in values)}
        return History([_EPOCH + timedelta(seconds=row[0] * width_s) for row in rows], known)

    return ask
