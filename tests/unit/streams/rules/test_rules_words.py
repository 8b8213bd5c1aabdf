"""What signals say of an agent's status and values, as a woken person reads it."""

from __future__ import annotations

from rules_world import World

BEATS, METRICS = "fleet.heartbeats", "fleet.metrics"
STATUS = "".join(
    f"  - {{name: {name}, kind: status, status: {name}}}\n" for name in ("late", "offline", "degraded", "failed")
)


def said(rows: list[dict[str, object]]) -> list[tuple[object, object, object]]:
    return [(row["name"], row["kind"], row["summary"]) for row in rows]


def test_a_silent_agent_and_its_return() -> None:
    world = World(STATUS)
    for at in range(0, 101, 10):
        world.send(BEATS, at, status="online", interval_s=10.0)
    assert said(world.tick(122)) == [("late", "firing", "a is late: no heartbeat for 21.5 s")]
    assert said(world.send(BEATS, 122.5, status="online", interval_s=10.0)) == [
        ("late", "resolved", "a is online again")
    ]
    [gone] = said(world.tick(400))
    assert gone[:2] == ("offline", "firing")
    assert str(gone[2]).startswith("a is offline: no heartbeat for ")


def test_what_an_agent_says_of_itself() -> None:
    world = World(STATUS)
    world.send(BEATS, 0, status="online", interval_s=10.0)
    assert said(world.send(BEATS, 10, status="failed", interval_s=10.0)) == [
        ("failed", "firing", "a has failed: it said so itself")
    ]
    assert said(world.send(BEATS, 20, status="degraded", interval_s=10.0)) == [
        ("failed", "resolved", "a is degraded: it said so itself"),
        ("degraded", "firing", "a is degraded: it said so itself"),
    ]
    assert said(world.send(BEATS, 30, status="stopping", interval_s=10.0)) == [
        ("degraded", "resolved", "a stopped on purpose: it said so itself")
    ]


def test_an_agent_that_beats_and_does_nothing() -> None:
    world = World(STATUS)
    found = [
        row
        for at in range(0, 301, 10)
        for row in said(world.send(BEATS, at, status="online", interval_s=10.0, progress=7))
    ]
    assert found == [("degraded", "firing", "a is degraded: it sends heartbeats, but its work makes no progress")]


def test_large_values_have_no_exponent() -> None:
    rule = "  - {name: slow, kind: threshold, metric: response_time, above: 5000, clear: 4000}\n"
    world = World(rule.replace("clear: 4000", "clear: 4000, annotations: {description: '{value} > {threshold}'}"))
    [fired] = world.send(METRICS, 0, response_time=12_345.6)
    assert fired["summary"] == "a: response_time is 12,346, above 5,000"
    assert fired["annotations"] == [{"name": "description", "value": "12,346 > 5,000"}]


def test_what_is_not_reported_any_more_is_not_called_well() -> None:
    world = World("  - {name: slow, kind: threshold, metric: response_time, above: 5000, clear: 4000}\n")
    world.send(METRICS, 0, response_time=12_345.6)
    assert said(world.tick(901)) == [("slow", "resolved", "a: response_time has not been reported for 900 s")]
