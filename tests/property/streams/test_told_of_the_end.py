"""Whoever was told that an alert fires is told that it is over, whatever came between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from manager_world import World, settings, told
from test_alert_manager_properties import AGENTS, NAMES, RULES, STEPS, Steps, take

from schemas.registry import load_schema
from streams.manager.model import Event

DEFAULT = "the default channels"


def owed(events: list[Event]) -> dict[str, set[str]]:
    """Channels that were told of a firing and not of its end, by fingerprint."""
    known: dict[str, set[str]] = {}
    for event in events:
        if event["suppressed_by"] is not None:
            continue
        channels = set(event["receivers"]) or {DEFAULT}
        if event["state"] == "resolved":
            known.setdefault(event["fingerprint"], set()).difference_update(channels)
        else:
            known.setdefault(event["fingerprint"], set()).update(channels)
    return {fingerprint: channels for fingerprint, channels in known.items() if channels}


@effort(max_examples=200, deadline=None)
@given(STEPS, st.sets(st.integers(0, 40)), st.sampled_from([3, 20_000]))
def test_whoever_was_told_of_a_firing_is_told_of_its_end(steps: Steps, restarts: set[int], most: int) -> None:
    world = World(settings(RULES, most_ended=most))
    for number, step in enumerate(steps):
        if number in restarts:
            world.restart()
        take(world, step)
    world.summary([], 0, complete=True)
    world.summary([], 1, complete=True)
    for agent in AGENTS:
        for name in NAMES:
            take(world, ("resolve", agent, name, 0, 1.0))
    world.after(3600)
    assert owed(world.events) == {}


def test_a_silence_that_begins_later_does_not_hide_the_end() -> None:
    world = World()
    world.fire("a")
    take(world, ("silence", "a", "cpu_high", 6, 1.0))
    assert told(world.resolve("a")) == [("cpu_high", "resolved", "recovered")]


def test_default_channels_hear_of_the_end_after_the_alert_became_worse_for_others() -> None:
    world = World(settings("routes: [{match: {severity: critical}, steps: [{channels: [pager]}]}]"))
    world.fire("a")
    world.fire("a", severity="critical", epoch=world.epochs["cpu_high@a"])
    assert [e["receivers"] for e in world.resolve("a")] == [[], ["pager"]]


def test_worse_is_told_to_who_knows_while_the_first_step_is_to_come() -> None:
    world = World(settings("routes: [{match: {}, steps: [{after: 10s, channels: [pager]}]}]"))
    world.fire("a")
    assert [e["receivers"] for e in world.after(10)] == [["pager"]]
    [worse] = world.fire("a", severity="critical", epoch=world.epochs["cpu_high@a"])
    assert (worse["cause"], worse["receivers"]) == ("worse", ["pager"])


@effort(max_examples=50, deadline=None)
@given(STEPS)
def test_every_word_that_is_written_is_documented(steps: Steps) -> None:
    docs = {field["name"]: field["doc"] for field in load_schema("alert").raw["fields"]}
    world = World(settings(RULES))
    for step in steps:
        take(world, step)
    for event in world.events:
        assert event["cause"] in docs["cause"]
        assert event["state"] in docs["state"]
        assert (event["suppressed_by"] or "").split(":")[0] in docs["suppressed_by"]


def test_an_alert_that_is_held_back_is_written_before_its_acknowledgement() -> None:
    world = World(settings(RULES))
    late: Steps = [(what, "a", "agent_late", 0, 0.0) for what in ("summary", "fire", "ack", "resolve")]
    for step in late:
        take(world, step)
    assert [event["cause"] for event in world.events] == ["began", "acknowledged", "recovered"]
    assert owed(world.events) == {}
