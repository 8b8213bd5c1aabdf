"""What a woken person reads of an outage or incident: how large it is now, told again when it has doubled."""

from __future__ import annotations

from manager_world import Event, World, group, pack_settings, settings, told

from streams.manager.model import Alert
from streams.manager.roots import fingerprint

OUTAGE = fingerprint("outage", ("host", "h1"))


def host(down: float, agents: float = 40) -> list[dict[str, object]]:
    return [group("host", "h1", agents=agents, online=agents - down, late=down // 2, offline=down - down // 2)]


def outage(world: World) -> Alert:
    return world.state.alerts[OUTAGE]


def told_texts(events: list[Event]) -> list[str]:
    return [e["summary"] for e in events if e["suppressed_by"] is None]


def test_the_headline_says_how_many_are_down_now() -> None:
    world = World()
    assert told_texts(world.summary(host(3))) == ["host h1: 3 of 40 agents down (no heartbeat)"]
    assert world.summary(host(5)) == []
    assert outage(world).summary == "host h1: 5 of 40 agents down (no heartbeat)"
    assert world.summary(host(4)) == []
    assert outage(world).summary == "host h1: 4 of 40 agents down (no heartbeat), 5 at the worst"
    assert outage(world).value == 0.1
    assert outage(world).evidence == {
        "agents": "40", "late": "2", "offline": "2", "down": "4", "down_at_the_worst": "5",
    }  # fmt: skip


def test_growth_is_told_once_it_has_doubled_and_a_window_is_over() -> None:
    world = World()
    world.summary(host(3))
    for down in range(4, 41):  # all within a second: one message, with what it has come to
        assert world.summary(host(down)) == []
    assert world.after(29) == []
    assert told_texts(world.after(1)) == ["host h1: 40 of 40 agents down (no heartbeat)"]
    assert told(world.events[-1:]) == [("outage", "firing", "grew")]
    for down in (10, 39, 40):
        assert world.summary(host(down)) == []
        assert world.after(60) == []


def test_a_large_outage_makes_few_messages() -> None:
    world = World()
    for down in range(3, 1_001):
        world.summary(host(down, agents=1_000))
        world.after(1)
    assert [int(text.split()[2].replace(",", "")) for text in told_texts(world.events)] == [51, 102, 204, 408, 816]


def test_growth_is_not_told_to_who_looks_after_it_nor_within_a_silence() -> None:
    world = World()
    world.summary(host(3))
    world.command("acknowledge", f'{{"fingerprint": "{OUTAGE}", "comment": ""}}')
    world.summary(host(30))
    assert world.after(120) == []
    assert outage(world).summary.startswith("host h1: 30 of 40 agents")


def test_growth_that_waits_outlives_a_restart() -> None:
    world = World()
    world.summary(host(3))
    world.summary(host(30))
    world.restart()
    assert told_texts(world.after(31)) == ["host h1: 30 of 40 agents down (no heartbeat)"]


def test_growth_is_told_to_whom_the_outage_was_told() -> None:
    routes = """
rules: []
routes:
  - match: {}
    steps: [{after: 0s, channels: [ops]}, {after: 1h, channels: [lead]}]
"""
    world = World(pack_settings(routes))
    world.summary(host(3))
    world.summary(host(30))
    [event] = world.after(31)
    assert (event["receivers"], event["cause"]) == (["ops"], "grew")
    [event] = world.after(3_600)
    assert (event["receivers"], event["cause"]) == (["lead"], "escalated")


def test_the_end_says_what_it_came_to() -> None:
    world = World()
    world.summary(host(3))
    world.summary(host(12))
    assert told_texts(world.summary(host(0))) == ["host h1: all 40 agents are back; 12 were down at the worst"]
    world.after(60)
    world.summary(host(12))
    world.summary(host(1))
    assert told_texts(world.after(31)) == [
        "host h1: no longer an outage, 1 of 40 agents still down; 12 were down at the worst"
    ]
    world.after(60)
    world.summary(host(12))
    assert told_texts(world.summary([], complete=True)) == [
        "host h1: none of its agents is watched any more; 12 were down at the worst"
    ]


def test_an_alert_that_fires_again_within_an_outage_is_one_member() -> None:
    world = World()
    world.summary(host(7))
    for _ in range(3):
        world.fire("a", "agent_late", rule_kind="status", host="h1")
        world.after(1)
        world.resolve("a", "agent_late")
        world.after(1)
    assert (outage(world).member_count, outage(world).members, outage(world).open_members) == (1, ["agent_late@a"], 0)


def test_an_incident_counts_on() -> None:
    world = World(settings("correlation: {window: 30s, least: 3}"))
    root = fingerprint("incident", ("host", "h1"))
    for agent in "abc":
        world.fire(agent, f"n{agent}", host="h1")
    assert told_texts(world.events[2:3]) == ["host h1: 3 alerts began within 30 s (na, nb, nc)"]
    for agent in "defg":
        world.after(2)
        world.fire(agent, f"n{agent}", host="h1")
    world.resolve("a", "na")
    said = world.state.alerts[root].summary
    assert said == "host h1: 7 alerts that began close together, 6 still firing (na, nb, nc and others)"
    assert told_texts(world.after(31)) == [said]
    for agent in "bcdefg":
        world.resolve(agent, f"n{agent}")
    assert told_texts(world.events)[-1] == "host h1: all 7 alerts of it are over"


def test_an_incident_of_one_name_says_it_once() -> None:
    world = World(settings("correlation: {window: 30s, least: 3}"))
    for agent in "abcd":
        world.fire(agent)
    assert "cpu_high: 3 alerts began within 30 s" in told_texts(world.events)
    said = world.state.alerts[fingerprint("incident", ("name", "cpu_high"))]
    assert said.summary == "cpu_high: 4 alerts that began close together, all still firing"
    assert said.evidence == {"cpu_high": "4"}


def made_older(world: World) -> None:
    """A restart from records of a program that knew no sizes."""
    for name in ("size", "worst", "told_size"):
        setattr(outage(world), name, 0)
    outage(world).told_s = 0.0
    world.restart()


def test_an_outage_of_an_older_program_goes_on() -> None:
    world = World()
    world.summary(host(3))
    made_older(world)
    assert world.summary(host(12)) == []
    assert world.after(100) == []
    assert outage(world).summary == "host h1: 12 of 40 agents down (no heartbeat)"


def test_growth_of_an_outage_that_an_older_program_told_is_told() -> None:
    world = World()
    world.summary(host(3))
    for agent in "abc":
        world.fire(agent, "agent_late", rule_kind="status", host="h1")
    made_older(world)
    assert outage(world).told_size == 3
    assert [key for key, _ in world.state.take_changes()] == [f"a/{OUTAGE}", "position"]
    assert world.summary(host(5)) == []
    grown = world.summary(host(12))
    assert told_texts(grown) == ["host h1: 12 of 40 agents down (no heartbeat)"]
    assert told(grown) == [("outage", "firing", "grew")]
    assert told(world.after(100)) == []


def test_an_incident_that_became_graver_has_not_only_grown() -> None:
    world = World(settings("correlation: {window: 30s, least: 3}"))
    for agent in "abcdef":
        world.fire(agent, f"n{agent}", host="h1")
    world.fire("g", "ng", host="h1", severity="critical")
    assert told(world.events[-2:])[0] == ("incident", "firing", "worse")
