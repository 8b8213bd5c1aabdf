"""Small lakes, written as the lake writer lays them out, with rows that tests choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from schemas.catalogue import TABLES
from schemas.columnar import empty_frame
from schemas.registry import SchemaBook
from sinks.lake.encoding import to_arrow

START = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
_EMPTY: dict[Any, Any] = {pl.String: "", pl.Int64: 0, pl.Float64: 0.0, pl.Boolean: False, pl.Binary: b""}


def at(seconds: float) -> datetime:
    """A moment after the beginning of the small worlds."""
    return START + timedelta(seconds=seconds)


def at_us(seconds: float) -> int:
    """The same in micros since the epoch."""
    return round(at(seconds).timestamp() * 1e6)


class SmallLake:
    """A lake folder; `add` writes one file per hour of the rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._next: dict[str, int] = {}
        self._ids = 0

    def _row(self, schema: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
        self._ids += 1
        full: dict[str, Any] = {}
        for name, kind in schema.items():
            full[name] = (
                [] if isinstance(kind, pl.List) else START if isinstance(kind, pl.Datetime) else _EMPTY[type(kind)]
            )
        return full | {"event_id": self._ids.to_bytes(16, "big"), "agent_id": "a", "session_id": "s-a"} | dict(row)

    def add(
        self, table: str, rows: Iterable[Mapping[str, Any]], *, drop: Iterable[str] = (), mark: str = ""
    ) -> list[Path]:
        """Write rows, their timestamp also as Kafka's; `drop` leaves columns out, as older versions would."""
        topic = TABLES[table].name
        schema = dict(empty_frame(SchemaBook(TABLES[table].schema)).schema)
        full = [self._row(schema, row) for row in rows]
        first = self._next.get(table, 0)
        self._next[table] = first + len(full)
        frame = pl.DataFrame(full, schema=schema, orient="row").with_columns(
            pl.lit(0, pl.Int32).alias("kafka_partition"),
            pl.int_range(first, first + len(full), dtype=pl.Int64, eager=True).alias("kafka_offset"),
            pl.col("timestamp").cast(pl.Datetime("ms", "UTC")).alias("kafka_timestamp"),
        )
        return self._write(table, topic, frame.drop(list(drop)), first, mark)

    def _write(self, table: str, topic: str, frame: pl.DataFrame, first: int, mark: str) -> list[Path]:
        hours = frame.with_columns(pl.col("timestamp").dt.strftime("date=%Y-%m-%d/hour=%H").alias("_folder"))
        groups = hours.partition_by("_folder", as_dict=True, maintain_order=True)
        paths = []
        for k, ((folder,), part) in enumerate(groups.items(), start=1):
            name = f"{topic}+0+{first}+{first + frame.height - 1}+{k}of{len(groups)}{mark}.parquet"
            path = self.folder / table / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(to_arrow(part.drop("_folder")), path)
            paths.append(path)
        return paths

    def add_duplicates(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write second arrivals to the table `duplicates`."""
        again = {"topic": "fleet.metrics", "event_id": b"d" * 16, "agent_id": "a", "session_id": "s-a", "seq": 0}
        frame = pl.DataFrame([again | dict(row) for row in rows]).with_columns(
            pl.lit(0, pl.Int32).alias("kafka_partition"),
            pl.int_range(pl.len(), dtype=pl.Int64).alias("kafka_offset"),
            pl.lit(START, pl.Datetime("ms", "UTC")).alias("kafka_timestamp"),
        )
        path = self.folder / "duplicates/date=2026-03-01/hour=10/fleet.metrics+0+0+0+1of1.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(to_arrow(frame), path)
