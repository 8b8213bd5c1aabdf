"""The alert that always fires: when it is told, to whom, and that nothing suppresses it."""

from __future__ import annotations

import json

import pytest
from manager_world import T0, World, settings, told

from streams.manager.core import change_rules, watch
from streams.manager.model import Event
from streams.rules.load import RulesError

PACK = "watchdog: {every: 60s, channels: [healthchecks]}"


def live(world: World, seconds: float = 0.0) -> list[Event]:
    """What is due now for one that has read all signals."""
    world.after(seconds)
    found = watch(world.config, world.state, T0)
    world.events += found
    return found


def test_it_is_told_every_time_to_its_channels_alone() -> None:
    world = World(settings(PACK))
    [first] = live(world)
    assert (first["name"], first["cause"], first["receivers"]) == ("watchdog", "began", ["healthchecks"])
    assert live(world, 59) == []
    [second] = live(world, 1)
    assert (second["state"], second["cause"], second["receivers"]) == ("firing", "repeated", ["healthchecks"])
    assert (second["epoch"], second["seq"]) == (first["epoch"], 1)


def test_what_was_missed_is_not_made_up_for_and_a_restart_is_no_news() -> None:
    world = World(settings(PACK))
    live(world)
    world.restart()
    assert live(world, 30) == []
    assert len(live(world, 3600)) == 1


def test_nothing_suppresses_it() -> None:
    routes = "routes: [{match: {}, steps: [{after: 5m, channels: [pager]}]}]"
    closed = "maintenance: [{name: always, from: '00:00', to: '00:00'}]"
    world = World(settings(f"{PACK}\n{routes}\n{closed}"))
    silence = {"id": "s", "matchers": [["name", "=~", ".*"]], "until_s": T0 + 3600}
    world.command("silence", json.dumps(silence))
    live(world)
    [alert] = world.state.alerts.values()
    world.command("acknowledge", json.dumps({"fingerprint": alert.fingerprint}))
    live(world, 60)
    assert told(world.events) == [
        ("watchdog", "firing", "began"), ("watchdog", "acknowledged", "acknowledged"),
        ("watchdog", "firing", "repeated"),
    ]  # fmt: skip
    assert len(told(live(world, 600))) == 1


def test_it_ends_where_it_is_taken_from_the_pack() -> None:
    world = World(settings(PACK))
    live(world)
    world.config = settings()
    change_rules(world.config, world.state)
    [event] = live(world, 1)
    assert (event["state"], event["receivers"]) == ("resolved", ["healthchecks"])
    assert live(world, 60) == []


def test_without_it_there_is_nothing_and_without_channels_it_is_a_mistake() -> None:
    assert live(World()) == []
    with pytest.raises(RulesError, match="channels"):
        settings("watchdog: {every: 60s}")
