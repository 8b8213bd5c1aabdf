"""Timers of the alert manager: each time for each key once, however often it is planned."""

from __future__ import annotations

from streams.manager.state import State


def test_what_is_planned_again_for_the_same_time_waits_once() -> None:
    state = State()
    for _ in range(1_000):
        state.schedule(60.0, "a/outage")
    state.schedule(30.0, "a/outage")
    state.schedule(None, "a/outage")
    assert [state.pop_due(100.0) for _ in range(3)] == [(30.0, "a/outage"), (60.0, "a/outage"), None]
    state.schedule(60.0, "a/outage")
    assert state.next_due_s() == 60.0
    assert state.pop_due(59.0) is None
    assert state.pop_due(60.0) == (60.0, "a/outage")
