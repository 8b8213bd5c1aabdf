from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest

from streams.operators import trust
from streams.operators.arrays import SlotArrays
from streams.operators.trust import FIELDS, TrustConfig

NOW_S = 1_790_000_000.0
DAY_S = 86_400.0
ONE = np.zeros(1, np.int32)


def _after(config: TrustConfig, *events: tuple[float, float, float]) -> trust.TrustScores:
    """Scores at `NOW_S` of one agent after (ok, bad, age in s)."""
    arrays = SlotArrays(FIELDS, 1)
    ok, bad, age_s = np.array(events, np.float64).reshape(-1, 3).T
    trust.update(config, arrays, np.zeros(ok.size, np.int32), ok, bad, NOW_S - age_s)
    return trust.read(config, arrays, ONE, NOW_S)


def test_a_new_agent_has_the_prior() -> None:
    scores = _after(TrustConfig())
    assert (scores.p[0], scores.n[0], scores.violations[0]) == (0.9, 10.0, 0)
    assert 0.6 < scores.trust[0] < 0.7


def test_much_evidence_outweighs_one_violation_little_does_not() -> None:
    much, little = _after(TrustConfig(), (1000, 0, 0), (0, 1, 0)), _after(TrustConfig(), (3, 0, 0), (0, 1, 0))
    assert much.trust[0] > 0.98
    assert little.trust[0] < 0.75


def test_evidence_weighs_half_after_a_half_life() -> None:
    scores = _after(TrustConfig(), (8, 0, 7 * DAY_S), (0, 4, 14 * DAY_S))
    assert scores.compliant[0] == pytest.approx(4)
    assert scores.violating[0] == pytest.approx(1)


def test_old_evidence_vanishes_without_warnings() -> None:
    scores = _after(TrustConfig(half_life_s=1.0), (1e6, 0, 1e9), (1, 0, 0))
    assert scores.compliant[0] == pytest.approx(1)


def test_evidence_of_the_future_does_not_weigh_more_than_it_is() -> None:
    assert _after(TrustConfig(), (8, 0, -3600.0)).compliant[0] == pytest.approx(8)


def test_classic_moves_by_the_sources_steps() -> None:
    config = TrustConfig(model="classic")
    assert _after(config, (0, 1, 0), (0, 30, 0)).trust[0] == pytest.approx(0.8)
    assert _after(config, (0, 1, 0), (5, 0, 0)).trust[0] == pytest.approx(0.95)
    assert _after(config, *[(0.0, 1.0, 0.0)] * 20).trust[0] == 0.0
    assert _after(config, (0, 1, DAY_S)).trust[0] == pytest.approx(1 - 0.1 * 0.99)


def _frame(**columns: list[object]) -> pl.DataFrame:
    rows = len(next(iter(columns.values())))
    at = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
    floats = {"compliance_rate": pl.Float64, "policy_checks": pl.Float64}
    frame = pl.DataFrame({"timestamp": [at] * rows, **columns}, schema_overrides=floats)
    return frame.with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))


def test_metrics_give_compliant_checks_and_no_violations() -> None:
    found = trust.metrics_evidence(
        _frame(compliance_rate=[0.9, None, 1.0, float("nan"), 0.5], policy_checks=[10.0, 10.0, None, 3.0, 0.0])
    )
    assert found.row.tolist() == [0, 2]
    assert found.ok.tolist() == [9.0, 1.0]
    assert found.bad.tolist() == [0.0, 0.0]
    assert found.event_time_s[0] == datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC).timestamp()


def test_violations_weigh_by_severity() -> None:
    found = trust.violations_evidence(TrustConfig(), _frame(severity=["low", "Medium", "high", "critical", "odd"]))
    assert found.bad.tolist() == [1.0, 3.0, 10.0, 30.0, 3.0]


def test_groups_hold_the_sums_of_their_agents() -> None:
    config, arrays = TrustConfig(), SlotArrays(FIELDS, 5)
    slots = np.array([0, 1, 1, 3, 4], np.int32)
    ok, bad = np.array([5.0, 7.0, 0.0, 1.0, 9.0]), np.array([0.0, 0.0, 3.0, 10.0, 0.0])
    trust.update(config, arrays, slots, ok, bad, np.full(5, NOW_S))
    found = trust.group_evidence(config, arrays, 5, np.array([0, 0, 2, -1, 2]), 4, NOW_S)
    alone = trust.read(config, arrays, np.arange(5, dtype=np.int32), NOW_S)
    assert found.agents.tolist() == [2, 0, 2, 0]
    assert found.trust_sum == pytest.approx([alone.trust[:2].sum(), 0, alone.trust[[2, 4]].sum(), 0])
    assert found.compliant == pytest.approx([12, 0, 9, 0])
    assert found.violating == pytest.approx([3, 0, 0, 0])
    assert found.violations.tolist() == [1, 0, 0, 0]


def test_groups_of_no_agents_are_empty() -> None:
    found = trust.group_evidence(TrustConfig(), SlotArrays(FIELDS), 0, np.empty(0, np.int32), 3, NOW_S)
    assert (found.agents.tolist(), found.trust_sum.tolist()) == ([0, 0, 0], [0, 0, 0])
