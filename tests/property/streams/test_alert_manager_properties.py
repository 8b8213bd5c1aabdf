"""A manager that is restarted anywhere decides as one that is not; what fires is written; people hear of ends."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from manager_world import World, group, settings, signal

RULES = """
inhibit: [{source: {severity: critical}, target: {severity: warning}, equal: [agent_id]}]
routes: [{match: {severity: critical}, steps: [{after: 0s, channels: [chat]}, {after: 20s, channels: [pager]}]}]
correlation: {window: 10s, least: 3}
flapping: {changes: 4, within: 60s, calm: 30s}
"""
AGENTS, NAMES = "abc", ("x", "agent_late")
Steps = list[tuple[str, str, str, int, float]]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fire", "critical", "resolve", "resolve", "ack", "silence", "summary", "wait"]),
        st.sampled_from(AGENTS),
        st.sampled_from(NAMES),
        st.integers(0, 6),
        st.sampled_from([0.0, 0.5, 2.0, 15.0]),
    ),
    max_size=40,
)


def take(world: World, step: tuple[str, str, str, int, float]) -> None:
    what, agent, name, number, wait_s = step
    world.after(wait_s)
    key = f"{name}@{agent}"
    kind = "status" if name == "agent_late" else "threshold"
    if what in {"fire", "critical"}:
        severity = "critical" if what == "critical" else "warning"
        world.fire(agent, name, severity=severity, rule_kind=kind, host="h")
    elif what == "resolve" and key in world.epochs:
        world.resolve(agent, name, rule_kind=kind, host="h")
    elif what == "ack":
        world.command("acknowledge", f'{{"fingerprint": "{key}"}}')
    elif what == "silence":
        until_s = world.now_s + number
        world.command(
            "silence", f'{{"id": "s{number}", "matchers": [["agent_id", "=", "{agent}"]], "until_s": {until_s}}}'
        )
    elif what == "summary":
        world.summary([group("host", "h", agents=10, late=float(number))], number % 2)


@effort(max_examples=150, deadline=None)
@given(STEPS, st.sets(st.integers(0, 40)))
def test_restarts_change_nothing(steps: Steps, restarts: set[int]) -> None:
    plain, broken = World(settings(RULES)), World(settings(RULES))
    for number, step in enumerate(steps):
        if number in restarts:
            broken.restart()
        take(plain, step)
        take(broken, step)
    assert plain.events == broken.events
    assert plain.state.dump() == broken.state.dump()


@effort(max_examples=100, deadline=None)
@given(STEPS)
def test_changes_alone_are_the_state(steps: Steps) -> None:
    world, log = World(settings(RULES)), {}
    for step in steps:
        take(world, step)
        for key, value in world.state.take_changes():
            if value is None:
                log.pop(key, None)
            else:
                log[key] = value
    assert log == world.state.dump() or not steps


@effort(max_examples=100, deadline=None)
@given(STEPS)
def test_every_firing_is_written_and_numbers_have_no_hole(steps: Steps) -> None:
    world = World(settings(RULES))
    for step in steps:
        take(world, step)
    world.after(5)
    by_session: dict[str, list[int]] = {}
    for event in world.events:
        by_session.setdefault(event["session_id"], []).append(event["seq"])
    assert all(numbers == list(range(len(numbers))) for numbers in by_session.values())
    assert len({event["event_id"] for event in world.events}) == len(world.events)
    written = {(e["fingerprint"], e["state"]) for e in world.events}
    for key in world.epochs:
        assert (key, "firing") in written


def test_a_signal_that_comes_again_is_nothing() -> None:
    world = World(settings(RULES))
    found: dict[str, Any] = signal("firing", world.now_s)
    assert [len(world.send(found)) for _ in range(3)] == [1, 0, 0]


def test_an_alert_that_fires_anew_less_gravely_inhibits_no_longer() -> None:
    world = World(settings(RULES))
    for what, name in (("critical", "x"), ("fire", "agent_late"), ("fire", "x")):
        take(world, (what, "a", name, 0, 2.0))
    late = [event["suppressed_by"] for event in world.events if event["name"] == "agent_late"]
    assert late[0] is not None
    assert late[-1] is None
