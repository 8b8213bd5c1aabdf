"""A process of ours that reports through a `Reporter`, as a monitored component: its work, and what waits."""

from __future__ import annotations

from collections.abc import Mapping

from infra.health import Component, Health, HealthStatus
from producers.sdk.reporter import Reporter


class ReporterHealth(Component):
    """Degraded while more than `most_waiting` events wait for the broker; `done` counts the work, named `what`."""

    def __init__(self, name: str, reporter: Reporter, *, what: str, most_waiting: int) -> None:
        super().__init__(name)
        self._reporter, self._what, self._most_waiting = reporter, what, most_waiting
        self.done = 0

    def _waiting(self) -> int:
        account = self._reporter.account()["sessions"][0]
        return int(account["issued"]) - int(account["acknowledged"]) - int(account["dropped"])

    def health(self) -> Health:
        """How it is now."""
        if (waiting := self._waiting()) > self._most_waiting:
            return Health(HealthStatus.DEGRADED, f"{waiting} events wait for the broker")
        return Health()

    def progress(self) -> int:
        """Work done so far."""
        return self.done

    def metrics(self) -> Mapping[str, float]:
        """Work as a counter, events that wait as they are."""
        return {f"{self._what}_total": float(self.done), "waiting": float(self._waiting())}
