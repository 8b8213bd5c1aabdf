"""Factors of trust from batches to published scores."""

from __future__ import annotations

from typing import Any

import pytest
from stream_world import NOW_S, columns, event, pipeline

from infra.runtime.columnar_fetch import RecordColumns
from schemas.record import decode_record
from schemas.registry import SchemaBook
from streams.operators.trust import TrustConfig
from streams.pipeline import Pipeline, pipeline_config
from streams.state.partition import PartitionState

METRICS, BEATS = "fleet.metrics", "fleet.heartbeats"
WELL = {"compliance_rate": 1.0, "policy_checks": 100.0, "error_rate": 0.0, "request_count": 1000.0, "cpu_usage": 50.0}


def _score(line: Pipeline, state: PartitionState) -> dict[str, Any]:
    outputs = line.tick(state, NOW_S + 0.2, beats_until_s=None, steps_until_s=None)
    (scores,) = [message for message in outputs.messages if message.topic == "fleet.trust"]
    return decode_record(SchemaBook("trust"), scores.values[0])


def _report(line: Pipeline, state: PartitionState, at: int, **more: float) -> None:
    line.apply(state, columns(METRICS, [event(METRICS, "a", NOW_S + at, **WELL | more)], first=at), NOW_S + at)


def _beats(line: Pipeline, state: PartitionState, *times_s: float) -> None:
    """Beats that arrive when they are sent."""
    values = [event(BEATS, "a", NOW_S + at_s, status="healthy", interval_s=5.0) for at_s in times_s]
    arrived_ms = [int((NOW_S + at_s) * 1000) for at_s in times_s]
    line.apply(state, RecordColumns(BEATS, 0, [*range(len(values))], arrived_ms, [*values], len(values)), NOW_S)


def test_factors_are_published_and_good_ones_cost_nothing() -> None:
    line = pipeline()
    state = line.restore(0)
    _beats(line, state, -20, -15, -10, -5, 0)
    _report(line, state, 0)
    row = _score(line, state)
    assert row["reliability"] == pytest.approx((47.5 + 1000) / 1050, abs=1e-6)
    assert row["liveness"] == pytest.approx((35 + 4) / 54, abs=1e-4)
    assert row["behaviour"] == pytest.approx((47.5 + 5) / 55, abs=1e-6)
    assert row["p"] == row["compliance"]


def test_a_factor_without_evidence_is_null() -> None:
    line = pipeline()
    state = line.restore(0)
    _report(line, state, 0)
    assert _score(line, state)["liveness"] is None


def test_failing_requests_lower_the_score_of_a_compliant_agent() -> None:
    line = pipeline()
    well, failing = line.restore(0), line.restore(1)
    _report(line, well, 0)
    _report(line, failing, 0, error_rate=0.6)
    row, clean = _score(line, failing), _score(line, well)
    assert row["compliance"] == clean["compliance"]
    assert row["trust"] == pytest.approx(clean["trust"] * row["reliability"] / 0.95)
    assert row["p"] < row["compliance"]


def test_lost_beats_show_in_liveness() -> None:
    line = pipeline()
    state = line.restore(0)
    _beats(line, state, -100, -95, -40, -35)
    _report(line, state, 0)
    assert _score(line, state)["liveness"] == pytest.approx((35 + 3) / (50 + 3 + 10), abs=1e-4)


def test_settings_of_trust_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pipeline_config().trust == TrustConfig()
    monkeypatch.setenv("FLEETPULSE_TRUST_SEVERITY_HIGH", "20")
    monkeypatch.setenv("FLEETPULSE_TRUST_DECAY_RATE", "0.2")
    monkeypatch.setenv("FLEETPULSE_TRUST_LIVENESS_WEIGHT", "0")
    found = pipeline_config(trust_model="classic").trust
    assert (found.severity_weights["high"], found.decay_rate, found.factor_weights) == (20, 0.2, (1.0, 0.0, 0.25))
