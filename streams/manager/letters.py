"""A message of fleet.signals that cannot be read, as a row of fleet.deadletter (promise 7 of ARCHITECTURE.md)."""

from __future__ import annotations

from typing import Any

from aiokafka import ConsumerRecord

from infra.runtime.ids import derived_id
from schemas.record import UndecodableError
from streams.deadletters import RAW_LIMIT_BYTES


def letter_row(record: ConsumerRecord, error: UndecodableError) -> dict[str, Any]:
    """Session and seq are the message's coordinates, so a second one is a duplicate."""
    where = f"{record.topic}/{record.partition}"
    raw: bytes | None = record.value
    at_us = max(record.timestamp, 0) * 1000
    return {
        "event_id": derived_id(at_us, where, record.offset),
        "agent_id": where,
        "user_id": "",
        "deployment_id": None,
        "timestamp": at_us,
        "session_id": where,
        "seq": record.offset,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": None,
        "raw": None if raw is None else raw[:RAW_LIMIT_BYTES],
        "raw_size_bytes": len(raw or b""),
        "error": error.error,
        "detail": error.detail,
    }
