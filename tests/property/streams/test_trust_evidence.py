"""Evidence of trust adds up whatever its order and its batches."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.operators import trust
from streams.operators.arrays import SlotArrays
from streams.operators.trust import FIELDS, TrustConfig

NOW_S = 1_790_000_000.0
SLOTS = np.arange(3, dtype=np.int32)
CONFIG = TrustConfig(half_life_s=3600.0)
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.floats(0, 1e5),
        st.lists(st.floats(0, 1e9), min_size=4, max_size=4),
        st.lists(st.floats(0, 1e9), min_size=2, max_size=2),
    ),
    min_size=1,
    max_size=30,
)
Event = tuple[int, float, list[float], list[float]]


def _add(arrays: SlotArrays, events: list[Event]) -> None:
    slots = np.array([event[0] for event in events], np.int32)
    times = NOW_S - np.array([event[1] for event in events])
    trust.update_factors(CONFIG, arrays, slots, 0, np.array([event[2] for event in events]).reshape(-1, 4), times)
    good, bad = np.array([event[3] for event in events]).reshape(-1, 2).T
    trust.update(CONFIG, arrays, slots, good, bad, times)


def _state(*batches: list[Event]) -> SlotArrays:
    arrays = SlotArrays(FIELDS, 3)
    for events in batches:
        _add(arrays, events)
    return arrays


@given(EVENTS, st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_splitting_a_batch_changes_nothing(events: list[Event], at: int) -> None:
    whole, parts = _state(events), _state(events[:at], events[at:])
    for name in ("factors", "factors_s", "good", "bad", "landmark"):
        np.testing.assert_array_equal(whole[name], parts[name], err_msg=name)


@given(EVENTS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_events_changes_rounding_only(events: list[Event], random: object) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' Random
    one, other = _state(events), _state(shuffled)
    np.testing.assert_allclose(one["factors"], other["factors"], rtol=1e-9)
    a, b = (trust.read(CONFIG, arrays, SLOTS, NOW_S) for arrays in (one, other))
    np.testing.assert_allclose(a.trust, b.trust, rtol=1e-9)


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_scores_stay_between_0_and_1_and_factors_never_raise_them(events: list[Event]) -> None:
    scores = trust.read(CONFIG, _state(events), SLOTS, NOW_S)
    for column in (scores.trust, scores.p, scores.compliance, scores.factors[np.isfinite(scores.factors)]):
        assert ((column >= 0) & (column <= 1)).all()
    assert (scores.trust <= trust.wilson_lower_bound(scores.compliance, scores.n, CONFIG.z)).all()
    assert (scores.p <= scores.compliance).all()


@given(st.integers(0, 40), st.floats(0.001, 1e6))
@settings(max_examples=60, deadline=None)
def test_evidence_halves_with_every_half_life_exactly(half_lives: int, weight: float) -> None:
    arrays = SlotArrays(FIELDS, 3)
    start_s = 1_800_000 * 3600.0
    evidence = np.array([[weight, 0.0]])
    trust.update_factors(CONFIG, arrays, SLOTS[:1], 1, evidence, np.array([start_s]))
    trust.update_factors(CONFIG, arrays, SLOTS[:1], 1, 0 * evidence, np.array([start_s + half_lives * 3600.0]))
    assert arrays["factors"][0, 2] == weight / 2**half_lives
