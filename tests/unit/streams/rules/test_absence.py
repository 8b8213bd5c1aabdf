"""What is missed: topics, and metrics of agents that still beat; and slopes that do not depend on the cadence."""

from __future__ import annotations

import pytest
from rules_world import BEATS, HOSTS, METRICS, World, brief, named

QUEUE = "  - {name: queue_gone, kind: absence, metric: 'custom:que*', after: 60s}\n"
MUTE = "  - {name: mute, kind: absence, topic: fleet.metrics, after: 60s}\n"


def custom(**values: float) -> list[dict[str, object]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def beat(world: World, *at_s: float, status: str = "healthy") -> None:
    for at in at_s:
        world.send(BEATS, at, status=status, interval_s=10.0)


def test_a_metric_that_is_no_longer_sent_while_the_agent_beats() -> None:
    world = World(QUEUE)
    world.send(METRICS, 0, custom=custom(queue=3.0, other=1.0))
    beat(world, *range(0, 60, 10))
    world.send(METRICS, 50, cpu_usage=5.0, custom=custom(other=1.0))
    world.restart()
    assert world.tick(59) == []
    [fired] = world.tick(61)
    assert brief([fired]) == [("queue_gone", "firing", "warning")]
    assert named(fired, "labels")["metric"] == "custom:queue"
    assert "nothing in custom:queue for 60 s" in fired["summary"]
    world.restart()
    assert world.tick(65) == []
    world.send(METRICS, 66, custom=custom(queue=0.0))
    assert brief(world.tick(67)) == [("queue_gone", "resolved", "warning")]


@pytest.mark.parametrize("said", ["stopping", "failed"])
def test_a_metric_of_an_agent_that_is_gone_is_not_missed(said: str) -> None:
    world = World(QUEUE)
    world.send(METRICS, 0, custom=custom(queue=3.0))
    beat(world, 0, 10)
    beat(world, 20, status=said)
    assert world.tick(100) == []


def test_a_missed_metric_is_over_when_the_agent_itself_goes() -> None:
    world = World(QUEUE)
    world.send(METRICS, 0, custom=custom(queue=3.0))
    beat(world, *range(0, 70, 10))
    assert brief(world.tick(65)) == [("queue_gone", "firing", "warning")]
    beat(world, 70, status="stopping")
    [ended] = world.tick(71)
    assert (ended["kind"], ended["ends_at"] > ended["starts_at"]) == ("resolved", True)
    assert "gone itself" in ended["summary"]


def test_a_metric_of_a_host_and_columns_by_pattern() -> None:
    world = World("  - {name: blind, kind: absence, topic: fleet.hosts, metric: 'gpu_*', after: 30s}\n")
    world.send(HOSTS, 0, "host:h", cpu_usage=1.0, gpu_usage=5.0, gpu_temperature=50.0)
    for at in range(10, 40, 10):
        world.send(HOSTS, at, "host:h", cpu_usage=1.0, gpu_temperature=50.0)
    [fired] = world.tick(31)
    assert named(fired, "labels")["metric"] == "gpu_usage"


def test_a_topic_that_is_no_longer_heard_and_comes_back() -> None:
    world = World(MUTE)
    world.send(METRICS, 0)
    beat(world, *range(0, 60, 10))
    assert brief(world.tick(61)) == [("mute", "firing", "warning")]
    world.restart()
    assert world.tick(70) == []
    world.send(METRICS, 71)
    assert brief(world.tick(72)) == [("mute", "resolved", "warning")]


def test_an_agent_that_stopped_on_purpose_is_not_missed() -> None:
    world = World(MUTE)
    world.send(METRICS, 0)
    beat(world, 0)
    beat(world, 10, status="stopping")
    assert world.tick(100) == []


def test_another_pattern_ends_what_it_is_no_longer_about() -> None:
    world = World(QUEUE)
    world.send(METRICS, 0, custom=custom(queue=3.0))
    assert brief(world.tick(61)) == [("queue_gone", "firing", "warning")]
    world.use(QUEUE.replace("que*", "jobs*"))
    assert brief(world.tick(63)) == [("queue_gone", "resolved", "warning")]


@pytest.mark.parametrize("every_s", [1.0, 7.0, 20.0, 45.0])
@pytest.mark.parametrize(("per_minute", "fires"), [(1.8, False), (2.2, True)])
def test_a_rate_is_by_time_whatever_the_cadence(every_s: float, per_minute: float, fires: bool) -> None:
    world = World("  - {name: growth, kind: rate, metric: memory_usage, above: 2, per: 1m, window: 2m}\n")
    found = []
    for number in range(int(300 / every_s)):
        at = number * every_s
        found += world.send(METRICS, at, memory_usage=10 + per_minute * at / 60)
    assert brief(found) == ([("growth", "firing", "warning")] if fires else [])
    assert all(row["value"] == pytest.approx(per_minute) for row in found)


def test_custom_metrics_of_hosts_and_patterns() -> None:
    world = World(
        "  - {name: hot, kind: threshold, of: hosts, metric: 'custom:*_celsius', above: 80}\n"
        "  - {name: full, kind: threshold, of: any, metric: '*_usage', above: 95}\n"
    )
    [hot] = world.send(HOSTS, 0, "host:h", custom=custom(rack_celsius=90.0, rack_volts=230.0))
    assert (hot["name"], named(hot, "labels")["metric"], hot["agent_id"]) == ("hot", "custom:rack_celsius", "host:h")
    assert world.send(METRICS, 0, custom=custom(rack_celsius=90.0)) == []
    found = world.send(METRICS, 1, cpu_usage=99.0, disk_usage=97.0, memory_usage=20.0)
    assert sorted(named(row, "labels")["metric"] for row in found) == ["cpu_usage", "disk_usage"]
