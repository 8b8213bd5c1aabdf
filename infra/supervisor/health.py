"""The supervisor as a monitored component: who watches all processes of a run is watched itself."""

from __future__ import annotations

from collections.abc import Mapping

from infra.health import Component, Health, HealthStatus
from infra.supervisor.running import Run


class SupervisorHealth(Component):
    """Degraded while a process of the run does not run; how each of them is it tells itself."""

    def __init__(self, run: Run) -> None:
        super().__init__("up")
        self._run = run

    def health(self) -> Health:
        """How it is now."""
        down = sorted(name for name, child in self._run.children.items() if child.restart and child.pid is None)
        if down:
            return Health(HealthStatus.DEGRADED, f"not running: {', '.join(down)}")
        return Health()

    def progress(self) -> int:
        """How often it looked at the run."""
        return self._run.looks

    def metrics(self) -> Mapping[str, float]:
        """Processes that run, restarts, hung ones, and the lags that it shows."""
        children = self._run.children.values()
        numbers = {
            "processes": sum(child.pid is not None for child in children),
            "restarts_total": sum(child.restarts for child in children),
            "hung_total": sum(child.hung for child in children),
        }
        lags = {f"lag_{name}": lag for name, lag in self._run.picture.lags.items()}
        return {name: float(value) for name, value in (numbers | lags).items()}
