"""The notifier watched: a channel that steadily fails is named with its reason, progress stands still with it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from infra.health import HealthStatus
from infra.runtime.clock import ManualClock
from sinks.notify.health import PATIENCE_S, NotifyHealth
from sinks.notify.notifier import Notifier
from sinks.notify.statistics import Statistics


def watched(clock: ManualClock, **channels: Statistics) -> NotifyHealth:
    """The parts of a notifier that are looked at; each lane has three alerts waiting."""
    lanes = {name: SimpleNamespace(statistics=found, lag=lambda: 3) for name, found in channels.items()}
    notifier = SimpleNamespace(statistics=channels, lanes=lanes, journal=SimpleNamespace(dead_letters=2))
    return NotifyHealth(cast("Notifier", notifier), clock)


def test_a_channel_that_steadily_fails_is_named_until_it_takes_one() -> None:
    clock, ops, mail = ManualClock(), Statistics(), Statistics()
    health = watched(clock, ops=ops, mail=mail)
    ops.note_failure(3, 0, "status 503", clock.monotonic_s())
    assert health.health().status is HealthStatus.HEALTHY
    clock.advance(PATIENCE_S + 1)
    ops.note_failure(3, 0, "status 502", clock.monotonic_s())
    found = health.health()
    assert found.status is HealthStatus.DEGRADED
    assert found.reason == "channel ops has taken nothing for 21 s (status 502), 3 alerts wait"
    mail.note_failure(0, 1, "status 404", clock.monotonic_s() - PATIENCE_S)
    assert health.health().status is HealthStatus.FAILED
    mail.note_success(1)
    assert health.health().status is HealthStatus.DEGRADED
    ops.note_success(3)
    assert health.health().reason == ""


def test_progress_moves_with_what_is_done_and_with_idle_turns_but_not_with_failures() -> None:
    found = Statistics()
    health = watched(ManualClock(), ops=found)
    at_first = health.progress()
    found.note_failure(5, 0, "status 503", 0.0)
    assert health.progress() == at_first
    found.idle_turns += 1
    found.note_failure(0, 1, "status 404", 0.0)
    found.note_success(2)
    assert health.progress() == at_first + 4


def test_metrics_are_told_by_channel() -> None:
    health = watched(ManualClock(), ops=Statistics(delivered=4, failed=1, dead=2, suppressed=3))
    assert health.metrics() == {
        "ops_delivered_total": 4.0, "ops_failed_total": 1.0, "ops_dead_total": 2.0, "ops_suppressed_total": 3.0,
        "ops_lag": 3.0, "dead_letters_total": 2.0,
    }  # fmt: skip
