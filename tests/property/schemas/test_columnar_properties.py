"""Batches of random good records with random garbage anywhere: the good come back in order, the bad by name."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schema_world import book_reading, evolved, records_of

from infra.schema_cli import avsc_folder
from schemas.columnar import ROW, decode_batch
from schemas.record import UndecodableError, decode_body, decode_record, encode_single_object, split_message
from schemas.registry import SchemaBook, WriterSchema, load_schema

NAMES = sorted(path.stem for path in avsc_folder().glob("*.avsc"))
RUN = load_schema("run")
NEWER = evolved(
    "run",
    {"name": "colour", "type": "string", "default": "red"},
    {"name": "note", "type": ["null", "string"], "default": None},
    {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
)
QUICK = settings(max_examples=40, deadline=None)


def rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return frame.drop(ROW).to_dicts()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_columns_equal_fastavro(name: str, data: st.DataObject) -> None:
    schema, book = load_schema(name), SchemaBook(name)
    values = [encode_single_object(schema, r) for r in data.draw(st.lists(records_of(schema), min_size=1, max_size=6))]
    found = decode_batch(book, values)
    assert found.bad == []
    assert rows(found.frame) == [decode_record(book, raw) for raw in values]


@st.composite
def garbage(draw: st.DrawFn, good: bytes) -> bytes | None:
    """What no encoder of ours wrote: bytes of any kind, or a good message that was hurt in its length."""
    match draw(st.sampled_from(["none", "bytes", "body", "cut", "more", "other"])):
        case "none":
            return draw(st.sampled_from([None, b""]))
        case "bytes":
            return draw(st.binary(max_size=60).filter(lambda raw: raw[:10] not in {RUN.prefix, NEWER.prefix}))
        case "body":
            return RUN.prefix + b"\x07" + draw(st.binary(max_size=200))  # begins with a negative length
        case "cut":
            return good[: draw(st.integers(0, len(good) - 1))]
        case "more":
            return good + draw(st.binary(min_size=1, max_size=50))
        case _:
            return load_schema("log").prefix + good[10:]


Message = tuple[bytes | None, bool]


@st.composite
def batches(draw: st.DrawFn) -> list[Message]:
    """Messages and whether each is good; writers of two versions among them."""
    found: list[Message] = []
    for _ in range(draw(st.integers(1, 12))):
        writer = draw(st.sampled_from([RUN, RUN, NEWER]))
        good = encode_single_object(writer, draw(records_of(writer)))
        found.append((draw(garbage(good)), False) if draw(st.booleans()) else (good, True))
    return found


@QUICK
@given(batch=batches(), reader=st.sampled_from([RUN, NEWER]))
def test_exactly_the_good_ones_in_order_and_every_bad_one_by_name(batch: list[Message], reader: WriterSchema) -> None:
    book = book_reading(reader, RUN, NEWER)
    found = decode_batch(book, [raw for raw, _ in batch])
    assert found.frame[ROW].to_list() == [row for row, (_, good) in enumerate(batch) if good]
    assert [bad.row for bad in found.bad] == [row for row, (_, good) in enumerate(batch) if not good]
    assert rows(found.frame) == [decode_record(book, raw) for raw, good in batch if good]
    assert all(bad.error and bad.detail for bad in found.bad)


@QUICK
@given(batch=batches(), cut=st.integers(0, 12))
def test_a_cut_anywhere_changes_nothing(batch: list[Message], cut: int) -> None:
    book = book_reading(RUN, NEWER)
    values = [raw for raw, _ in batch]
    whole = decode_batch(book, values)
    left, right = decode_batch(book, values[:cut]), decode_batch(book, values[cut:])
    assert rows(whole.frame) == rows(left.frame) + rows(right.frame)
    assert [b.error for b in whole.bad] == [b.error for b in left.bad + right.bad]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flipped_bytes_never_raise_and_are_judged_alone_as_in_company(data: st.DataObject) -> None:
    """What is left of a good message after some of its bytes changed may even decode; but always to the same."""
    good = encode_single_object(RUN, data.draw(records_of(RUN)))
    hurt = bytearray(good)
    for at in data.draw(st.lists(st.integers(10, len(good) - 1), min_size=1, max_size=4)):
        hurt[at] = data.draw(st.integers(0, 255))
    book = SchemaBook("run")
    alone = decode_batch(book, [bytes(hurt)])
    company = decode_batch(book, [good, bytes(hurt), None, good])
    assert len(alone.bad) + alone.frame.height == 1
    assert [b.error for b in alone.bad] == [b.error for b in company.bad if b.row == 1]
    assert company.frame[ROW].to_list() == ([0, 1, 3] if alone.frame.height else [0, 3])
    assert company.frame.drop(ROW)[1:-1].equals(alone.frame.drop(ROW))


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=300))
def test_any_bytes_are_a_record_or_an_error_with_a_name(body: bytes) -> None:
    book = SchemaBook("run")
    errors = set()
    try:
        decode_body(book, split_message(book, RUN.prefix + body))
    except UndecodableError as error:
        errors.add(error.error)
    assert errors <= {"truncated", "malformed", "trailing_bytes"}
    assert decode_batch(book, [RUN.prefix + body]).frame.height <= 1
