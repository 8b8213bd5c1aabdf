"""An answer as a table for a terminal, JSON, CSV or Parquet; batch by batch, so that size costs no memory.

Values come from agents: control characters never reach a terminal, and no markup is interpreted. `safe_csv` puts an
apostrophe before text that a spreadsheet would take for a formula (OWASP, "CSV Injection").
"""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from enum import StrEnum
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from rich.box import SQUARE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.runtime.narrow import Narrowable
from infra.runtime.text import printable

TABLE_ROWS = 200
"""A terminal shows so many rows; the other formats give all."""
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_CELL_CHARS = 120


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


class Batches(Protocol):
    """A schema and Arrow batches of it."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of every batch."""
        ...

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...


def plain(value: Any) -> Any:  # noqa: ANN401, PLR0911  # any Arrow scalar as Python; one return a kind
    """A value as JSON has it: times in ISO 8601, bytes in base64, no NaN and no infinity."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    return str(value)


def _cell(value: Any) -> str:  # noqa: ANN401  # any Arrow scalar as Python
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
    simple = plain(value)
    text = "" if simple is None else simple if isinstance(simple, str) else json.dumps(simple, ensure_ascii=False)
    shown = printable(text)
    return shown if len(shown) <= _CELL_CHARS else shown[: _CELL_CHARS - 1] + "…"


def _rows(batch: pa.RecordBatch) -> Iterable[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def write_table(answer: Batches, sink: IO[bytes]) -> None:
    """Rows in a frame with a line that counts them; the first `TABLE_ROWS` of them."""
    table = Table(box=SQUARE, show_edge=True)
    for column in answer.schema:
        numeric = (
            pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)
        )
        table.add_column(Text(printable(column.name)), justify="right" if numeric else "left", overflow="fold")
    count = 0
    for batch in answer:
        for row in _rows(batch.slice(0, max(0, TABLE_ROWS - count))):
            table.add_row(*(Text(_cell(value)) for value in row))
        count += batch.num_rows
    text = io.StringIO()
    console = Console(file=text, width=None if sink.isatty() else 4096, highlight=False, color_system=None)
    console.print(Narrowable(table))
    shown = "" if count <= TABLE_ROWS else f", the first {TABLE_ROWS} shown; --format csv, json or parquet gives all"
    sink.write(f"{text.getvalue()}{count} row{'' if count == 1 else 's'}{shown}\n".encode())


def write_json(answer: Batches, sink: IO[bytes]) -> None:
    """One JSON array of objects, one object a line."""
    names = answer.schema.names
    before = b"["
    for batch in answer:
        for row in _rows(batch):
            record = {name: plain(value) for name, value in zip(names, row, strict=True)}
            sink.write(before + b"\n" + json.dumps(record, ensure_ascii=False).encode())
            before = b","
    sink.write(b"[]\n" if before == b"[" else b"\n]\n")


def _csv_value(value: Any, *, safe: bool) -> Any:  # noqa: ANN401  # any Arrow scalar as Python
    simple = plain(value)
    if isinstance(simple, dict | list):
        simple = json.dumps(simple, ensure_ascii=False)
    return f"'{simple}" if safe and isinstance(simple, str) and _is_formula(simple) else simple


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet may take a text for a formula: some drop blanks before it, some know the wide signs."""
    return text[:1] in {"\t", "\r", "\n"} or text.lstrip().startswith(_FORMULA_STARTS)


def write_csv(answer: Batches, sink: IO[bytes], *, safe: bool = False) -> None:
    """RFC 4180 with a header line; lists and records as JSON text."""
    text = io.TextIOWrapper(sink, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow([_csv_value(name, safe=safe) for name in answer.schema.names])
    for batch in answer:
        writer.writerows([_csv_value(value, safe=safe) for value in row] for row in _rows(batch))
    text.flush()
    text.detach()


def write_parquet(answer: Batches, sink: IO[bytes]) -> None:
    """One Parquet file, zstd."""
    with pq.ParquetWriter(sink, answer.schema, compression="zstd") as writer:
        for batch in answer:
            writer.write_batch(batch)


def writer_of(wanted: Format, *, safe_csv: bool = False) -> Callable[[Batches, IO[bytes]], None]:
    """The function that writes `wanted`."""
    if wanted is Format.CSV:
        return lambda answer, sink: write_csv(answer, sink, safe=safe_csv)
    return {Format.TABLE: write_table, Format.JSON: write_json, Format.PARQUET: write_parquet}[wanted]
