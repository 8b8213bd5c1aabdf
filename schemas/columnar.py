"""A batch of raw messages straight to a Polars frame: bodies framed as one in-memory Avro container file.

`polars.read_avro` decodes a container natively, 20 to 200 times as fast as record by record. The container is a header
with the writer schema, one block, a sync marker. A body that is too short or too long would shift everything after
it, and could even decode: so the schema in the header has one more field, eight random bytes that this process puts
after every body. A batch in which each of them comes back in its place is framed right, each record to its last byte.

A batch that fails is halved until the bad messages stand alone; fastavro is then asked what is wrong with each. Whether
a message is accepted is the native decoder's word alone, so it never depends on what else is in the batch: lake and
streams cut batches differently. (It takes a union branch beyond the last for the last one, and any boolean byte but 1
for false.) `polars.exceptions.PanicException` is a `BaseException`: it is caught here and nowhere else.
"""

from __future__ import annotations

import io
import json
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

import fastavro
import numpy as np
import polars as pl
from numpy.typing import NDArray

from schemas.catalogue import ENVELOPE
from schemas.projection import project, unresolvable
from schemas.record import (
    CONFLUENT_PREFIX_BYTES,
    MAX_BODY_BYTES,
    SINGLE_OBJECT_PREFIX_BYTES,
    SplitMessage,
    UndecodableError,
    decode_body,
    encode_single_object,
    split_message,
)
from schemas.registry import SINGLE_OBJECT_MAGIC, SchemaBook, WriterSchema

ROW = "_row"
"""Column of a decoded frame: position of the message in the batch, u32."""
_SENTINEL_FIELD, _MAGIC_FIELD, _CRC_FIELD = "_sentinel", "_magic", "_crc"
_EVENT_ID_BYTES = 16
_PAD = b"\x3f\x3f\x3f\x3f\x3f\x3f"
_PADDED_MAGIC = int.from_bytes(_PAD + SINGLE_OBJECT_MAGIC, "little", signed=True)
"""The magic bytes, padded in front to the width of a double, as the number that these eight bytes are."""


@dataclass(frozen=True, slots=True)
class BadMessage:
    """A message that cannot be accepted: its position in the batch, and why."""

    row: int
    error: str
    detail: str


@dataclass(slots=True)
class DecodedBatch:
    """`frame`: the good messages in batch order, columns of the reader schema and `_row`; `bad`: the others."""

    frame: pl.DataFrame
    bad: list[BadMessage] = field(default_factory=list)


def _random_finite_double() -> bytes:
    """Eight random bytes that are a finite, non-zero double, so that equality of floats is equality of bytes."""
    raw = bytearray(os.urandom(8))
    raw[7], raw[6] = (raw[7] & 0x80) | 0x3F, raw[6] | 0x01
    return bytes(raw)


_SENTINEL = _random_finite_double()
_SENTINEL_VALUE: float = struct.unpack("<d", _SENTINEL)[0]
_SYNC = os.urandom(16)


def _bare(node: Any) -> Any:  # noqa: ANN401  # a JSON schema node
    """A schema without what only readers need: Polars opens no container whose schema has a default like 0 or ""."""
    if isinstance(node, list):
        return [_bare(item) for item in node]
    if isinstance(node, dict):
        return {key: _bare(value) for key, value in node.items() if key not in ("default", "doc", "unit")}
    return node


@cache
def _header(crc64: int, raw_json: str, with_prefix: bool) -> bytes:
    """Container header for a writer schema with the sentinel field added, and with fields for the ten bytes of the
    single-object prefix if messages are framed whole. `crc64` only keys the cache apart."""
    del crc64
    raw = _bare(json.loads(raw_json))
    prefix = [{"name": _MAGIC_FIELD, "type": "double"}, {"name": _CRC_FIELD, "type": "double"}] if with_prefix else []
    raw["fields"] = [*prefix, *raw["fields"], {"name": _SENTINEL_FIELD, "type": "double"}]
    buffer = io.BytesIO()
    fastavro.writer(buffer, fastavro.parse_schema(raw, _force=True), [], sync_marker=_SYNC)
    return buffer.getvalue()


def _header_of(writer: WriterSchema, *, with_prefix: bool) -> bytes:
    key = writer.crc64, with_prefix
    if key not in _HEADERS:
        _HEADERS[key] = _header(writer.crc64, json.dumps(dict(writer.raw)), with_prefix)
    return _HEADERS[key]


_HEADERS: dict[tuple[int, bool], bytes] = {}


def _zigzag(number: int) -> bytes:
    """An Avro long for a non-negative number."""
    number <<= 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_framed(header: bytes, records: Sequence[bytes], pad: bytes = b"") -> pl.DataFrame | None:
    """Decode records as one container block, or None when one of them is not whole; `pad` comes before each."""
    block = (_SENTINEL + pad).join(records)
    length = _zigzag(len(pad) + len(block) + len(_SENTINEL))
    container = b"".join((header, _zigzag(len(records)), length, pad, block, _SENTINEL, _SYNC))
    try:
        frame = pl.read_avro(io.BytesIO(container))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None
    if frame.height != len(records) or not (frame.drop_in_place(_SENTINEL_FIELD) == _SENTINEL_VALUE).all():
        return None
    return frame


def _read_native(writer: WriterSchema, bodies: Sequence[bytes]) -> pl.DataFrame | None:
    """Decode bodies of one writer schema, or None when at least one of them is not a whole record of it."""
    return _read_framed(_header_of(writer, with_prefix=False), bodies)


def _bits(doubles: pl.Series) -> NDArray[np.int64]:
    """The eight bytes of each as a number, so that they compare as bytes whatever double they are."""
    return doubles.to_numpy().view(np.int64)


def _whole_writer(book: SchemaBook, first: bytes | None) -> WriterSchema | None:
    """The known schema that a message in single-object encoding names."""
    if not first or first[:2] != SINGLE_OBJECT_MAGIC:
        return None
    return book.by_fingerprint(int.from_bytes(first[2:SINGLE_OBJECT_PREFIX_BYTES], "little"))


def _read_whole(book: SchemaBook, values: Sequence[bytes | None]) -> pl.DataFrame | None:
    """The common case, without a look at single messages: all whole, single-object encoded, under one known schema.

    The prefix is decoded as two more fields: the fingerprint has the width of a double, the magic bytes with six bytes
    put before them as well. So nothing is cut out of the messages before, and every byte of the prefix is compared.
    """
    writer = _whole_writer(book, values[0])
    if writer is None or None in values:
        return None
    messages = cast("Sequence[bytes]", values)
    if max(map(len, messages)) > MAX_BODY_BYTES:
        return None
    frame = _read_framed(_header_of(writer, with_prefix=True), messages, _PAD)
    if frame is None:
        return None
    magic, crcs = frame.drop_in_place(_MAGIC_FIELD), frame.drop_in_place(_CRC_FIELD)
    crc = int.from_bytes(struct.pack("<Q", writer.crc64), "little", signed=True)
    if not (_bits(magic) == _PADDED_MAGIC).all() or not (_bits(crcs) == crc).all():
        return None
    if writer.crc64 == book.reader.crc64:
        return frame
    return None if unresolvable(writer, book.reader) else project(frame, writer, book.reader, empty_frame(book).schema)


@cache
def _empty_of(crc64: int, raw_json: str) -> pl.DataFrame:
    header = _header(crc64, raw_json, False)
    raw = json.loads(raw_json)
    # read_avro of a container without blocks gives no types: decode a record of zeros and cut it away.
    body = b"".join(_zero_body(spec["type"]) for spec in raw["fields"]) + struct.pack("<d", 0.0)
    frame = pl.read_avro(io.BytesIO(header + _zigzag(1) + _zigzag(len(body)) + body + _SYNC))
    return frame.drop(_SENTINEL_FIELD).clear()


def _zero_body(kind: Any) -> bytes:  # noqa: ANN401  # a JSON schema node
    name = kind["type"] if isinstance(kind, dict) else kind
    if isinstance(name, list):
        return b"\0"
    return {"double": bytes(8), "float": bytes(4)}.get(name, b"\0")


def empty_frame(book: SchemaBook) -> pl.DataFrame:
    """A frame without rows in the reader schema of `book`, with the dtypes of a decoded one."""
    return _empty_of(book.reader.crc64, json.dumps(dict(book.reader.raw)))


def _readable(writer: WriterSchema, bodies: list[bytes], first: int = 0) -> list[int]:
    """Positions of the whole records among bodies that are not all whole ones, by halving; counted from `first`."""
    if len(bodies) == 1:
        return []
    middle = len(bodies) // 2
    found: list[int] = []
    for start, half in ((first, bodies[:middle]), (first + middle, bodies[middle:])):
        whole = _read_native(writer, half) is not None
        found += range(start, start + len(half)) if whole else _readable(writer, half, start)
    return found


def _why_unreadable(book: SchemaBook, writer: WriterSchema, body: bytes) -> tuple[str, str]:
    """What fastavro says of a body that the native decoder refuses: error and detail of a `BadMessage`."""
    try:
        decode_body(book, SplitMessage(writer, body))
    except UndecodableError as error:
        return error.error, error.detail
    return "malformed", "the columnar decoder refuses it"


def _decode_group(
    book: SchemaBook, writer: WriterSchema, rows: Sequence[int], bodies: list[bytes]
) -> tuple[pl.DataFrame | None, list[BadMessage]]:
    """Decode messages of one writer schema: the frame of the good ones, if any, and the bad ones."""
    missing = [] if writer.crc64 == book.reader.crc64 else unresolvable(writer, book.reader)
    if missing:
        detail = f"the schema that it was written with lacks {', '.join(missing)}, which has no default"
        return None, [BadMessage(row, "incompatible_schema", detail) for row in rows]
    bad: list[BadMessage] = []
    frame = _read_native(writer, bodies)
    if frame is None:
        good = _readable(writer, bodies)
        refused = sorted(set(range(len(bodies))) - set(good))
        bad = [BadMessage(rows[i], *_why_unreadable(book, writer, bodies[i])) for i in refused]
        rows, bodies = [rows[i] for i in good], [bodies[i] for i in good]
        frame = _read_native(writer, bodies) if bodies else None
    if frame is None:
        return None, bad
    if writer.crc64 != book.reader.crc64:
        frame = project(frame, writer, book.reader, empty_frame(book).schema)
    return frame.insert_column(frame.width, pl.Series(ROW, np.asarray(rows, np.uint32))), bad


_WRONG = (
    (pl.col("agent_id") == "")
    | (pl.col("session_id") == "")
    | (pl.col("event_id").bin.size() != _EVENT_ID_BYTES)
    | (pl.col("seq") < 0)
)
"""Rows whose envelope cannot be used; built once, as that takes as long as to ask it of a small frame."""
_SOME_WRONG = _WRONG.any()


def _refuse_invalid(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[BadMessage]]:
    """Take out rows whose envelope cannot be used: no agent, no session, an id that is not 16 bytes, a seq below 0."""
    if not frame.select(_SOME_WRONG).item():
        return frame, []
    mask = frame.select(_WRONG.alias("wrong"))["wrong"]
    rows = frame.filter(mask)[ROW].to_list()
    detail = "agent_id and session_id must not be empty, event_id has 16 bytes, seq is not negative"
    return frame.filter(~mask), [BadMessage(row, "invalid_envelope", detail) for row in rows]


def _groups(
    book: SchemaBook, values: Sequence[bytes | None], bad: list[BadMessage]
) -> Iterable[tuple[WriterSchema, Sequence[int], list[bytes]]]:
    """Rows and bodies by writer schema; messages that name none that is known are added to `bad`."""
    groups: dict[int, tuple[WriterSchema, list[int], list[bytes]]] = {}
    for row, raw in enumerate(values):
        try:
            message = split_message(book, raw)
        except UndecodableError as error:
            bad.append(BadMessage(row, error.error, error.detail))
            continue
        _, rows, bodies = groups.setdefault(message.writer.crc64, (message.writer, [], []))
        rows.append(row)
        bodies.append(message.body)
    return groups.values()


def decode_batch(book: SchemaBook, values: Sequence[bytes | None]) -> DecodedBatch:
    """Decode raw messages of one topic; never raises for what a message holds.

    Groups by writer schema, decodes each group natively, projects to the reader schema, restores batch order.
    """
    if not values:
        return DecodedBatch(empty_frame(book).with_columns(pl.Series(ROW, [], dtype=pl.UInt32)))
    if (whole := _read_whole(book, values)) is not None:
        frame = whole.insert_column(whole.width, pl.Series(ROW, np.arange(len(values), dtype=np.uint32)))
        return DecodedBatch(*_refuse_invalid(frame))
    bad: list[BadMessage] = []
    frames: list[pl.DataFrame] = []
    for writer, rows, bodies in _groups(book, values, bad):
        decoded, undecodable = _decode_group(book, writer, rows, bodies)
        bad += undecodable
        if decoded is not None:
            frames.append(decoded)
    if not frames:
        frame = empty_frame(book).with_columns(pl.Series(ROW, [], dtype=pl.UInt32))
    else:
        frame = frames[0] if len(frames) == 1 else pl.concat(frames).sort(ROW)
    frame, invalid = _refuse_invalid(frame)
    return DecodedBatch(frame, sorted(bad + invalid, key=lambda message: message.row))


def encode_rows(schema: WriterSchema, frame: pl.DataFrame) -> list[bytes]:
    """Encode each row of a frame in single-object encoding; columns that the frame lacks take the schema's default."""
    return [encode_single_object(schema, row) for row in frame.iter_rows(named=True)]


__all__ = [
    "CONFLUENT_PREFIX_BYTES",
    "ENVELOPE",
    "ROW",
    "BadMessage",
    "DecodedBatch",
    "decode_batch",
    "empty_frame",
    "encode_rows",
]
