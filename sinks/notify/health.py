"""The notifier as a monitored component: what it tells others of, it is watched for itself."""

from __future__ import annotations

from collections.abc import Mapping

from infra.health import Component, Health, HealthStatus
from infra.health.component import HEALTHY
from infra.runtime.clock import Clock, SystemClock
from sinks.notify.notifier import Notifier

PATIENCE_S = 20.0


class NotifyHealth(Component):
    """Degraded while a channel was tried for `PATIENCE_S` and took nothing; failed while that is so of all of them."""

    def __init__(self, notifier: Notifier, clock: Clock | None = None) -> None:
        super().__init__("notify")
        self._notifier = notifier
        self._clock = clock or SystemClock()

    def health(self) -> Health:
        """How it is now; the reason names the channels and what their last attempts said."""
        found = self._notifier.statistics
        now_s = self._clock.monotonic_s()
        failing = {
            name: now_s - each.failing_since_s
            for name, each in found.items()
            if each.failing_since_s is not None and now_s - each.failing_since_s >= PATIENCE_S
        }
        if not failing:
            return HEALTHY
        why = "; ".join(
            f"channel {name} has taken nothing for {since_s:.0f} s ({found[name].last_error}), "
            f"{self._notifier.lanes[name].lag()} alerts wait"
            for name, since_s in failing.items()
        )
        return Health(HealthStatus.FAILED if len(failing) == len(found) else HealthStatus.DEGRADED, why)

    def progress(self) -> int:
        """Alerts that are done, and looks that found none waiting."""
        return sum(each.progress for each in self._notifier.statistics.values())

    def metrics(self) -> Mapping[str, float]:
        """By channel: alerts by outcome as counters, and its lag; of all messages, those that were no alerts."""
        numbers: dict[str, float] = {}
        for name, lane in self._notifier.lanes.items():
            for outcome in ("delivered", "failed", "dead", "suppressed"):
                numbers[f"{name}_{outcome}_total"] = float(getattr(lane.statistics, outcome))
            numbers[f"{name}_lag"] = float(lane.lag())
        journal = self._notifier.journal
        return numbers | {"dead_letters_total": float(journal.dead_letters) if journal else 0.0}
