"""Heartbeats and metrics of one process as encoded events: envelope, numbers without a hole, rates. No I/O."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.health.component import Health
from infra.runtime.ids import event_id, new_session_bits
from schemas.record import encode_single_object
from schemas.registry import topic_schema

TENANT = "fleetpulse"
"""user_id and deployment_id of our own processes."""
MOST_METRICS = 64
RESTARTS = "restarts"
"""The metric that says how often who started the process had started it before; none where nobody counts."""
_LONGEST_NAME = 100
_COUNTER = "_total"


@dataclass(frozen=True, slots=True)
class Event:
    """One encoded event."""

    topic: str
    key: bytes
    value: bytes
    timestamp_ms: int


@dataclass
class EventMaker:
    """One session of one process. `started_s` and the `now_s` of its methods: seconds since the epoch."""

    agent_id: str
    host: str
    version: str
    interval_s: float
    started_s: float
    _bits: int = field(default_factory=new_session_bits)
    _seq: int = 0
    _counters: dict[str, float] = field(default_factory=dict)
    _counted_s: float = math.nan

    def beat(self, health: Health, progress: int, now_s: float, *, stopping: bool = False) -> Event:
        """A heartbeat; `stopping` is the last of the session."""
        return self._event(
            "fleet.heartbeats",
            now_s,
            status="stopping" if stopping else health.status.name.lower(),
            version=self.version,
            uptime_s=now_s - self.started_s,
            progress=progress,
            interval_s=self.interval_s,
            host=self.host,
            platform=platform.system(),
            runtime_version=platform.python_version(),
        )

    def metrics(self, values: Mapping[str, float], now_s: float) -> Event:
        """Uptime and custom metrics, `MOST_METRICS` at most and finite; of a counter `X_total` the rate `X_per_s`.

        A counter that was not there at the last call, and one that went back, has no rate yet.
        """
        return self._event("fleet.metrics", now_s, uptime=now_s - self.started_s, custom=self._custom(values, now_s))

    def _custom(self, values: Mapping[str, float], now_s: float) -> list[dict[str, Any]]:
        known, passed_s = self._counters, now_s - self._counted_s
        chosen = {name[:_LONGEST_NAME]: float(value) for name, value in list(values.items())[:MOST_METRICS]}
        self._counters = {name: value for name, value in chosen.items() if name.endswith(_COUNTER)}
        self._counted_s = now_s
        found = {name: value for name, value in chosen.items() if name not in self._counters}
        for name, value in self._counters.items():
            if passed_s > 0 and value >= known.get(name, math.inf):
                found[name.removesuffix(_COUNTER) + "_per_s"] = (value - known[name]) / passed_s
        return [{"name": name, "value": value} for name, value in found.items() if math.isfinite(value)]

    def _event(self, topic: str, now_s: float, **given: Any) -> Event:  # noqa: ANN401  # values of an Avro record
        now_us = int(now_s * 1e6)
        envelope = {
            "event_id": event_id(now_us, self._bits, self._seq),
            "agent_id": self.agent_id,
            "user_id": TENANT,
            "deployment_id": TENANT,
            "timestamp": now_us,
            "session_id": f"{self.agent_id}/{int(self.started_s * 1e6):x}-{self._bits:x}",
            "seq": self._seq,
        }
        schema = topic_schema(topic)
        record = {spec["name"]: spec.get("default") for spec in schema.raw["fields"]} | envelope | given
        event = Event(topic, self.agent_id.encode(), encode_single_object(schema, record), now_us // 1000)
        self._seq += 1
        return event
