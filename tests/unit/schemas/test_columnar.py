"""A batch of raw messages as a frame: writer groups, projection, bad messages, sentinels, invalid envelopes."""

from __future__ import annotations

import datetime
import struct
from typing import Any

import polars as pl
import pytest
from schema_world import book_reading, evolved, record

from infra.schema_cli import avsc_folder
from schemas import columnar
from schemas.columnar import ROW, decode_batch, empty_frame, encode_rows
from schemas.record import MAX_BODY_BYTES, decode_record, encode_confluent, encode_single_object
from schemas.registry import SchemaBook, WriterSchema, load_schema

NAMES = sorted(path.stem for path in avsc_folder().glob("*.avsc"))
RUN = load_schema("run")
METRICS = load_schema("metrics")


def encoded(schema: WriterSchema, count: int, **more: object) -> list[bytes | None]:
    return [encode_single_object(schema, record(schema, seq=seq, **more)) for seq in range(count)]


def rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return frame.drop(ROW).to_dicts()


def long(number: int) -> bytes:
    """An Avro long."""
    left = (number << 1) ^ (number >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


@pytest.mark.parametrize("name", NAMES)
def test_columns_hold_what_fastavro_reads(name: str) -> None:
    schema, book = load_schema(name), SchemaBook(name)
    nothing = {f["name"]: f["default"] for f in schema.raw["fields"] if "default" in f}
    values = [*encoded(schema, 3), encode_single_object(schema, record(schema, **nothing))]
    found = decode_batch(book, values)
    assert found.bad == []
    assert found.frame[ROW].to_list() == [0, 1, 2, 3]
    assert rows(found.frame) == [decode_record(book, raw) for raw in values]


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_batch_has_the_types_of_a_full_one(name: str) -> None:
    book = SchemaBook(name)
    full = decode_batch(book, encoded(load_schema(name), 1)).frame
    assert decode_batch(book, []).frame.schema == full.schema
    assert decode_batch(book, [None]).frame.schema == full.schema
    assert empty_frame(book).schema == full.drop(ROW).schema


def test_rows_come_back_as_bytes() -> None:
    values = encoded(RUN, 3)
    frame = decode_batch(SchemaBook("run"), values).frame.drop(ROW)
    assert encode_rows(RUN, frame) == values


class Ids:
    """A registry that gave the schema of runs the id 9."""

    def writer(self, schema_id: int) -> WriterSchema | None:
        return RUN if schema_id == 9 else None


def test_both_wire_formats_in_one_batch() -> None:
    values = encoded(RUN, 4)
    values[1] = encode_confluent(RUN, 9, record(RUN, seq=1))
    values[2] = encode_confluent(RUN, 8, record(RUN, seq=2))
    found = decode_batch(SchemaBook("run", Ids()), values)
    assert found.frame["seq"].to_list() == [0, 1, 3]
    assert [(bad.row, bad.error) for bad in found.bad] == [(2, "unknown_schema")]


ADDED = (
    {"name": "colour", "type": "string", "default": ""},
    {"name": "size", "type": "long", "default": 0},
    {"name": "share", "type": "double", "default": 0.25},
    {"name": "ready", "type": "boolean", "default": False},
    {"name": "mark", "type": "bytes", "default": "\u00ff\u0001"},
    {"name": "note", "type": ["null", "string"], "default": None},
    {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
    {"name": "known", "type": {"type": "array", "items": "long"}, "default": [1, 2]},
    {"name": "since", "type": {"type": "long", "logicalType": "timestamp-micros"}, "default": 0},
)


# What fastavro leaves as it stands in the JSON.
TYPED = {"mark": b"\xff\x01", "since": datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)}


def test_an_older_writer_gets_the_defaults_of_the_newer_reader() -> None:
    newer = evolved("run", *ADDED)
    book = book_reading(newer, RUN)
    values = encoded(RUN, 2)
    found = decode_batch(book, values)
    assert rows(found.frame) == [decode_record(book, raw) | TYPED for raw in values]
    assert found.frame.schema == decode_batch(book, encoded(newer, 1)).frame.schema


def test_older_and_newer_writers_in_one_batch_keep_their_order() -> None:
    newer = evolved("run", *ADDED)
    values = [encode_single_object(w, record(w, seq=n)) for n, w in enumerate([newer, RUN, RUN, newer, RUN])]
    for reader in (newer, RUN):
        book = book_reading(reader, newer, RUN)
        found = decode_batch(book, values)
        assert found.frame["seq"].to_list() == [0, 1, 2, 3, 4]
        assert found.frame.columns == [*(f["name"] for f in reader.raw["fields"]), ROW]
        typed = TYPED if reader is newer else {}
        older = (False, True, True, False, True)
        expected = [
            decode_record(book, raw) | (typed if is_old else {}) for raw, is_old in zip(values, older, strict=True)
        ]
        assert rows(found.frame) == expected


def test_a_field_that_is_gone_and_one_that_moved() -> None:
    reader = evolved("run", without=("deployment_id",))
    reader.raw["fields"].reverse()
    book = book_reading(reader, RUN)
    found = decode_batch(book, encoded(RUN, 2))
    assert "deployment_id" not in found.frame.columns
    assert rows(found.frame) == [{k: record(RUN, seq=n)[k] for k in found.frame.columns[:-1]} for n in (0, 1)]


def test_a_new_field_within_an_array_of_records() -> None:
    newer = evolved("metrics")
    items = next(f for f in newer.raw["fields"] if f["name"] == "custom")["type"]["items"]
    items["fields"].append({"name": "weight", "type": "double", "default": 2.5})
    book = book_reading(newer, METRICS)
    values = [encode_single_object(METRICS, record(METRICS, seq=n, custom=c)) for n, c in enumerate(CUSTOM)]
    found = decode_batch(book, values)
    assert rows(found.frame) == [decode_record(book, raw) for raw in values]


CUSTOM: tuple[list[dict[str, Any]], ...] = ([], [{"name": "a", "value": 1.0}, {"name": "b", "value": 2.0}], [])


def test_a_writer_that_lacks_what_has_no_default_is_refused_by_name() -> None:
    needy = evolved("run", {"name": "colour", "type": "string"})
    found = decode_batch(book_reading(needy, RUN), [*encoded(RUN, 1), *encoded(needy, 2)])
    assert found.frame.height == 2
    (bad,) = found.bad
    assert (bad.row, bad.error) == (0, "incompatible_schema")
    assert "run.colour" in bad.detail


GOOD = encode_single_object(RUN, record(RUN))
HEAD = GOOD[:10]
ID = b"\x20" + bytes(range(16))
POISON: dict[str, tuple[bytes | None, str]] = {
    "tombstone": (None, "empty"),
    "nothing": (b"", "empty"),
    "text": (b"hello", "unknown_format"),
    "another topic": (encode_single_object(METRICS, record(METRICS)), "unknown_schema"),
    "header only": (HEAD, "truncated"),
    "cut": (GOOD[:-1], "truncated"),
    "one byte more": (GOOD + b"\0", "trailing_bytes"),
    "twice": (GOOD + GOOD[10:], "trailing_bytes"),
    "oversize": (GOOD + bytes(MAX_BODY_BYTES), "too_large"),
    "length of 2^40": (HEAD + long(2**40) + GOOD[11:], "truncated"),
    "length of 2^62": (HEAD + long(2**62) + GOOD[11:], "truncated"),
    "negative length": (HEAD + long(-5) + GOOD[11:], "truncated"),
    "endless varint": (HEAD + b"\xff" * 30 + GOOD[11:], "truncated"),
    "invalid UTF-8": (HEAD + ID + b"\x04\xff\xfe" + GOOD[31:], "malformed"),
    "invalid id": (encode_single_object(RUN, record(RUN, event_id=b"short")), "invalid_envelope"),
    "no agent": (encode_single_object(RUN, record(RUN, agent_id="")), "invalid_envelope"),
    "no session": (encode_single_object(RUN, record(RUN, session_id="")), "invalid_envelope"),
    "seq below 0": (encode_single_object(RUN, record(RUN, seq=-1)), "invalid_envelope"),
}


@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("position", [0, 1, 99, 100])
def test_poison_anywhere_costs_itself_alone(poison: str, position: int) -> None:
    raw, error = POISON[poison]
    values = encoded(RUN, 100)
    values.insert(position, raw)
    found = decode_batch(SchemaBook("run"), values)
    assert [(bad.row, bad.error) for bad in found.bad] == [(position, error)]
    assert found.frame["seq"].to_list() == list(range(100))
    assert position not in found.frame[ROW].to_list()


def test_a_batch_of_nothing_but_poison() -> None:
    values = [raw for raw, _ in POISON.values()]
    found = decode_batch(SchemaBook("run"), values)
    assert [bad.error for bad in found.bad] == [error for _, error in POISON.values()]
    assert found.frame.height == 0


def test_two_wrongs_whose_lengths_make_up_for_each_other() -> None:
    """The first lacks the bytes that the second has too many: as a stream of records the two would fit."""
    body = GOOD[10:]
    values: list[bytes | None] = [HEAD + body[:-3], HEAD + body[-3:] + body]
    found = decode_batch(SchemaBook("run"), [GOOD, *values, GOOD])
    assert [bad.row for bad in found.bad] == [1, 2]
    assert found.frame[ROW].to_list() == [0, 3]


def test_sentinels_in_a_message_do_not_help() -> None:
    """Whoever knew the eight bytes could claim two records in one message; nobody can, they are this process's own."""
    forged = GOOD + struct.pack("<d", 0.5) + GOOD[10:]
    found = decode_batch(SchemaBook("run"), [GOOD, forged])
    assert [(bad.row, bad.error) for bad in found.bad] == [(1, "trailing_bytes")]
    assert columnar._SENTINEL_VALUE != 0.5
    assert struct.pack("<d", columnar._SENTINEL_VALUE) == columnar._SENTINEL


@pytest.mark.parametrize("prefix", [b"\xc3\x81\x00", b"\xc3\x81\x80\x00", b"\xc3\x00", b"\xc2\x01", b"\x00"])
def test_a_prefix_that_only_looks_alike_is_refused_in_any_company(prefix: bytes) -> None:
    odd = prefix + GOOD[2:]
    book = SchemaBook("run")
    for values in ([GOOD, odd, GOOD], [GOOD, odd, None, GOOD]):
        assert 1 in [bad.row for bad in decode_batch(book, values).bad]


def test_a_fingerprint_that_is_no_number_as_a_double() -> None:
    """Fingerprints are compared as bytes, also where those are a NaN."""
    nan = WriterSchema(RUN.name, RUN.raw, 0x7FF8_0000_0000_0001)
    other = WriterSchema(RUN.name, RUN.raw, 0x7FF8_0000_0000_0002)
    book = book_reading(RUN, nan)
    values = encoded(nan, 3)
    assert decode_batch(book, values).frame["seq"].to_list() == [0, 1, 2]
    found = decode_batch(book, [*values, encode_single_object(other, record(RUN))])
    assert [(bad.row, bad.error) for bad in found.bad] == [(3, "unknown_schema")]


def test_what_is_accepted_does_not_depend_on_the_company() -> None:
    """A union branch out of range is read as the last one by the native decoder: in a clean batch and beside poison."""
    branch = len(HEAD) + len(ID) + len(b"\x06a-1") + len(b"\x08text")
    odd = GOOD[:branch] + b"\x0a" + GOOD[branch + 1 :]
    book = SchemaBook("run")
    assert decode_batch(book, [odd]).bad == []
    assert [bad.row for bad in decode_batch(book, [odd, None, odd + b"\0", odd]).bad] == [1, 2]


@pytest.mark.parametrize("micros", [-(2**63), -62_135_596_800_000_001, 253_402_300_800_000_000, 2**63 - 1])
@pytest.mark.parametrize("beside", ["alone", "poison"])
def test_times_beyond_the_calendar_are_carried_as_numbers(micros: int, beside: str) -> None:
    values: list[bytes | None] = [encode_single_object(RUN, record(RUN, timestamp=micros))]
    found = decode_batch(SchemaBook("run"), values if beside == "alone" else [*values, GOOD + b"\0"])
    assert found.frame["timestamp"].dt.epoch("us").to_list() == [micros]


def test_a_block_of_an_array_that_says_its_size() -> None:
    """Other encoders write arrays in blocks with a negative count and a length in bytes: that is Avro too."""
    value = encode_single_object(METRICS, record(METRICS, custom=[{"name": "q", "value": 1.0}]))
    item = b"\x02q" + struct.pack("<d", 1.0)
    assert value.count(b"\x02" + item + b"\0") == 1
    sized = value.replace(b"\x02" + item + b"\0", long(-1) + long(len(item)) + item + b"\0")
    found = decode_batch(SchemaBook("metrics"), [value, sized])
    assert found.bad == []
    assert found.frame["custom"][0].to_list() == found.frame["custom"][1].to_list() == [{"name": "q", "value": 1.0}]
