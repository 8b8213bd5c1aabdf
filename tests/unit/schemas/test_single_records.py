"""One record at a time: both wire formats, and every way in which a message can be wrong."""

from __future__ import annotations

import struct

import pytest
from schema_world import evolved, record

from infra.schema_cli import avsc_folder
from schemas.record import (
    MAX_BODY_BYTES,
    UndecodableError,
    decode_record,
    encode_body,
    encode_confluent,
    encode_single_object,
)
from schemas.registry import SchemaBook, WriterSchema, load_schema

NAMES = sorted(path.stem for path in avsc_folder().glob("*.avsc"))
RUN = load_schema("run")
GOOD = encode_single_object(RUN, record(RUN))


class Ids:
    """A registry that knows one id."""

    def writer(self, schema_id: int) -> WriterSchema | None:
        return RUN if schema_id == 7 else None


@pytest.mark.parametrize("name", NAMES)
def test_a_record_comes_back_from_both_formats(name: str) -> None:
    schema = load_schema(name)
    row = record(schema)

    class Same:
        def writer(self, schema_id: int) -> WriterSchema | None:
            return schema if schema_id == 3 else None

    book = SchemaBook(name, Same())
    assert decode_record(book, encode_single_object(schema, row)) == row
    assert decode_record(book, encode_confluent(schema, 3, row)) == row


def test_the_formats_byte_by_byte() -> None:
    body = encode_body(RUN, record(RUN))
    assert encode_single_object(RUN, record(RUN)) == b"\xc3\x01" + struct.pack("<Q", RUN.crc64) + body
    assert encode_confluent(RUN, 258, record(RUN)) == b"\x00\x00\x00\x01\x02" + body


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"\xc3", "unknown_format"),
        (b"\xc3\x01short", "unknown_format"),
        (b"{}", "unknown_format"),
        (b"\x00\x00\x00", "unknown_format"),
        (b"\x00" + struct.pack(">I", 8) + GOOD[10:], "unknown_schema"),
        (b"\xc3\x01" + bytes(8) + GOOD[10:], "unknown_schema"),
        (GOOD[:10], "truncated"),
        (GOOD[:-1], "truncated"),
        (GOOD + b"\0", "trailing_bytes"),
        (GOOD + bytes(MAX_BODY_BYTES), "too_large"),
        (GOOD[:10] + b"\x20" + bytes(16) + b"\x04\xff\xfe", "malformed"),
        (GOOD[:10] + b"\xff" * 9 + b"\x7f", "truncated"),
    ],
)
def test_what_is_wrong_is_named(raw: bytes | None, error: str) -> None:
    with pytest.raises(UndecodableError) as caught:
        decode_record(SchemaBook("run", Ids()), raw)
    assert caught.value.error == error
    assert str(caught.value) == f"{error}: {caught.value.detail}"


def test_a_message_of_another_topic_is_an_unknown_schema() -> None:
    with pytest.raises(UndecodableError, match="unknown_schema"):
        decode_record(SchemaBook("heartbeat"), GOOD)


def test_confluent_ids_without_a_registry_are_unknown() -> None:
    with pytest.raises(UndecodableError, match="unknown_schema: schema id 7"):
        decode_record(SchemaBook("run"), encode_confluent(RUN, 7, record(RUN)))


def test_a_newer_writer_is_resolved_to_the_reader() -> None:
    newer = evolved("run", {"name": "colour", "type": "string", "default": "red"})
    book = SchemaBook("run")
    with pytest.raises(UndecodableError, match="unknown_schema"):
        decode_record(book, encode_single_object(newer, record(newer)))
    book.learn(newer)
    assert decode_record(book, encode_single_object(newer, record(newer))) == record(RUN)


def test_a_time_that_python_cannot_hold_is_named() -> None:
    year_200000_us = 6_249_223_123_456_000_000
    with pytest.raises(UndecodableError, match="malformed"):
        decode_record(SchemaBook("run"), encode_single_object(RUN, record(RUN, timestamp=year_200000_us)))
