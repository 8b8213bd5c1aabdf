"""A stream worker as a monitored component: what it watches others for, it is watched for itself."""

from __future__ import annotations

from collections.abc import Mapping

from infra.health import Component, Health
from infra.health.component import StallWatch, health_of_work
from infra.runtime.clock import Clock
from streams.app import StreamApp
from streams.pipeline import SOURCES
from streams.rules.watch import RulesFile, health_of_rules

PATIENCE_S = 20.0
"""Below the patience of the worker's own stall watch: it is seen before it gives up."""
FETCH_PATIENCE_S = 15.0


def lag_of(app: StreamApp) -> int:
    """Records that the broker has and this worker has not processed, over the partitions that it owns."""
    lag = 0
    for tp in app.consumer.assignment():
        if tp.topic in SOURCES and (end := app.consumer.highwater(tp)) is not None:
            lag += max(end - app.progress.position.get((tp.topic, tp.partition), end), 0)
    return lag


def has_nothing_to_do(app: StreamApp) -> bool:
    """Whether the broker said lately, of every partition that is owned, that there is no more.

    Without its word an end that nobody asks for any more would look like one that was reached.
    """
    oldest_ms = (app.clock.now_s() - FETCH_PATIENCE_S) * 1000
    fetched = [app.fetched(tp)[1] for tp in app.consumer.assignment() if tp.topic in SOURCES]
    return lag_of(app) == 0 and all(at_ms is not None and at_ms > oldest_ms for at_ms in fetched)


class StreamHealth(Component):
    """Degraded when records wait for `PATIENCE_S` and none gets processed, and while a file of rules is bad."""

    def __init__(self, app: StreamApp, clock: Clock, rules: RulesFile | None = None) -> None:
        super().__init__("stream-worker")
        self._app = app
        self._clock = clock
        self._rules = rules
        self._watch = StallWatch()

    def health(self) -> Health:
        """How it is now."""
        lag = lag_of(self._app)
        waited_s = self._watch.waited_s(lag, self._app.progress.batches, self._clock.monotonic_s())
        at_work = health_of_work(waited_s, lag, PATIENCE_S, "records")
        return at_work if at_work.reason else health_of_rules(self._rules_problem)

    @property
    def _rules_problem(self) -> str | None:
        return self._rules.problem if self._rules is not None else None

    def progress(self) -> int:
        """Batches processed, and looks at the clock that found nothing waiting."""
        return self._app.progress.batches + self._app.progress.idle_turns

    def metrics(self) -> Mapping[str, float]:
        """Events, batches and outputs as counters; lag, partitions and known agents as they are."""
        app = self._app
        return {
            "events_total": float(app.progress.total),
            "batches_total": float(app.progress.batches),
            "outputs_total": float(app.progress.emitted),
            "lag": float(lag_of(app)),
            "partitions": float(len(app.partitions)),
            "rules_problem": float(self._rules_problem is not None),
            "agents": float(sum(len(state.agents) for state in app.partitions.values())),
        }
