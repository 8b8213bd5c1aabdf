"""Silences, maintenance windows, inhibition, escalation: who is not told, and when they are."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from manager_world import T0, World, fingerprint, group, settings, told, why

from streams.manager.matchers import MatcherError, fits, parse_matcher
from streams.manager.windows import is_open, next_change_s
from streams.rules.sections import Maintenance

FP = fingerprint("a", "cpu_high")


def silence(world: World, matcher: tuple[str, str, str], for_s: float = 60.0) -> str:
    return json.dumps({"id": "s1", "matchers": [matcher], "until_s": world.now_s + for_s, "comment": "known"})


@pytest.mark.parametrize(
    ("text", "values", "fit"),
    [
        ("host=h1", {"host": "h1"}, True),
        ("host=h1", {}, False),
        ("host!=h1", {}, True),
        ("name=~cpu_.*", {"name": "cpu_high"}, True),
        ("name=~cpu_.*", {"name": "my_cpu_high"}, False),
        ("name!~(cpu|disk)_high", {"name": "disk_high"}, False),
        ("host=", {}, True),
        ("name=~[a-z]{2,5}x?", {"name": "abcx"}, True),
    ],
)
def test_matchers(text: str, values: dict[str, str], fit: bool) -> None:  # a table of cases
    assert fits([parse_matcher(text)], values) is fit


@pytest.mark.parametrize("text", ["", "host", "host~h", "n=~(a+)+b", "n=~(a|a)*b", "n=~(", "n=~" + "a" * 300,
                                  r"n=~(a)\1", "n=~(?=a)b", "n=~a*a*a*a*b", "n=~(?:a*)*",
                                  "n=~" + "(|.)" * 40 + "!", "n=~" + "(a|.)" * 39 + "b",
                                  "n=~a*a*a*(b|.)(b|.)(b|.)c", "n=~((a|.)(a|.)|(b|.)(b|.))" + "(a|.)" * 15,
                                  ])  # fmt: skip
def test_matchers_that_are_refused(text: str) -> None:
    with pytest.raises(MatcherError):
        parse_matcher(text)


def test_the_slowest_pattern_that_is_allowed_is_quick() -> None:
    """About 256^3 / 6 steps at worst; the texts are cut. One `.*` more takes 64 times as long."""
    assert not fits([parse_matcher("n=~.*a.*a.*ab")], {"n": "a" * 100_000})

    def taken_s() -> float:
        began_s = time.thread_time()
        assert not fits([parse_matcher("n=~.*a.*a.*(a|.)(a|.)b")], {"n": "a" * 256})
        assert not fits([parse_matcher("n=~" + "(a|.)" * 13 + "b")], {"n": "a" * 256})
        return time.thread_time() - began_s

    # 0.2 s: the limit is for machines that are slower, the tries for moments in which one is.
    assert any(taken_s() < 4.0 for _ in range(5))


def test_a_pattern_that_is_not_allowed_any_more_fits_nothing() -> None:
    for operator in ("=~", "!~"):
        assert not fits([("n", operator, "(|.)" * 40 + "!")], {"n": "a"})


def test_alternatives_that_name_things_are_taken() -> None:
    names = "|".join(f"host-{number}" for number in range(20))
    assert fits([parse_matcher(f"n=~({names})")], {"n": "host-19"})
    assert fits([parse_matcher("n=~(cpu|memory|disk)_(high|low).*")], {"n": "disk_low_7"})


def test_a_silence_ends_by_itself_and_then_people_are_told() -> None:
    world = World()
    assert world.command("silence", silence(world, ("agent_id", "=", "a"))) == []
    assert why(world.fire()) == ["silence:s1"]
    assert told(world.fire("b")) == [("cpu_high", "firing", "began")]
    assert told(world.after(61)) == [("cpu_high", "firing", "expired")]
    assert told(world.resolve()) == [("cpu_high", "resolved", "recovered")]
    assert world.state.silences == {}


def test_a_silence_of_what_fires_is_noted_and_its_end_too() -> None:
    world = World()
    world.fire()
    [noted] = world.command("silence", silence(world, ("name", "=~", "cpu.*")))
    assert (noted["cause"], noted["suppressed_by"]) == ("silenced", "silence:s1")
    assert told(world.command("unsilence", '{"id": "s1"}')) == [("cpu_high", "firing", "unsilenced")]


def test_the_end_of_what_nobody_heard_of_is_not_told() -> None:
    world = World()
    world.command("silence", silence(world, ("agent_id", "=", "a")))
    world.fire()
    assert why(world.resolve()) == ["silence:s1"]


@pytest.mark.parametrize("until", ["0", "1e12", '"soon"'])
def test_silences_that_are_refused(until: str) -> None:
    world = World()
    world.command("silence", f'{{"id": "x", "matchers": [["a", "=", "b"]], "until_s": {until}}}')
    assert len(world.problems) == 1
    assert world.state.silences == {}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("every", "begins", "ends", "zone", "when", "expected"),
    [
        ("day", "02:00", "03:00", "UTC", "2026-03-04T02:00", True),
        ("day", "02:00", "03:00", "UTC", "2026-03-04T03:00", False),
        ("day", "23:00", "01:00", "UTC", "2026-03-04T00:30", True),
        ("monday", "23:00", "01:00", "UTC", "2026-03-03T00:30", True),  # a Tuesday
        ("monday", "23:00", "01:00", "UTC", "2026-03-04T00:30", False),
        ("weekend", "00:00", "00:00", "UTC", "2026-03-07T12:00", True),
        ("weekday", "00:00", "00:00", "UTC", "2026-03-07T12:00", False),
        ("day", "02:00", "03:00", "Europe/Berlin", "2026-01-10T01:30", True),
        ("day", "02:00", "03:00", "Europe/Berlin", "2026-07-10T00:30", True),
    ],
)
def test_windows(every: str, begins: str, ends: str, zone: str, when: str, expected: bool) -> None:  # a table
    window = Maintenance.model_validate({"name": "w", "every": every, "from": begins, "to": ends, "zone": zone})
    assert is_open(window, at(when)) is expected
    change = next_change_s([window], at(when))
    assert change is not None
    assert begins == ends or is_open(window, change) is not is_open(window, change - 1)


def test_a_window_that_closes_tells() -> None:
    world = World(settings("maintenance: [{name: n, from: '02:00', to: '03:00'}]"), at("2026-03-04T02:30"))
    assert why(world.fire()) == ["maintenance:n"]
    assert told(world.after(1801)) == [("cpu_high", "firing", "expired")]
    assert why(world.after(23 * 3600)) == ["maintenance:n"]


INHIBIT = "inhibit: [{source: {severity: critical}, target: {severity: warning}, equal: [agent_id]}]"


def test_inhibition_begins_and_ends_with_its_source() -> None:
    world = World(settings(INHIBIT))
    world.fire("a", "small")
    events = world.fire("a", "big", severity="critical")
    source = fingerprint("a", "big")
    assert [(e["name"], e["suppressed_by"]) for e in events] == [("big", None), ("small", f"inhibited:{source}")]
    assert told(world.fire("b", "small")) == [("small", "firing", "began")]
    assert why(world.fire("a", "other")) == [f"inhibited:{source}"]
    assert told(world.resolve("a", "big")) == [
        ("big", "resolved", "recovered"), ("other", "firing", "repeated"), ("small", "firing", "repeated"),
    ]  # fmt: skip


def test_two_that_lack_the_same_field_have_nothing_in_common() -> None:
    """An outage of a deployment has no host: it inhibits no offline agent that has none either."""
    rule = "{source: {name: outage}, target: {name: agent_offline}, equal: [host]}"
    world = World(settings(f"inhibit: [{rule}]"))
    world.summary([group("deployment", "shop", agents=10, offline=8)])
    offline = {"rule_kind": "status", "severity": "critical", "deployment_id": "other"}
    assert told(world.fire("lonely", "agent_offline", **offline)) == [("agent_offline", "firing", "began")]
    world.summary([group("deployment", "shop", agents=10, offline=0)])
    assert told(world.events[-1:]) == [("outage", "resolved", "recovered")]
    wide = World(settings("inhibit: [{source: {name: big}, target: {name: small}}]"))
    wide.fire("a", "big")
    assert why(wide.fire("b", "small")) == ["inhibited:big@a"]


def test_two_that_inhibit_each_other_do_not() -> None:
    world = World(settings("inhibit: [{source: {name: '*'}, target: {name: '*'}, equal: [agent_id]}]"))
    assert told(world.fire("a", "x") + world.fire("a", "y")) == [("x", "firing", "began"), ("y", "firing", "began")]


ROUTES = """
routes:
  - {match: {severity: critical}, steps: [{after: 0s, channels: [chat]}, {after: 5m, channels: [pager, boss]}]}
  - {match: {name: later}, steps: [{after: 1m, channels: [mail]}]}
"""


def test_escalation_steps_come_once_and_end_with_an_acknowledgement() -> None:
    world = World(settings(ROUTES))
    [first] = world.fire(severity="critical")
    assert (first["receivers"], first["escalation_step"]) == (["chat"], 0)
    assert world.after(299) == []
    world.restart()
    [second] = world.after(2)
    assert (second["receivers"], second["escalation_step"], second["cause"]) == (["pager", "boss"], 1, "escalated")
    assert world.after(3600) == []
    [end] = world.resolve()
    assert end["receivers"] == ["chat", "pager", "boss"]
    world.after(1)
    world.fire(severity="critical")
    world.command("acknowledge", json.dumps({"fingerprint": FP}))
    assert world.after(3600) == []


def test_a_route_whose_first_step_is_later_tells_nobody_before() -> None:
    world = World(settings(ROUTES))
    assert why(world.fire("a", "later")) == ["delayed"]
    [event] = world.after(61)
    assert (event["suppressed_by"], event["receivers"]) == (None, ["mail"])


def test_a_severity_that_rises_goes_the_other_route_from_its_beginning() -> None:
    world = World(settings(ROUTES))
    [first] = world.fire()
    assert first["receivers"] == []
    world.after(600)
    [worse] = world.fire(epoch=int(T0 * 1000), severity="critical")
    assert worse["receivers"] == ["chat"]
    assert [e["escalation_step"] for e in world.after(301)] == [1]


def test_people_can_escalate_and_resolve() -> None:
    world = World(settings(ROUTES))
    world.fire(severity="critical")
    [now] = world.command("escalate", json.dumps({"fingerprint": FP}))
    assert now["receivers"] == ["pager", "boss"]
    assert told(world.command("resolve", json.dumps({"fingerprint": FP}))) == [("cpu_high", "resolved", "recovered")]


THREE = """
routes:
  - match: {name: cpu_high}
    steps:
      - {after: 0s, channels: [chat]}
      - {after: 15m, channels: [pager]}
      - {after: 1h, channels: [boss]}
"""


def test_who_escalates_what_is_acknowledged_wakes_the_next_one_and_the_one_after_comes_as_late_as_ever() -> None:
    world = World(settings(THREE))
    world.fire()
    world.command("acknowledge", json.dumps({"fingerprint": FP, "comment": "mine"}), "ann")
    world.after(7200)
    [now] = world.command("escalate", json.dumps({"fingerprint": FP, "comment": "too big for me"}), "bob")
    assert (now["state"], now["receivers"], now["cause"]) == ("firing", ["pager"], "escalated")
    assert (now["actor"], now["comment"], now["suppressed_by"]) == ("bob", "too big for me", None)
    assert world.after(44 * 60) == []
    [boss] = world.after(2 * 60)
    assert (boss["receivers"], boss["actor"]) == (["boss"], None)
    assert world.command("escalate", json.dumps({"fingerprint": FP})) == []
    assert world.after(7200) == []


def test_what_is_silenced_is_told_to_the_next_one_and_stays_silenced() -> None:
    world = World(settings(THREE))
    world.command("silence", silence(world, ("name", "=", "cpu_high"), 86_400))
    assert why(world.fire()) == ["silence:s1"]
    [now] = world.command("escalate", json.dumps({"fingerprint": FP}))
    assert now["receivers"] == ["chat"]
    assert world.after(7200) == []
