"""The fleet as its derived topics tell it: who is online, whose trust is lowest, which alerts are new."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.runtime.columnar_fetch import fetch_columns
from infra.runtime.kafka import consumer
from schemas.record import UndecodableError, decode_record
from schemas.registry import SchemaBook

DERIVED = {"fleet.status": "status", "fleet.trust": "trust", "fleet.alerts": "alert"}


@dataclass
class FleetState:
    """Latest status and trust by agent, the newest alerts first, the alerts that are firing."""

    status: dict[str, str] = field(default_factory=dict)
    trust: dict[str, float] = field(default_factory=dict)
    alerts: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=50))
    firing: set[tuple[str, int]] = field(default_factory=set)

    def apply(self, topic: str, record: dict[str, Any]) -> None:
        """Take in one record of a derived topic."""
        if topic == "fleet.status":
            self.status[record["agent_id"]] = record["status"]
        elif topic == "fleet.trust":
            self.trust[record["agent_id"]] = record["trust"]
        else:
            self.alerts.appendleft(record)
            key = (record["fingerprint"], record["epoch"])
            (self.firing.add if record["state"] == "firing" else self.firing.discard)(key)

    def counts(self) -> Counter[str]:
        """Agents by status."""
        return Counter(self.status.values())

    def lowest_trust(self, count: int) -> Sequence[tuple[str, float]]:
        """The agents with the lowest trust."""
        return sorted(self.trust.items(), key=lambda item: item[1])[:count]


async def follow(bootstrap: str, state: FleetState) -> None:
    """Keep `state` current until cancelled, one record at a time: these topics are small. Raises `KafkaError`."""
    books = {topic: SchemaBook(schema) for topic, schema in DERIVED.items()}
    client = consumer(bootstrap, *DERIVED)
    await client.start()
    try:
        while True:
            for tp, columns in (await fetch_columns(client, timeout_s=0.5)).items():
                for raw in columns.values:
                    try:
                        state.apply(tp.topic, decode_record(books[tp.topic], raw))
                    except UndecodableError:
                        continue  # the lake writer dead-letters it; a picture can do without it
                await asyncio.sleep(0)
    finally:
        await client.stop()
