from __future__ import annotations

import numpy as np
import pytest

from streams.operators import trust, trust_factors
from streams.operators.arrays import SlotArrays
from streams.operators.trust import FIELDS, TrustConfig

NOW_S = 1_790_000_000.0
ONE = np.zeros(1, np.int32)
NAN = np.nan


def _after(config: TrustConfig, **good_bad: tuple[float, float]) -> trust.TrustScores:
    """Scores of one agent with much good evidence of compliance and this evidence of factors."""
    arrays = SlotArrays(FIELDS, 1)
    trust.update(config, arrays, ONE, np.array([1e6]), np.zeros(1), np.array([NOW_S]))
    for name, evidence in good_bad.items():
        at = trust_factors.FACTORS.index(name)
        trust.update_factors(config, arrays, ONE, at, np.array([evidence]), np.array([NOW_S]))
    return trust.read(config, arrays, ONE, NOW_S)


def test_requests_well_and_failed() -> None:
    found = trust_factors.reliability(
        np.array([0.1, NAN, NAN, 2.0, 0.5, NAN]),
        np.array([NAN, 80.0, NAN, 50.0, NAN, np.inf]),
        np.array([10.0, 10.0, 10.0, 4.0, NAN, 10.0]),
    )
    expected = [[9, 1], [8, 2], [0, 0], [0, 4], [0.5, 0.5], [0, 0]]
    np.testing.assert_allclose(found, expected)


def test_hostile_counts_are_bounded() -> None:
    found = trust_factors.reliability(np.array([0.5, 0.5]), np.array([NAN, NAN]), np.array([1e308, -5.0]))
    assert found.tolist() == [[trust_factors.MOST / 2] * 2, [0, 0]]


def test_values_and_flags() -> None:
    found = trust_factors.behaviour(np.array([[1.0, NAN], [2.0, 3.0]]), np.array([1, 1], np.int32), 30.0)
    assert found.tolist() == [[1, 0], [2, 60]]


def test_a_long_gap_counts_as_an_outage_once() -> None:
    assert trust_factors.liveness(np.array([0.0, 3.0, 1e6]), 60.0).tolist() == [[1, 0], [1, 3], [1, 60]]


def test_without_evidence_a_factor_costs_nothing() -> None:
    scores = _after(TrustConfig())
    assert np.isnan(scores.factors).all()
    assert scores.p[0] == scores.compliance[0]
    assert scores.trust[0] == trust.wilson_lower_bound(scores.compliance, scores.n, 1.645)[0]


def test_good_evidence_costs_nothing_and_bad_evidence_its_share() -> None:
    config = TrustConfig()
    clean = _after(config).trust[0]
    good = {"reliability": (1e5, 200.0), "liveness": (1e4, 4e3), "behaviour": (1e6, 30.0 * 100)}
    assert _after(config, **good).trust[0] == pytest.approx(clean)
    failing = _after(config, reliability=(5e5, 5e5))
    assert failing.trust[0] == pytest.approx(clean * 0.5 / 0.95, rel=1e-3)
    assert failing.p[0] < failing.compliance[0]


def test_a_network_that_loses_three_beats_in_ten_keeps_its_trust() -> None:
    rng = np.random.default_rng(5)
    lost = float((rng.random(20_000) < 0.3).sum())
    assert _after(TrustConfig(), liveness=(20_000 - lost, lost)).trust[0] > 0.99


def test_an_outage_in_a_young_session_lowers_no_trust_below_the_alert() -> None:
    assert _after(TrustConfig(), liveness=(60.0, 60.0)).trust[0] > 0.9


def test_a_weight_of_zero_leaves_a_factor_out() -> None:
    config = TrustConfig(factor_weights=(0.0, 0.0, 0.0))
    assert _after(config, reliability=(0.0, 1e6)).trust[0] == _after(config).trust[0]


def test_classic_is_the_sources_score_whatever_the_factors() -> None:
    config = TrustConfig(model="classic")
    scores = _after(config, reliability=(0.0, 1e6))
    assert (scores.trust[0], scores.p[0]) == (1.0, 1.0)
    assert scores.factors[0, 0] < 0.1


def test_evidence_of_factors_is_no_evidence_of_the_classic_score() -> None:
    config, arrays = TrustConfig(model="classic"), SlotArrays(FIELDS, 1)
    trust.update_factors(config, arrays, ONE, 0, np.array([[1.0, 1.0]]), np.array([NOW_S]))
    assert np.isnan(arrays["last_s"][0])


def test_an_old_snapshot_has_no_factors() -> None:
    old, arrays = SlotArrays(FIELDS, 1), SlotArrays(FIELDS)
    taken = {name: column for name, column in old.take([0]).items() if not name.startswith("factors")}
    arrays.put([0], taken)
    assert np.isnan(trust.read(TrustConfig(), arrays, ONE, NOW_S).factors).all()


def test_factors_take_at_most_64_bytes_an_agent() -> None:
    arrays = SlotArrays({name: field for name, field in FIELDS.items() if name.startswith("factors")})
    assert arrays.bytes_per_slot() <= 64
