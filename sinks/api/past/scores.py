"""Scores of an agent over time, with the bound and the factors: as many as a picture can show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb

from infra.runtime.trust_settings import FACTORS
from sinks.api.times import Span

Row = dict[str, Any]
_COLUMNS = ("trust", "p", "n", "compliance", *FACTORS)


def read_scores(span: Span, width_s: int) -> Callable[[duckdb.DuckDBPyConnection], list[Row]]:
    """The question: the score that was in force last in every `width_s` that has one, the oldest first."""
    chosen = ", ".join(f'last."{name}"' for name in _COLUMNS)
    whole = ", ".join(f'"{name}" := "{name}"' for name in ("timestamp", *_COLUMNS))
    sql = f"""SELECT last."timestamp", {chosen} FROM (
        SELECT arg_max(struct_pack({whole}), ("timestamp", kafka_offset)) AS last FROM trust
        WHERE "timestamp" >= ? AND "timestamp" < ? GROUP BY epoch_us("timestamp") // {width_s * 1_000_000})
        ORDER BY 1"""  # noqa: S608  # our own names

    def ask(connection: duckdb.DuckDBPyConnection) -> list[Row]:
        rows = connection.execute(sql, [span.start, span.end]).fetchall()
        return [dict(zip(("at", *_COLUMNS), row, strict=True)) for row in rows]

    return ask
