"""The spool's file format: a magic line, then frames of length, CRC-32 and one encoded event.

frame   := u32 body length, u32 CRC-32 of the body, body          (little-endian)
body    := i64 timestamp in ms, i64 seq, u16 topic length, u16 key length, topic, key, value
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from producers.sdk.encode import Record

MAGIC = b"FPSPOOL1"
_FRAME = struct.Struct("<II")
_BODY = struct.Struct("<qqHH")


class Tail(Enum):
    """How a file ends."""

    WHOLE = "whole"
    TORN = "torn"  # a frame that was being written when the process died
    CORRUPT = "corrupt"  # bytes that no writer of ours left


@dataclass(frozen=True)
class SegmentContent:
    """The events of a segment file up to the first bad byte, and what is behind them."""

    records: list[Record] = field(default_factory=list)
    good_bytes: int = 0
    tail: Tail = Tail.WHOLE


def encode_frame(topic: bytes, record: Record) -> bytes:
    """One event as a frame."""
    body = _BODY.pack(record.timestamp_ms, record.seq, len(topic), len(record.key)) + topic + record.key + record.value
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def encode_frames(topic: bytes, records: Iterable[Record]) -> list[bytes]:
    """Events as frames."""
    return [encode_frame(topic, record) for record in records]


def _read_body(topic: bytes, body: bytes) -> Record | None:
    timestamp_ms, seq, topic_bytes, key_bytes = _BODY.unpack_from(body)
    key_at = _BODY.size + topic_bytes
    value_at = key_at + key_bytes
    if value_at > len(body) or body[_BODY.size : key_at] != topic:
        return None
    return Record(body[key_at:value_at], body[value_at:], timestamp_ms, seq)


def read_frames(topic: bytes, data: bytes) -> SegmentContent:
    """Every event before the first frame that is cut off or damaged; never raises for what the bytes hold."""
    if not data.startswith(MAGIC):
        return SegmentContent(tail=Tail.TORN if MAGIC.startswith(data) else Tail.CORRUPT)
    records: list[Record] = []
    at = len(MAGIC)
    while at < len(data):
        if at + _FRAME.size > len(data):
            return SegmentContent(records, at, Tail.TORN)
        length, crc = _FRAME.unpack_from(data, at)
        body = data[at + _FRAME.size : at + _FRAME.size + length]
        if length >= _BODY.size and len(body) < length:
            return SegmentContent(records, at, Tail.TORN)
        record = _read_body(topic, body) if length >= _BODY.size and zlib.crc32(body) == crc else None
        if record is None:
            return SegmentContent(records, at, Tail.CORRUPT)
        records.append(record)
        at += _FRAME.size + length
    return SegmentContent(records, at)
