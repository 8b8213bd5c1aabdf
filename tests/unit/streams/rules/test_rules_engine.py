"""Rules over the pipeline: what fires, when, and what stands in the rows."""

from __future__ import annotations

import numpy as np
import pytest
from rules_world import World, brief, named
from stream_world import NOW_S

from streams.outputs import Outputs
from streams.rules.load import parse_pack

METRICS, BEATS, HOSTS = "fleet.metrics", "fleet.heartbeats", "fleet.hosts"


CPU = "  - {name: cpu, kind: threshold, metric: cpu_usage, above: 80, clear: 75, for: 60s}\n"
ERRORS = "  - {name: errors, kind: threshold, metric: error_rate, levels: {warning: 0.05, critical: 0.1}}\n"


def test_a_threshold_fires_after_its_time_and_resolves_below_clear() -> None:
    world = World(CPU)
    assert [world.send(METRICS, at, cpu_usage=90.0) for at in (0, 30, 59)] == [[], [], []]
    world.restart()
    [fired] = world.send(METRICS, 61, cpu_usage=85.0)
    assert (fired["kind"], fired["value"], fired["threshold"], fired["rule_kind"]) == ("firing", 85, 80, "threshold")
    assert (fired["epoch"], fired["starts_at"]) == (1, int(NOW_S * 1e6))
    assert world.send(METRICS, 62, cpu_usage=77.0) == []
    assert world.send(METRICS, 63) == []  # no value says nothing
    [resolved] = world.send(METRICS, 64, cpu_usage=75.0)
    assert (resolved["kind"], resolved["epoch"], resolved["fingerprint"]) == (
        "resolved",
        fired["epoch"],
        fired["fingerprint"],
    )
    assert resolved["event_id"] != fired["event_id"]


def test_one_good_value_begins_the_waiting_anew() -> None:
    world = World(CPU)
    for at, value in ((0, 90.0), (50, 79.0), (55, 90.0), (100, 90.0)):
        assert world.send(METRICS, at, cpu_usage=value) == []
    assert brief(world.send(METRICS, 115, cpu_usage=90.0)) == [("cpu", "firing", "warning")]


def test_graver_fires_again_and_milder_does_not() -> None:
    world = World(ERRORS)
    rates = (0.01, 0.06, 0.2, 0.06, 0.2, 0.05)
    found = [brief(world.send(METRICS, at, error_rate=rate)) for at, rate in enumerate(rates)]
    assert found == [
        [],
        [("errors", "firing", "warning")],
        [("errors", "firing", "critical")],
        [],
        [],
        [("errors", "resolved", "critical")],
    ]


def test_a_late_value_does_not_end_an_alert() -> None:
    world = World(ERRORS)
    world.send(METRICS, 10, error_rate=0.06)
    assert world.send(METRICS, 5, error_rate=0.0) == []
    assert brief(world.send(METRICS, 11, error_rate=0.0)) == [("errors", "resolved", "warning")]


def test_what_nobody_reports_any_more_is_over() -> None:
    world = World(ERRORS)
    world.send(METRICS, 0, error_rate=0.06)
    assert world.tick(600) == []
    assert brief(world.tick(901)) == [("errors", "resolved", "warning")]
    assert world.tick(2000) == []


def test_labels_annotations_and_who_is_meant() -> None:
    world = World(
        "  - name: queue\n    kind: threshold\n    metric: 'custom:q*'\n    above: 5\n"
        "    match: {deployment_id: 'prod-*'}\n    labels: {team: platform, agent_id: forged}\n"
        "    annotations: {description: '{agent_id} on {host}: {metric} {value} > {threshold}'}\n"
    )
    many = [{"name": "queue", "value": 7.5}]
    assert world.send(METRICS, 0, agent="b", custom=many) == []
    world.send(BEATS, 0, status="online", deployment_id="prod-1", host="h1", gateway="g1")
    [row] = world.send(METRICS, 1, custom=many, deployment_id="prod-1")
    assert named(row, "labels") == {
        "team": "platform", "agent_id": "a", "user_id": "tenant", "deployment_id": "prod-1", "host": "h1",
        "gateway": "g1", "metric": "custom:queue",
    }  # fmt: skip
    assert named(row, "annotations") == {"description": "a on h1: custom:queue 7.5 > 5"}


def test_tenants_with_agents_of_one_name_are_told_apart() -> None:
    prints = set()
    for tenant in ("one", "two"):
        [row] = World(ERRORS).send(METRICS, 0, error_rate=1.0, user_id=tenant)
        prints.add(row["fingerprint"])
    assert len(prints) == 2


def test_hosts_and_agents_are_judged_by_their_own_rules() -> None:
    world = World("  - {name: swap, kind: threshold, of: hosts, metric: swap_usage, above: 10}\n")
    assert brief(world.send(HOSTS, 0, swap_usage=20.0)) == [("swap", "firing", "warning")]


def test_a_rate_of_change() -> None:
    world = World("  - {name: growth, kind: rate, metric: memory_usage, above: 2, per: 1m, window: 2m}\n")
    found = [brief(world.send(METRICS, at, memory_usage=at / 60 * (1 if at < 300 else 4))) for at in range(0, 600, 10)]
    fired = [index for index, rows in enumerate(found) if rows]
    assert found[fired[0]] == [("growth", "firing", "warning")]
    assert 30 <= fired[0] <= 37


def test_absence_of_a_topic() -> None:
    world = World("  - {name: mute, kind: absence, topic: fleet.metrics, after: 60s}\n")
    world.send(METRICS, 0)
    assert world.tick(59) == []
    [fired] = world.tick(61)
    assert (fired["name"], fired["kind"], fired["timestamp"]) == ("mute", "firing", int((NOW_S + 60) * 1e6))
    assert world.tick(300) == []


@pytest.mark.parametrize(("waits", "due_s"), [("0s", 0), ("300s", 300)])
def test_a_status_may_have_to_last(waits: str, due_s: float) -> None:
    world = World(f"  - {{name: gone, kind: status, status: offline, severity: critical, for: {waits}}}\n")
    for at in range(0, 100, 10):
        world.send(BEATS, at, status="online", interval_s=10.0)
    late = [row for at in range(100, 700, 2) for row in world.tick(at)]
    assert brief(late) == [("gone", "firing", "critical")]
    since_s = (late[0]["timestamp"] - late[0]["starts_at"]) / 1e6
    assert since_s == pytest.approx(due_s, abs=0.01)
    assert brief(world.send(BEATS, 700, status="online", interval_s=10.0)) == [("gone", "resolved", "critical")]


def test_a_rule_that_is_no_more_resolves_its_alerts() -> None:
    world = World(ERRORS)
    world.send(METRICS, 0, error_rate=1.0)
    world.line.signals.use(parse_pack("version: 1\nrules:\n" + CPU, "other"))
    assert brief(world.tick(1)) == [("errors", "resolved", "critical")]
    assert world.state.instances.by_slot == {}


def test_active_alerts_survive_a_restart() -> None:
    world = World(ERRORS)
    [fired] = world.send(METRICS, 0, error_rate=1.0)
    world.restart()
    assert world.send(METRICS, 1, error_rate=1.0) == []
    [resolved] = world.send(METRICS, 2, error_rate=0.0)
    assert (resolved["fingerprint"], resolved["epoch"]) == (fired["fingerprint"], fired["epoch"])


def test_forecasts_fire_by_confidence_and_end_in_silence() -> None:
    world = World("  - {name: soon, kind: forecast, metric: 'cpu*', confidence: 0.8, horizon: 6h, limit: 80}\n")
    world.send(METRICS, 0)
    row = {"metric": "cpu_usage", "horizon_s": 21600.0, "threshold": 80.0, "value": 60.0, "timestamp": int(NOW_S * 1e6)}
    outputs = Outputs()
    for probability in (0.5, 0.9, 0.95):
        found = [row | {"probability": probability}]
        world.line.signals.forecasts(world.state, np.zeros(1, np.int32), found, NOW_S, outputs)
    assert [r["summary"] for r in outputs.rows["fleet.signals"]] == ["a: cpu_usage is about to cross 80 within 6 h"]
    assert brief(world.tick(601)) == [("soon", "resolved", "warning")]


@pytest.mark.parametrize(
    ("pattern", "fires"),
    [("*", False), ("custom:*", True), ("custom:tokens", True), ("custom:tokens.per_second", True), ("tokens", False)],
)
def test_an_anomaly_of_a_metric_of_ones_own_is_told_where_the_rule_names_it(pattern: str, fires: bool) -> None:
    """A counter whose rate becomes ten times as large: the alert is about its rate."""
    world = World(f'  - {{name: odd, kind: anomaly, metric: "{pattern}", trend: 9.0, quiet: 120s}}\n')
    gained = np.random.default_rng(4).normal(300, 20, 120)
    gained[100:] *= 10
    told = [
        signal
        for at, total in enumerate(np.cumsum(gained).tolist())
        for signal in world.send(METRICS, 30.0 * at, custom=[{"name": "tokens", "value": total}])
    ]
    assert [(row["kind"], named(row, "labels")["metric"]) for row in told[:1]] == (
        [("firing", "custom:tokens.per_second")] if fires else []
    )
