"""A reporter's other end in memory: every event is encoded and read back as the topics hold it, or the test fails."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from producers.sdk.config import ReporterConfig
from producers.sdk.encode import Encoder
from schemas.catalogue import TOPICS
from schemas.record import decode_record
from schemas.registry import SchemaBook


class Told:
    """What was told of one agent, in order."""

    def __init__(self) -> None:
        self._encoder = Encoder(ReporterConfig(agent_id="tested"), "session")
        self.records: list[tuple[str, dict[str, Any]]] = []

    def emit(self, topic: str, fields: Mapping[str, Any], *, timestamp_us: int | None = None) -> None:
        stamp_ns = time.time_ns() if timestamp_us is None else 1000 * timestamp_us
        encoded = self._encoder.encode((len(self.records), stamp_ns, topic, fields), 0)
        self.records.append((topic, decode_record(SchemaBook(TOPICS[topic].schema), encoded.value)))

    def of(self, topic: str, kind: str | None = None) -> list[dict[str, Any]]:
        """Records of a topic, of one kind."""
        return [record for told, record in self.records if told == topic and kind in {None, record.get("kind")}]

    def kinds(self) -> list[str]:
        """Kinds of lifecycle events in order of their event time."""
        return [each["kind"] for each in sorted(self.of("fleet.lifecycle"), key=lambda each: each["timestamp"])]

    def counts(self, topic: str) -> Counter[str]:
        """Events of a topic by kind."""
        return Counter(each["kind"] for each in self.of(topic))
