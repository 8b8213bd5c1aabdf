"""One cause, one alert: outages by summaries, incidents by what alerts share; rules over groups; silent partitions."""

from __future__ import annotations

import json
from collections.abc import Sequence

from manager_world import T0, World, group, pack_settings, settings, told, why

from streams.manager.core import change_rules
from streams.manager.model import Event
from streams.manager.roots import fingerprint

OUTAGE = fingerprint("outage", ("host", "h1"))


def late(world: World, *agents: str) -> list[dict[str, object]]:
    return [e for agent in agents for e in world.fire(agent, "agent_late", rule_kind="status", host="h1")]


def host(overdue: float, agents: float = 10) -> list[dict[str, object]]:
    return [group("host", "h1", agents=agents, online=agents - overdue, late=overdue)]


def test_an_outage_is_told_instead_of_its_members() -> None:
    world = World()
    world.summary(host(0))
    [outage] = world.summary(host(7))
    assert (outage["name"], outage["agent_id"], outage["severity"]) == ("outage", "host:h1", "critical")
    assert why(late(world, "a", "b")) == [f"incident:{OUTAGE}"] * 2
    assert {e["correlation_id"] for e in world.events[1:]} == {OUTAGE}
    [end] = world.summary(host(0))
    assert (end["state"], end["members"], end["member_count"]) == ("resolved", ["agent_late@a", "agent_late@b"], 2)
    assert why(world.resolve("a", "agent_late")) == [f"incident:{OUTAGE}"]
    assert told(world.after(4)) == [("agent_late", "firing", "repeated")]  # b did not come back


def test_absence_waits_for_the_outage_that_explains_it_and_not_longer() -> None:
    world = World()
    world.summary(host(0))
    assert late(world, "a") == []
    world.after(0.5)
    events = world.summary(host(7))
    assert [(e["name"], e["suppressed_by"]) for e in events] == [
        ("outage", None), ("agent_late", f"incident:{OUTAGE}"),
    ]  # fmt: skip
    other = World()
    other.summary(host(0))
    late(other, "a")
    assert other.after(0.9) == []
    assert told(other.after(0.2)) == [("agent_late", "firing", "began")]


def test_what_is_held_and_ends_is_still_written() -> None:
    world = World()
    world.summary(host(0))
    late(world, "a")
    assert [e["cause"] for e in world.resolve("a", "agent_late")] == ["began", "recovered"]


def test_too_few_or_too_small_a_share_is_no_outage() -> None:
    world = World()
    assert world.summary(host(2)) == []
    assert world.summary(host(5, agents=100)) == []


def test_a_group_is_the_sum_of_its_partitions() -> None:
    world = World()
    assert world.summary(host(2), 0) == []
    assert told(world.summary(host(2), 1)) == [("outage", "firing", "began")]
    assert told(world.summary([], 0, complete=True)) == []
    assert told(world.after(31)) == [("outage", "resolved", "recovered")]


def test_the_host_explains_its_deployment_and_the_gateway_its_hosts() -> None:
    world = World()
    events = world.summary([*host(7), group("deployment", "d", agents=50, late=7)])
    assert [e["agent_id"] for e in events] == ["host:h1"]
    world = World()
    hosts = [group("host", f"h{n}", agents=5, offline=5) for n in range(4)]
    events = world.summary([*hosts, group("gateway", "g", agents=20, offline=20)])
    assert [e["agent_id"] for e in events] == ["gateway:g"]


def test_alerts_that_share_something_become_one_incident() -> None:
    world = World(settings("correlation: {window: 30s, least: 3}"))
    for agent in "ab":
        world.fire(agent, f"n{agent}", host="h1")
    events = world.fire("c", "nc", host="h1", severity="critical")
    root = fingerprint("incident", ("host", "h1"))
    assert [(e["name"], e["suppressed_by"]) for e in events] == [
        ("incident", None), ("na", f"incident:{root}"), ("nb", f"incident:{root}"), ("nc", f"incident:{root}"),
    ]  # fmt: skip
    assert events[0]["severity"] == "critical"
    world.after(10)
    assert why(world.fire("d", "nd", host="h1")) == [f"incident:{root}"]
    assert told(world.fire("e", "ne", host="h2")) == [("ne", "firing", "began")]
    for agent in "abc":
        assert told(world.resolve(agent, f"n{agent}"))[1:] == []
    assert told(world.resolve("d", "nd"))[-1] == ("incident", "resolved", "recovered")


def test_alerts_far_apart_are_no_incident() -> None:
    world = World(settings("correlation: {window: 30s, least: 3}"))
    for agent in "abcd":
        assert told(world.fire(agent, "same")) == [("same", "firing", "began")]
        world.after(31)


FLEET = """
rules:
  - {name: few_online, kind: fleet, measure: online_share, levels: {warning: 0.9, critical: 0.8}, clear: 0.95}
  - {name: tenant_violations, kind: fleet, of: tenant, measure: violations_per_hour, above: 100, for: 60s}
  - {name: spend, kind: budget, metric: revenue, limit: 50, window: 1d}
"""


def test_rules_over_the_fleet_fire_worsen_and_end() -> None:
    world = World(pack_settings(FLEET))

    def share(online: float) -> list[tuple[str, str, str]]:
        world.after(1)
        return told(world.summary([group("fleet", "", agents=100, online=online, trust_sum=90)]))

    assert share(95) == []
    assert share(85) == [("few_online", "firing", "began")]
    assert share(86) == []
    assert share(70) == [("few_online", "firing", "worse")]
    assert share(93) == []
    assert share(96) == [("few_online", "resolved", "recovered")]
    assert [e["summary"] for e in world.events] == [
        "fleet: 85 % of the agents are online, the limit is 90 %",
        "fleet: 70 % of the agents are online, the limit is 80 %",
        "fleet: 96 % of the agents are online again",
    ]


def acknowledge(world: World) -> None:
    """Somebody looks after whatever fires."""
    for print_ in list(world.state.active):
        world.command("acknowledge", json.dumps({"fingerprint": print_, "comment": "on it"}))


def who_ended(events: Sequence[Event]) -> list[tuple[str, str | None, str | None]]:
    return [(e["name"], e["actor"], e["comment"]) for e in events if e["state"] == "resolved"]


def test_who_looks_after_an_outage_has_not_ended_it() -> None:
    world = World()
    world.summary([group("host", "h1", agents=10, online=7, late=3)])
    acknowledge(world)
    assert who_ended(world.summary([group("host", "h1", agents=10, online=10)])) == [("outage", None, None)]


def test_who_looks_after_an_incident_has_not_ended_it() -> None:
    world = World(settings("correlation: {window: 30s, least: 3}"))
    for agent in "abc":
        world.fire(agent, "same")
    acknowledge(world)
    for agent in "abc":
        world.resolve(agent, "same")
    assert ("incident", None, None) in who_ended(world.events)
    assert {actor for _, actor, _ in who_ended(world.events)} == {None}


def test_who_looks_after_an_alert_of_the_fleet_has_not_ended_it() -> None:
    world = World(pack_settings(FLEET))
    world.summary([group("fleet", "", agents=100, online=70)])
    acknowledge(world)
    assert who_ended(world.summary([group("fleet", "", agents=100, online=99)])) == [("few_online", None, None)]


def test_who_looks_after_what_a_rule_says_has_not_ended_the_rule() -> None:
    world = World(pack_settings(FLEET))
    world.summary([group("fleet", "", agents=100, online=70)])
    acknowledge(world)
    assert who_ended(change_rules(settings(), world.state)) == [("few_online", None, None)]


def test_for_is_waited_for_also_over_a_restart() -> None:
    world = World(pack_settings(FLEET))
    groups = [group("tenant", "t", agents=5, violations=200)]
    assert world.summary(groups) == []
    world.after(30)
    world.restart()
    [event] = world.after(31)
    assert (event["name"], event["agent_id"], event["user_id"]) == ("tenant_violations", "tenant:t", "t")
    world.summary([group("tenant", "t", agents=5, violations=0)])
    world.summary(groups)
    assert world.after(59) == []


def test_a_budget_burns() -> None:
    world = World(pack_settings(FLEET))
    assert world.summary([group("budget:spend", "prod", spent=30)]) == []
    assert told(world.summary([group("budget:spend", "prod", spent=45)])) == [("spend", "firing", "began")]
    world.after(1)
    assert told(world.summary([group("budget:spend", "prod", spent=51)])) == [("spend", "firing", "worse")]


def test_a_partition_that_fell_silent_and_is_back() -> None:
    world = World()
    world.summary([])
    world.after(70)
    assert world.silent_partitions() == []
    world.after(10)
    assert world.silent_partitions(since_s=T0 + 70) == []
    [event] = world.silent_partitions()
    assert (event["name"], event["agent_id"]) == ("worker_silent", "partition:0")
    assert world.silent_partitions() == []
    assert told(world.summary([])) == [("worker_silent", "resolved", "recovered")]


def test_a_silence_of_a_host_silences_its_outage() -> None:
    world = World()
    given = {"id": "s", "matchers": [["host", "=", "h1"]], "until_s": T0 + 60}
    world.command("silence", json.dumps(given))
    assert why(world.summary(host(7))) == ["silence:s"]


SHARED = """
rules:
  - {name: errors, kind: budget, metric: failed_requests, per: request_count, limit: 0.1, least: 50, window: 1h}
  - {name: dear, kind: budget, metric: "custom:cost", of: agent, limit: 10, window: 1h}
"""


def test_partitions_add_up_to_a_share_and_the_window_ends_it() -> None:
    world = World(pack_settings(SHARED))
    one, base = group("budget:errors", "prod", spent=4), group("per:errors", "prod", spent=40)
    assert world.summary([one, base]) == []  # too few requests to say anything
    two = [group("budget:errors", "prod", spent=7), group("per:errors", "prod", spent=60)]
    [event] = world.summary(two, partition=1)
    assert (event["severity"], event["value"], event["deployment_id"]) == ("critical", 0.11, "prod")
    assert "failed_requests of request_count within 1 h is 11 %, the limit is 10 %" in event["summary"]
    world.restart()
    assert world.summary(two, partition=1) == []
    assert told(world.summary([group("per:errors", "prod", spent=90)])) == [("errors", "resolved", "recovered")]


def test_an_agent_s_budget_is_about_the_agent_and_ends_when_it_is_told_of_no_more() -> None:
    world = World(pack_settings(SHARED))
    [event] = world.summary([group("budget:dear", "a", spent=9)])
    assert (event["agent_id"], event["severity"]) == ("a", "warning")
    assert told(world.summary([], complete=True)) == [("dear", "resolved", "recovered")]


def test_other_rules_over_groups_act_at_once_and_those_that_are_no_more_end() -> None:
    world = World(pack_settings(FLEET))
    world.summary([group("fleet", "", agents=100, online=85), group("tenant", "t", agents=9, violations=101)])
    assert "tenant_violations/tenant/t" in world.state.waiting
    other = pack_settings("rules: [{name: hot, kind: fleet, of: tenant, measure: violations_per_hour, above: 5}]")
    found = change_rules(other, world.state)
    assert told(found) == [("few_online", "resolved", "recovered"), ("hot", "firing", "began")]
    assert world.state.waiting == {}
    assert change_rules(other, world.state) == []
