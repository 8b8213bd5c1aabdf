"""The lake writer as a monitored component: what it watches others for, it is watched for itself."""

from __future__ import annotations

from collections.abc import Mapping

from infra.health import Component, Health, HealthStatus
from infra.health.component import StallWatch, health_of_work
from infra.runtime.clock import Clock, SystemClock
from sinks.lake.service import LakeService

PATIENCE_S = 20.0


class LakeHealth(Component):
    """Degraded while a step fails and is tried again, and when records wait for `PATIENCE_S` and none gets durable."""

    def __init__(self, service: LakeService, clock: Clock | None = None) -> None:
        super().__init__("lake-writer")
        self._service = service
        self._clock = clock or SystemClock()
        self._watch = StallWatch()

    def health(self) -> Health:
        """How it is now."""
        service = self._service
        if service.trouble:
            return Health(HealthStatus.DEGRADED, service.trouble)
        lag = service.lag()
        waited_s = self._watch.waited_s(lag, service.tally.rounds, self._clock.monotonic_s())
        return health_of_work(waited_s, lag, PATIENCE_S, "records")

    def progress(self) -> int:
        """Rounds written, and turns with nothing to write."""
        return self._service.tally.rounds + self._service.tally.idle_turns

    def metrics(self) -> Mapping[str, float]:
        """Rows, files, bad messages, duplicates as counters; lag, buffers (rows, bytes), latency (s) as they are."""
        found = self._service.statistics()
        counters = {f"{name}_total": found.get(name, 0) for name in ("rows", "files", "bad", "duplicates")}
        gauges = {name: found[name] for name in ("partitions", "buffered_rows", "buffered_bytes", "round_s")}
        numbers = counters | gauges | {"lag": self._service.lag()}
        return {name: float(value) for name, value in numbers.items()}
