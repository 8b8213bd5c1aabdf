"""The simulator as a monitored component: what it watches nobody for, it is watched for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from infra.health import Component, Health, HealthStatus


class Simulation(Protocol):
    """What is asked of a run; `shifted_s`: by how much its plan was moved because it was too late."""

    shifted_s: float

    @property
    def issued(self) -> Mapping[str, int]:
        """Events so far, by topic."""
        ...

    @property
    def ticks(self) -> int:
        """Ticks so far."""
        ...

    @property
    def unacknowledged(self) -> int:
        """Events that the broker has not acknowledged yet."""
        ...


class SimulatorHealth(Component):
    """Degraded once it was too slow for its rate: the plan had to be moved."""

    def __init__(self, run: Simulation) -> None:
        super().__init__("simulator")
        self._run = run

    def health(self) -> Health:
        """How it is now."""
        if self._run.shifted_s > 0:
            return Health(
                HealthStatus.DEGRADED, f"the rate cannot be kept: {self._run.shifted_s:.0f} s behind its plan"
            )
        return Health()

    def progress(self) -> int:
        """Ticks published."""
        return self._run.ticks

    def metrics(self) -> Mapping[str, float]:
        """Events as a counter; what is not acknowledged yet, and how far the plan was moved (s), as they are."""
        run = self._run
        return {
            "events_total": float(sum(run.issued.values())),
            "unacknowledged": float(run.unacknowledged),
            "shifted_s": run.shifted_s,
        }
