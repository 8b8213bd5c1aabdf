"""The alert manager as a monitored component: what it tells people of others, they hear of itself."""

from __future__ import annotations

from collections.abc import Mapping

from infra.health import Component, Health, HealthStatus
from infra.health.component import StallWatch, health_of_work
from infra.runtime.clock import Clock, SystemClock
from streams.manager.reload import RulesFile
from streams.manager.service import AlertManager
from streams.rules.watch import health_of_rules

PATIENCE_S = 20.0


class ManagerHealth(Component):
    """Degraded while steps fail, while signals wait and none is decided on for `PATIENCE_S`, and while the file of
    rules is not in force. Its progress are steps, those that found nothing among them."""

    def __init__(self, manager: AlertManager, rules: RulesFile, clock: Clock | None = None) -> None:
        super().__init__("alert-manager")
        self._manager = manager
        self._rules = rules
        self._clock = clock or SystemClock()
        self._watch = StallWatch()

    def health(self) -> Health:
        """How it is now."""
        if self._manager.trouble:
            return Health(HealthStatus.DEGRADED, self._manager.trouble[:500])
        lag, found = self._manager.lag(), self._manager.statistics
        waited_s = self._watch.waited_s(lag, found.signals + found.dead_letters, self._clock.monotonic_s())
        waiting = health_of_work(waited_s, lag, PATIENCE_S, "signals")
        return waiting if waiting.status is not HealthStatus.HEALTHY else health_of_rules(self._rules.problem)

    def progress(self) -> int:
        """Steps, of one who stands by too."""
        return self._manager.statistics.steps

    def metrics(self) -> Mapping[str, float]:
        """Signals, events and problems as counters; what is active, and whether this one works, as it is."""
        found, state = self._manager.statistics, self._manager.state
        return {
            "signals_total": float(found.signals),
            "events_total": float(found.events),
            "problems_total": float(found.problems),
            "dead_letters_total": float(found.dead_letters),
            "active_alerts": float(len(state.active)) if state is not None else 0.0,
            "lag": float(self._manager.lag()),
            "works": float(state is not None),
            "rules_problem": float(self._rules.problem is not None),
        }
