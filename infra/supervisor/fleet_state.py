"""The fleet as its derived topics tell it: who is online, whose trust is lowest, which alerts are new."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.runtime.columnar_fetch import fetch_columns
from infra.runtime.kafka import consumer
from schemas.record import UndecodableError, decode_record
from schemas.registry import SchemaBook

_MOST_TOLD = 50
DERIVED = {"fleet.status": "status", "fleet.trust": "trust", "fleet.alerts": "alert"}


@dataclass
class FleetState:
    """Latest status and trust by agent, and what became of alerts, by fingerprint.

    `told`: the latest news of those whose last news was for people, the `_MOST_TOLD` newest; `active`: whether people
    are told of each that goes on.
    """

    status: dict[str, str] = field(default_factory=dict)
    trust: dict[str, float] = field(default_factory=dict)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    active: dict[str, bool] = field(default_factory=dict)

    def apply(self, topic: str, record: dict[str, Any]) -> None:
        """Take in one record of a derived topic."""
        if topic == "fleet.status":
            self.status[record["agent_id"]] = record["status"]
        elif topic == "fleet.trust":
            self.trust[record["agent_id"]] = record["trust"]
        else:
            self._apply_alert(record["fingerprint"], record)

    def _apply_alert(self, key: str, record: dict[str, Any]) -> None:
        heard = record["suppressed_by"] is None
        self.told.pop(key, None)
        self.active.pop(key, None)
        if heard:
            self.told[key] = record
            if len(self.told) > _MOST_TOLD:
                del self.told[next(iter(self.told))]
        if record["state"] != "resolved":
            self.active[key] = heard

    def newest_alerts(self, count: int) -> Sequence[dict[str, Any]]:
        """What people were told of: first what goes on, then what is over, the newest first in both."""
        newest = reversed(self.told.items())
        return [record for _, record in sorted(newest, key=lambda item: item[0] not in self.active)][:count]

    @property
    def firing(self) -> int:
        """Alerts that go on and that people know of."""
        return sum(self.active.values())

    @property
    def suppressed(self) -> int:
        """Alerts that go on within an incident, silenced or otherwise not told."""
        return len(self.active) - self.firing

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
