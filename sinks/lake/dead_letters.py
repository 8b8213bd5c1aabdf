"""Messages that cannot be accepted, as records of fleet.deadletter (promise 6 of ARCHITECTURE.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infra.runtime.ids import derived_id
from schemas.record import encode_single_object
from schemas.registry import topic_schema

TOPIC = "fleet.deadletter"
_LAST_MS = 253_402_300_799_999
"""The end of the year 9999: Kafka's timestamps are the senders', who may write anything."""
RAW_KEPT_BYTES = 256 * 1024


@dataclass(frozen=True)
class DeadLetter:
    """A bad message with its coordinates. `timestamp_ms` is Kafka's."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    raw: bytes | None
    error: str
    detail: str

    @property
    def key(self) -> str:
        """`<topic>/<partition>`: key, agent and session of the dead letter."""
        return f"{self.topic}/{self.partition}"

    def record(self) -> dict[str, Any]:
        """The record of schema deadletter. Its id follows from the coordinates, so two who meet it write the same."""
        timestamp_us = min(max(0, self.timestamp_ms), _LAST_MS) * 1000
        return {
            "event_id": derived_id(timestamp_us, TOPIC, self.topic, self.partition, self.offset),
            "agent_id": self.key,
            "user_id": "",
            "deployment_id": None,
            "timestamp": timestamp_us,
            "session_id": self.key,
            "seq": self.offset,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "key": None,
            "raw": self.raw[:RAW_KEPT_BYTES] if self.raw is not None else None,
            "raw_size_bytes": len(self.raw or b""),
            "error": self.error,
            "detail": self.detail,
        }


def encode(letters: Sequence[DeadLetter]) -> list[tuple[bytes, bytes]]:
    """Key and value of each letter as Kafka carries them."""
    schema = topic_schema(TOPIC)
    return [(letter.key.encode(), encode_single_object(schema, letter.record())) for letter in letters]
