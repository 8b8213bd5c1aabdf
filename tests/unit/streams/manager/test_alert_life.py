"""The life of one alert: begins, becomes worse, repeats, is acknowledged, flaps, ends; replays change nothing."""

from __future__ import annotations

import json

from manager_world import T0, World, fingerprint, group, settings, signal, told, why

FP = fingerprint("a", "cpu_high")


def test_begin_and_end_are_told() -> None:
    world = World()
    assert told(world.fire()) == [("cpu_high", "firing", "began")]
    world.after(60)
    assert told(world.resolve()) == [("cpu_high", "resolved", "recovered")]
    assert [e["seq"] for e in world.events] == [0, 1]
    assert {e["session_id"] for e in world.events} == {f"alerts/{FP}/{int(T0 * 1000)}"}


def test_what_was_seen_changes_nothing() -> None:
    world = World()
    first = signal("firing", T0)
    assert len(world.send(first)) == 1
    assert world.send(first) == []
    world.after(5)
    world.epochs[FP] = first["epoch"]
    assert len(world.resolve()) == 1
    assert world.send(first) == []
    assert world.resolve() == []
    assert world.send(signal("firing", T0 - 100)) == []


def test_a_replay_gives_the_same_identifiers() -> None:
    one, other = World(), World()
    for world in (one, other):
        world.fire()
        world.after(3)
        world.resolve()
    assert one.events == other.events
    assert len({e["event_id"] for e in one.events}) == 2


def test_only_worse_fires_again_and_ends_an_acknowledgement() -> None:
    world = World()
    world.fire()
    same = int(T0 * 1000)
    assert world.fire(epoch=same, severity="info") == []
    assert told(world.command("acknowledge", json.dumps({"fingerprint": FP, "comment": "mine"}))) == [
        ("cpu_high", "acknowledged", "acknowledged")
    ]
    assert world.events[-1]["actor"] == "ann"
    assert world.events[-1]["comment"] == "mine"
    world.after(1)
    [worse] = world.fire(epoch=same, severity="critical")
    assert (worse["cause"], worse["state"], worse["severity"]) == ("worse", "firing", "critical")
    assert worse["suppressed_by"] is None
    assert worse["actor"] is None


def test_what_recovers_was_ended_by_nobody() -> None:
    world = World()
    world.fire()
    world.command("acknowledge", json.dumps({"fingerprint": FP, "comment": "looking at it"}))
    world.after(1)
    [over] = world.resolve()
    assert (over["state"], over["actor"], over["comment"]) == ("resolved", None, None)


def test_who_took_an_acknowledgement_back_is_named_there_alone() -> None:
    world = World()
    world.fire()
    world.command("acknowledge", json.dumps({"fingerprint": FP, "comment": "on it"}))
    [back] = world.command("unacknowledge", json.dumps({"fingerprint": FP, "comment": "not mine"}), "bob")
    assert (back["actor"], back["comment"]) == ("bob", "not mine")
    world.after(1)
    [again] = world.fire()
    assert (again["cause"], again["actor"], again["comment"]) == ("repeated", None, None)


def test_a_new_epoch_without_an_end_repeats_it_and_stays_acknowledged() -> None:
    world = World()
    world.fire()
    world.command("acknowledge", json.dumps({"fingerprint": FP}))
    world.after(1)
    [again] = world.fire()
    assert (again["cause"], again["suppressed_by"], again["state"]) == ("repeated", "acknowledged", "acknowledged")
    [back] = world.command("unacknowledge", json.dumps({"fingerprint": FP}))
    assert (back["cause"], back["suppressed_by"], back["state"]) == ("unacknowledged", None, "firing")


def test_the_end_of_an_unknown_alert_is_told() -> None:
    world = World()
    world.epochs[FP] = 7
    assert told(world.resolve()) == [("cpu_high", "resolved", "recovered")]


def test_flapping_is_told_once_and_then_how_it_stands() -> None:
    world = World(settings("flapping: {changes: 4, within: 10m, calm: 5m}"))
    seen = []
    for _ in range(4):
        seen += world.fire()
        world.after(10)
        seen += world.resolve()
        world.after(10)
    assert [e["cause"] for e in seen[:4]] == ["began", "recovered", "began", "recovered"]
    assert why(seen) == [None] * 4 + ["flapping"] * 4
    assert world.after(280) == []
    assert world.after(20) == []  # they know already
    assert told(world.fire()) == [("cpu_high", "firing", "began")]


def test_who_was_told_that_it_flaps_is_told_that_it_ended() -> None:
    world = World(settings("flapping: {changes: 3, within: 10m, calm: 5m}"))
    for _ in range(3):
        world.fire()
        world.after(10)
        world.resolve()
        world.after(10)
    assert [e["cause"] for e in world.events if e["suppressed_by"] is None] == ["began", "recovered", "flapping"]
    assert told(world.after(300)) == [("cpu_high", "resolved", "recovered")]


def test_ended_alerts_are_forgotten() -> None:
    world = World()
    world.fire()
    world.resolve()
    world.after(world.config.forget_s + 1)
    assert world.state.alerts == {}
    assert list(world.state.dump()) == ["u/name/cpu_high", "position"]
    assert dict(world.state.take_changes())[f"a/{FP}"] is None


def test_the_number_of_ended_alerts_is_bounded() -> None:
    world = World(settings(most_ended=3))
    for number in range(6):
        world.fire(f"a{number}", f"n{number}")
        world.resolve(f"a{number}", f"n{number}")
    assert len(world.state.alerts) == 3


def test_bad_signals_are_named_and_change_nothing() -> None:
    world = World()
    for bad in (
        signal("firing", T0, epoch=None),
        signal("hello", T0),
        signal("command", T0, command="dance", arguments="{}"),
        signal("command", T0, command="silence", arguments="[]"),
        signal("command", T0, command="silence", arguments="{"),
        signal("command", T0, command="acknowledge", arguments='{"fingerprint": "nobody"}'),
    ):
        assert world.send(bad) == []
    assert len(world.problems) == 6
    assert list(world.state.dump()) == ["position"]


def test_what_a_person_resolved_stays_over_until_its_rule_fires_anew() -> None:
    world = World()
    world.fire()
    order = json.dumps({"fingerprint": FP, "comment": "gone for good"})
    [event] = world.command("resolve", order, "ann")
    assert (event["state"], event["actor"], event["comment"]) == ("resolved", "ann", "gone for good")
    assert world.fire(severity="critical", epoch=world.epochs[FP]) == []
    assert world.resolve() == []
    world.after(5)
    assert told(world.fire()) == [("cpu_high", "firing", "began")]


def test_a_beginning_that_was_held_is_written_in_its_own_words() -> None:
    world = World()
    world.summary([group("host", "h1", agents=10, online=10)])
    assert world.fire("a", "agent_late", rule_kind="status", host="h1", summary="a is late", value=42.0) == []
    events = world.resolve("a", "agent_late", summary="a is online again", value=0.0)
    assert [(e["state"], e["cause"], e["summary"], e["value"]) for e in events] == [
        ("firing", "began", "a is late", 42.0), ("resolved", "recovered", "a is online again", 0.0),
    ]  # fmt: skip
