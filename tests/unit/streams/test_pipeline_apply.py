"""What a batch means, topic by topic."""

from __future__ import annotations

import numpy as np
import pytest
from stream_world import NOW_S, assert_same_facts, columns, event, pipeline

from infra.runtime.errors import SettingError
from schemas.record import decode_record
from schemas.registry import SchemaBook
from streams.operators import trust
from streams.pipeline import CLOCK_AHEAD_S, Pipeline, PipelineConfig, pipeline_config
from streams.state.partition import PartitionState

METRICS, BEATS, VIOLATIONS = "fleet.metrics", "fleet.heartbeats", "fleet.violations"
FAR_FUTURE_S = NOW_S + 100 * 365 * 86_400


def _violation(at_s: float = NOW_S, severity: str = "critical") -> bytes:
    return event(VIOLATIONS, "a", at_s, severity=severity)


def _good(at_s: float = NOW_S, agent: str = "a") -> bytes:
    return event(METRICS, agent, at_s, compliance_rate=1.0, policy_checks=1)


def _trust(line: Pipeline, state: PartitionState, now_s: float = NOW_S) -> float:
    return float(trust.read(line.config.trust, state.agents.arrays["trust"], np.zeros(1, np.int32), now_s).trust[0])


def test_evidence_becomes_one_score_and_an_alert_with_the_next_tick() -> None:
    line = pipeline()
    state = line.restore(0)
    outputs = line.apply(state, columns(VIOLATIONS, [_violation(), _violation()]), NOW_S)
    assert not outputs.rows["fleet.trust"]
    assert not outputs.messages
    outputs = line.tick(state, NOW_S + 0.2, beats_until_s=None, steps_until_s=None)
    [scores] = outputs.messages
    row = decode_record(SchemaBook("trust"), scores.values[0])
    assert (scores.topic, scores.keys, row["violations"]) == ("fleet.trust", [b"a"], 2)
    [alert] = [row for row in outputs.rows["fleet.signals"] if row["kind"] != "summary"]
    assert (alert["name"], alert["kind"], alert["severity"]) == ("trust_low", "firing", "critical")
    assert alert["epoch"] == 1
    assert not line.tick(state, NOW_S + 0.4, beats_until_s=None, steps_until_s=None)


def test_a_far_future_event_ages_no_violation_away() -> None:
    line = pipeline()
    state = line.restore(0)
    line.apply(state, columns(VIOLATIONS, [_violation()]), NOW_S)
    before = _trust(line, state)
    line.apply(state, columns(METRICS, [_good(FAR_FUTURE_S)]), NOW_S)
    assert _trust(line, state) == pytest.approx(before, abs=0.03)
    assert state.agents.arrays["trust"]["last_s"][0] == NOW_S + CLOCK_AHEAD_S


def test_a_beat_from_the_far_future_keeps_no_dead_agent_online() -> None:
    line = pipeline()
    state = line.restore(0)
    line.apply(state, columns(BEATS, [event(BEATS, "a", FAR_FUTURE_S, status="online", interval_s=5.0)]), NOW_S)
    later_s = NOW_S + 3600
    outputs = line.tick(state, later_s, beats_until_s=later_s, steps_until_s=None)
    assert [row["status"] for row in outputs.rows["fleet.status"]][-1] == "offline"


@pytest.mark.parametrize("at_us", [-(2**63), -1, 0, 2**62, 2**63 - 1])
@pytest.mark.parametrize(
    "topic", ["fleet.metrics", "fleet.heartbeats", "fleet.violations", "fleet.lifecycle", "fleet.hosts"]
)
def test_no_timestamp_stops_the_pipeline(topic: str, at_us: int) -> None:
    line = pipeline()
    state = line.restore(0)
    values = [event(topic, "a", NOW_S, timestamp=at_us, seq=n, event_id=bytes(16)) for n in range(3)]
    line.apply(state, columns(topic, values), NOW_S)
    line.tick(state, NOW_S + 3600, beats_until_s=NOW_S + 3600, steps_until_s=NOW_S + 3600)
    assert_same_facts(line.restore(0, [raw for _, raw in state.take_dirty_snapshots()]), state)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324])
def test_no_value_stops_the_pipeline(value: float) -> None:
    line = pipeline()
    state = line.restore(0)
    for second in range(60):
        hostile = {
            "cpu_usage": value,
            "compliance_rate": value,
            "policy_checks": 2**62,
            "custom": [{"name": "", "value": value}],
        }
        line.apply(state, columns(METRICS, [event(METRICS, "a", NOW_S + second, **hostile)], first=second), NOW_S)
    line.tick(state, NOW_S, beats_until_s=NOW_S, steps_until_s=NOW_S)
    assert 0 <= _trust(line, state) <= 1


def test_bad_messages_stop_nothing() -> None:
    line = pipeline()
    state, clean = line.restore(0), line.restore(0)
    outputs = line.apply(state, columns(METRICS, [None, _good(), b"bad", _good(NOW_S + 1, "b"), b""]), NOW_S)
    line.apply(clean, columns(METRICS, [_good(), _good(NOW_S + 1, "b")]), NOW_S)
    assert_same_facts(state, clean)
    assert [row["offset"] for row in outputs.rows["fleet.deadletter"]] == [0, 2, 4]


def test_a_batch_of_nothing_but_bad_messages_is_applied() -> None:
    line = pipeline()
    state = line.restore(0)
    outputs = line.apply(state, columns(METRICS, [None] * 100), NOW_S)
    assert len(outputs.rows["fleet.deadletter"]) == 100
    assert state.applied.last(METRICS) == 99


def test_a_batch_that_comes_twice_counts_once() -> None:
    line = pipeline()
    state, once = line.restore(0), line.restore(0)
    batch = [_good(NOW_S + n) for n in range(5)]
    for lot in (batch, batch, [*batch[3:], _good(NOW_S + 9)]):
        line.apply(state, columns(METRICS, lot, first=3 if len(lot) == 3 else 0), NOW_S)
    line.apply(once, columns(METRICS, [*batch, _good(NOW_S + 9)]), NOW_S)
    assert_same_facts(state, once)


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="--trust-model"):
        pipeline_config(trust_model="none")
    with pytest.raises(SettingError, match="--anomaly-threshold"):
        pipeline_config(anomaly_threshold=0.0)
    assert pipeline_config(anomaly_threshold=6.0).anomaly.threshold == 6.0
    assert pipeline_config() == PipelineConfig()
