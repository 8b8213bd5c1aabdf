"""Answers as table, JSON, CSV and Parquet, from batches with every kind of value."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sinks.lake.query_print import TABLE_ROWS, Format, plain, write_csv, write_json, write_table, writer_of


@dataclass
class Fixed:
    """An answer that is there already."""

    table: pa.Table

    @property
    def schema(self) -> pa.Schema:
        return self.table.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self.table.to_batches(max_chunksize=3))


def written(answer: Fixed, wanted: Format, *, safe: bool = False) -> bytes:
    sink = io.BytesIO()
    writer_of(wanted, safe_csv=safe)(answer, sink)
    return sink.getvalue()


ROWS = Fixed(
    pa.table(
        {
            "text": ["plain", "=1+1", '"quoted", with comma\nand line', None],
            "number": [1.5, math.nan, math.inf, None],
            "time": pa.array([datetime(2026, 3, 1, 10, tzinfo=UTC)] * 4, pa.timestamp("us", "UTC")),
            "nested": [[{"name": "a", "value": 1.0}]] * 4,
            "bytes": [b"\x00\xff"] * 4,
        }
    )
)


def test_json_is_json_whatever_the_values() -> None:
    rows = json.loads(written(ROWS, Format.JSON), parse_constant=pytest.fail)
    assert rows[0] == {
        "text": "plain",
        "number": 1.5,
        "time": "2026-03-01T10:00:00+00:00",
        "nested": [{"name": "a", "value": 1.0}],
        "bytes": "AP8=",
    }
    assert [row["number"] for row in rows] == [1.5, None, None, None]
    sink = io.BytesIO()
    write_json(Fixed(ROWS.table.slice(0, 0)), sink)
    assert json.loads(sink.getvalue()) == []


def test_csv_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(written(ROWS, Format.CSV).decode(), newline="")))
    assert rows[0] == ["text", "number", "time", "nested", "bytes"]
    assert [row[0] for row in rows[1:]] == ["plain", "=1+1", '"quoted", with comma\nand line', ""]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1+1", "＝1+1"])
def test_safe_csv_defuses_formulas_and_leaves_numbers(formula: str) -> None:
    sink = io.BytesIO()
    write_csv(Fixed(pa.table({"text": [formula], "number": [-1]})), sink, safe=True)
    assert list(csv.reader(io.StringIO(sink.getvalue().decode(), newline="")))[1] == [f"'{formula}", "-1"]


def test_parquet_keeps_types() -> None:
    assert pq.read_table(io.BytesIO(written(ROWS, Format.PARQUET))).schema.equals(ROWS.schema)


def test_a_table_shows_text_as_it_is_without_controls_and_markup() -> None:
    sink = io.BytesIO()
    write_table(Fixed(pa.table({"a": ["[red]x[/red]", "\x1b[31mred", "a\nb"]})), sink)
    shown = sink.getvalue().decode()
    assert "[red]x[/red]" in shown
    assert "\x1b" not in shown
    assert shown.endswith("3 rows\n")


def test_a_long_table_says_how_much_it_left_out() -> None:
    sink = io.BytesIO()
    write_table(Fixed(pa.table({"a": list(range(TABLE_ROWS + 50))})), sink)
    shown = sink.getvalue().decode()
    assert f"{TABLE_ROWS + 50} rows, the first {TABLE_ROWS} shown" in shown
    assert f"│ {TABLE_ROWS - 1} │" in shown
    assert f"│ {TABLE_ROWS} │" not in shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal(3), 3),
        (Decimal("3.5"), 3.5),
        (date(2026, 3, 1), "2026-03-01"),
        (True, True),
        ({"a": b"x"}, {"a": "eA=="}),
    ],
)
def test_plain_values(value: object, expected: object) -> None:
    assert plain(value) == expected
