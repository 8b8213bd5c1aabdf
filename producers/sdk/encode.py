"""From what the caller left to what Kafka gets: envelope, defaults, single-object encoding."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from infra.runtime.ids import event_id, new_session_bits
from producers.sdk.buffer import RawEvent
from producers.sdk.config import ReporterConfig
from schemas.catalogue import ENVELOPE, TOPICS
from schemas.record import encode_single_object
from schemas.registry import WriterSchema, topic_schema

HEARTBEATS = "fleet.heartbeats"
_DONE = frozenset({"tool_completed", "agent_completed", "run_finished", "step"})
_WORK = frozenset({"fleet.lifecycle", "fleet.runs"})
_NUMBERS = frozenset({"fleet.metrics", "fleet.hosts"})
_LISTS = ("custom", "context", "metadata", "attributes")


class Record(NamedTuple):
    """An encoded event: Kafka key and value, event time in ms since the epoch, number within its session."""

    key: bytes
    value: bytes
    timestamp_ms: int
    seq: int


class RefusedEventError(Exception):
    """An event that cannot be sent as it is. `reason` is the word that it is counted under."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}")


def _named_values(topic: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A mapping as the schemas' array<record{name, value}>."""
    turn = float if topic in _NUMBERS else str
    return [{"name": str(name), "value": turn(value)} for name, value in given.items()]


class Encoder:
    """Encodes the events of one session; remembers the session's last activity and progress for its heartbeats."""

    def __init__(self, config: ReporterConfig, session_id: str) -> None:
        self._key = config.agent_id.encode()
        self._max_bytes = config.max_event_bytes
        self._bits = new_session_bits()
        self._started_s = time.monotonic()
        self._envelope = {
            "agent_id": config.agent_id,
            "user_id": config.user_id,
            "deployment_id": config.deployment_id,
            "session_id": session_id,
        }
        self._beat = {
            "status": "healthy",
            "version": config.version,
            "interval_s": config.heartbeat_interval_s,
            "host": config.host or platform.node() or None,
            "platform": platform.system(),
            "runtime_version": platform.python_version(),
        }
        self._schemas: dict[str, tuple[WriterSchema, frozenset[str]]] = {}
        self._last_activity_us: int | None = None
        self._progress: int | None = None

    def encode(self, event: RawEvent, events_dropped: int) -> Record:
        """Encode one event. Raises `RefusedEventError` (`unknown_topic`, `invalid`, `oversize`)."""
        seq, stamp_ns, topic, fields = event
        schema, names = self._schema(topic)
        timestamp_us = stamp_ns // 1000
        try:
            unknown = fields.keys() - names
            record = self._record(topic, fields, events_dropped)
            record["event_id"] = event_id(timestamp_us, self._bits, seq)
            record["timestamp"] = timestamp_us
            record["seq"] = seq
            value = encode_single_object(schema, record)
        except Exception as error:  # a caller's value can raise anything; it must not take the other events with it
            raise RefusedEventError("invalid", f"{topic} seq {seq}: {type(error).__name__}: {error}"[:500]) from error
        if unknown:
            raise RefusedEventError("invalid", f"{topic} has no field {', '.join(sorted(map(str, unknown)))}")
        if len(value) > self._max_bytes:
            detail = f"{topic} seq {seq}: {len(value)} bytes, the limit is {self._max_bytes}"
            raise RefusedEventError("oversize", detail)
        self._remember(topic, fields, timestamp_us)
        return Record(self._key, value, timestamp_us // 1000, seq)

    def _schema(self, topic: str) -> tuple[WriterSchema, frozenset[str]]:
        if (found := self._schemas.get(topic)) is None:
            if topic not in TOPICS:
                raise RefusedEventError("unknown_topic", f"the catalogue has no topic {topic!r}")
            schema = topic_schema(topic)
            found = schema, frozenset(f["name"] for f in schema.raw["fields"]) - frozenset(ENVELOPE)
            self._schemas[topic] = found
        return found

    def _record(self, topic: str, fields: Mapping[str, Any], events_dropped: int) -> dict[str, Any]:
        if topic == HEARTBEATS:
            record = {
                **self._envelope,
                **self._beat,
                "uptime_s": round(time.monotonic() - self._started_s, 6),
                "last_activity": self._last_activity_us,
                "progress": self._progress,
                "events_dropped": events_dropped,
                **{name: value for name, value in fields.items() if value is not None},
            }
        else:
            record = {**self._envelope, **fields}
        for name in _LISTS:
            if isinstance(given := record.get(name), Mapping):
                record[name] = _named_values(topic, given)
        return record

    def _remember(self, topic: str, fields: Mapping[str, Any], now_us: int) -> None:
        """Progress grows when something was finished well; a failure is activity, not progress."""
        if topic not in _WORK:
            return
        self._last_activity_us = now_us
        done = fields.get("kind") in _DONE and fields.get("status") in {"success", None}
        self._progress = (self._progress or 0) + done
