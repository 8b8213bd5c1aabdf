"""One record at a time, with fastavro: what a producer of single events and the slow path of a consumer use.

Both wire formats are read: Avro single-object encoding (0xC3 0x01 + CRC-64-AVRO, little-endian) and the Confluent one
(0x00 + schema id, big-endian). Decoding checks that the body is consumed to its last byte: fastavro itself ignores
trailing bytes, and bytes of another schema can decode without an error.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from schemas.body import UnusualValueError
from schemas.registry import CONFLUENT_MAGIC, SINGLE_OBJECT_MAGIC, SchemaBook, WriterSchema

MAX_BODY_BYTES = 1024 * 1024
"""Longer messages are refused before decoding."""
SINGLE_OBJECT_PREFIX_BYTES = 10
CONFLUENT_PREFIX_BYTES = 5


class UndecodableError(Exception):
    """A message that cannot be read. `error` is a short stable word, `detail` what the decoder said."""

    def __init__(self, error: str, detail: str) -> None:
        self.error = error
        self.detail = detail
        super().__init__(f"{error}: {detail}")


@dataclass(frozen=True)
class SplitMessage:
    """A message taken apart: the schema that it names and its body."""

    writer: WriterSchema
    body: bytes


def encode_body(schema: WriterSchema, record: Mapping[str, Any]) -> bytes:
    """The Avro binary of a record without any prefix. Raises `ValueError` or `TypeError` where it does not fit."""
    try:
        return schema.write(record)
    except UnusualValueError:
        return _by_fastavro(schema, record)


def _by_fastavro(schema: WriterSchema, record: Mapping[str, Any]) -> bytes:
    import fastavro  # noqa: PLC0415  # 2.5 MB that an agent does not need

    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema.parsed, cast("dict[str, Any]", record))
    return buffer.getvalue()


def encode_single_object(schema: WriterSchema, record: Mapping[str, Any]) -> bytes:
    """A record in single-object encoding: needs no registry."""
    return schema.prefix + encode_body(schema, record)


def encode_confluent(schema: WriterSchema, schema_id: int, record: Mapping[str, Any]) -> bytes:
    """A record in the Confluent wire format under the id that the registry gave its schema."""
    return CONFLUENT_MAGIC + struct.pack(">I", schema_id) + encode_body(schema, record)


def split_message(book: SchemaBook, raw: bytes | None) -> SplitMessage:
    """Find the writer schema that a message names. Raises `UndecodableError`."""
    if not raw:
        raise UndecodableError("empty", "the message has no value (a tombstone or zero bytes)")
    if len(raw) > MAX_BODY_BYTES:
        raise UndecodableError("too_large", f"{len(raw)} bytes, the limit is {MAX_BODY_BYTES}")
    if raw[:2] == SINGLE_OBJECT_MAGIC and len(raw) >= SINGLE_OBJECT_PREFIX_BYTES:
        crc64 = int.from_bytes(raw[2:10], "little")
        writer = book.by_fingerprint(crc64)
        if writer is None:
            raise UndecodableError("unknown_schema", f"fingerprint {crc64:016x} is not a released version")
        return SplitMessage(writer, raw[SINGLE_OBJECT_PREFIX_BYTES:])
    if raw[:1] == CONFLUENT_MAGIC and len(raw) >= CONFLUENT_PREFIX_BYTES:
        schema_id = int.from_bytes(raw[1:5], "big")
        writer = book.by_id(schema_id)
        if writer is None:
            raise UndecodableError("unknown_schema", f"schema id {schema_id} is not known here")
        return SplitMessage(writer, raw[CONFLUENT_PREFIX_BYTES:])
    raise UndecodableError("unknown_format", f"begins with {raw[:10].hex()}, neither single-object nor Confluent")


def decode_body(book: SchemaBook, message: SplitMessage) -> dict[str, Any]:
    """Decode a body and resolve it to the reader schema. Raises `UndecodableError`."""
    import fastavro  # noqa: PLC0415  # as above

    buffer = io.BytesIO(message.body)
    try:
        record = fastavro.schemaless_reader(buffer, message.writer.parsed, book.reader.parsed)
    except EOFError as error:
        raise UndecodableError("truncated", "the body ends before the record does") from error
    except (
        MemoryError,
        OverflowError,
        IndexError,
        ValueError,
        TypeError,
        KeyError,
        struct.error,
        fastavro.read.SchemaResolutionError,
    ) as error:
        raise UndecodableError("malformed", f"{type(error).__name__}: {error}"[:500]) from error
    left = len(message.body) - buffer.tell()
    if left:
        raise UndecodableError("trailing_bytes", f"{left} bytes after the record")
    return cast("dict[str, Any]", record)


def decode_record(book: SchemaBook, raw: bytes | None) -> dict[str, Any]:
    """Decode one message of either wire format into the reader schema. Raises `UndecodableError`."""
    return decode_body(book, split_message(book, raw))
