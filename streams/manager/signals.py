"""Signals between bytes and what the core decides on."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.runtime.ids import event_id, new_session_bits
from schemas.record import decode_record, encode_single_object
from schemas.registry import SchemaBook, topic_schema
from streams.manager.model import Signal

TOPIC = "fleet.signals"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = ("timestamp", "starts_at", "ends_at", "oldest_source_timestamp")
_NAMED = ("labels", "annotations", "evidence")


def decode(book: SchemaBook, raw: bytes | None) -> Signal:
    """A message as a signal. Raises `schemas.record.UndecodableError`."""
    record = decode_record(book, raw)
    for name in _TIMES:
        if record[name] is not None:
            record[name] = (record[name] - _EPOCH) // timedelta(microseconds=1)
    for name in _NAMED:
        record[name] = {entry["name"]: entry["value"] for entry in record[name]}
    return record


def command(name: str, actor: str, arguments: Mapping[str, Any], fingerprint: str | None = None) -> bytes:
    """The message of a command that a person gives now; its session is its own."""
    now_us = time.time_ns() // 1000
    record = {
        "event_id": event_id(now_us, new_session_bits(), 0),
        "agent_id": "operator",
        "user_id": "",
        "timestamp": now_us,
        "session_id": f"command/{uuid.uuid4()}",
        "seq": 0,
        "kind": "command",
        "fingerprint": fingerprint,
        "command": name,
        "arguments": json.dumps(dict(arguments)),
        "actor": actor,
    }
    return encode_single_object(topic_schema(TOPIC), record)
