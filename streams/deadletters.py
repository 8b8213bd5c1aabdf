"""Rows of fleet.deadletter for messages that could not be accepted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from infra.runtime.columnar_fetch import RecordColumns
from infra.runtime.ids import derived_id
from schemas.columnar import BadMessage
from streams.outputs import Row

RAW_LIMIT_BYTES = 256 * 1024


def dead_letters(columns: RecordColumns, bad: Iterable[BadMessage], now_us: int) -> Iterator[Row]:
    """A row for each bad message of a batch: session and seq are its coordinates, so a second one is a duplicate."""
    where = f"{columns.topic}/{columns.partition}"
    for message in bad:
        offset = columns.offsets[message.row]
        raw = columns.values[message.row]
        yield {
            "event_id": derived_id(columns.timestamps_ms[message.row] * 1000, where, offset),
            "agent_id": where,
            "user_id": "",
            "deployment_id": None,
            "timestamp": now_us,
            "session_id": where,
            "seq": offset,
            "topic": columns.topic,
            "partition": columns.partition,
            "offset": offset,
            "key": None,
            "raw": None if raw is None else raw[:RAW_LIMIT_BYTES],
            "raw_size_bytes": 0 if raw is None else len(raw),
            "error": message.error,
            "detail": message.detail,
        }
