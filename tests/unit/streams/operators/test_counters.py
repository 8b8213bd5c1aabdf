from __future__ import annotations

import numpy as np
import pytest

from streams.operators import counters
from streams.operators.arrays import SlotArrays

START_S = 1_790_000_000.0


def _rates(values: list[float], step_s: float = 10.0, times_s: list[float] | None = None) -> counters.Rates:
    """Of one series, by default with a value each `step_s`."""
    at_s = START_S + (step_s * np.arange(len(values)) if times_s is None else np.array(times_s))
    arrays, slots = SlotArrays(counters.FIELDS, 1), np.zeros(len(values), np.int32)
    return counters.update(arrays, slots, np.array(values, np.float64), at_s, 600.0)


@pytest.mark.parametrize("step_s", [1.0, 30.0, 3600.0])
def test_what_rises_twelve_times_is_a_counter_whose_rate_is_told(step_s: float) -> None:
    rates = _rates([100.0 + 5.0 * step_s * i for i in range(20)], step_s)
    assert rates.counts.tolist() == [False] * 12 + [True] * 8
    np.testing.assert_array_equal(rates.per_s, [np.nan] * 12 + [5.0] * 8)


def test_two_values_of_one_moment_are_no_burst() -> None:
    steady = [5.0 * i for i in range(20)]
    at_s = list(range(20))
    rates = _rates([*steady, 96.0, 100.0], times_s=[*at_s, 19.001, 20.0])
    assert np.isnan(rates.per_s[20])
    assert rates.per_s[[19, 21]].tolist() == [5.0, 5.0]


def test_standing_still_neither_makes_nor_ends_a_counter() -> None:
    rates = _rates([*range(10), *[9.0] * 50, 10.0, 11.0, 12.0, 12.0])
    assert rates.counts.tolist() == [False] * 62 + [True, True]
    assert rates.per_s[-2:].tolist() == [0.1, 0.0]


def test_a_restart_has_no_rate_and_ends_no_counter() -> None:
    rates = _rates([*range(0, 200, 10), 3.0, 13.0])
    assert rates.counts[12:].all()
    assert np.isnan(rates.per_s[20])
    assert rates.per_s[21] == 1.0


@pytest.mark.parametrize("fallen_to", [100.5, 189.0, -1.0], ids=["to more than half", "a little", "below zero"])
def test_any_other_fall_ends_a_counter_at_once(fallen_to: float) -> None:
    rates = _rates([*range(0, 200, 10), fallen_to, 200.0])
    assert rates.counts[19:].tolist() == [True, False, False]
    assert np.isnan(rates.per_s[20:]).all()


def test_noise_walks_and_steps_are_no_counters() -> None:
    rng = np.random.default_rng(1)
    steps = np.repeat([1.0, 2.0, 5.0], 300)
    for values in (rng.normal(100, 5, 900), rng.poisson(2, 900).astype(np.float64), steps):
        assert not _rates(values.tolist()).counts.any()
    walk = np.cumsum(rng.normal(size=9000))
    assert _rates(walk.tolist()).counts.mean() < 0.01


def test_late_double_and_absent_values_change_nothing() -> None:
    plain = _rates([float(i) for i in range(20)])
    values, times_s = [float(i) for i in range(20)], [10.0 * i for i in range(20)]
    for at, (value, time_s) in enumerate([(3.0, 25.0), (3.0, 30.0), (np.nan, 35.0), (1.0, np.nan)]):
        values.insert(15 + at, value)
        times_s.insert(15 + at, time_s)
    mixed = _rates(values, times_s=times_s)
    assert np.isnan(mixed.per_s[15:19]).all()
    np.testing.assert_array_equal(np.delete(mixed.per_s, range(15, 19)), plain.per_s)


def test_a_clock_that_was_set_back_gives_no_rate_and_then_one_of_the_new_time() -> None:
    rates = _rates([float(i) for i in range(22)], times_s=[*(1e4 + 10.0 * i for i in range(20)), 0.0, 5.0])
    assert rates.counts[12:].all()
    assert np.isnan(rates.per_s[20])
    assert rates.per_s[21] == 0.2
