"""Forecasts: the parts by hand, what is told and when, leaks, and what must not be one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from streams.operators import forecast, forecast_kernel
from streams.operators.arrays import SlotArrays
from streams.operators.forecast import HOUR_S, ForecastConfig, Forecasts, Target

START_S = 1_790_035_200.0  # midnight UTC
DAY_STEPS = 288
Array = np.ndarray[Any, Any]


def _run(config: ForecastConfig, values: Array, step_s: float = 300.0) -> tuple[Forecasts, SlotArrays, SlotArrays]:
    """One agent with one value a step and target; values f8[n, targets]."""
    count = len(config.targets)
    arrays = SlotArrays(forecast.fields(config.targets), 1)
    learned = SlotArrays(forecast.learned_fields(config.targets), 1)
    zero = np.zeros(len(values), np.int32)
    times = START_S + step_s * np.arange(len(values))
    found = forecast.update(config, arrays, learned, zero, zero, values, np.arange(count, dtype=np.int32), times)
    return found, arrays, learned


def _one(values: Array, **changes: float) -> tuple[Forecasts, SlotArrays, SlotArrays]:
    settings: dict[str, Any] = {"targets": (Target("m", 6 * HOUR_S, 80.0),), "change": 0.0, "warm_up": 1} | changes
    return _run(ForecastConfig(**settings), values.reshape(-1, 1))


def _leak(values: Array) -> Forecasts:
    found, _, _ = _run(ForecastConfig(targets=(Target("memory_usage", 12 * HOUR_S, 85.0, leak=True),)), values[:, None])
    kept = found.leak
    return Forecasts(*(getattr(found, name)[kept] for name in Forecasts.__dataclass_fields__))


def _phi(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


def test_walk_by_hand() -> None:
    """V_delta after 40, 48: rate 1/2 of (0.1)**2; 72 steps ahead of 0.6 thresholds."""
    found, arrays, _ = _one(np.array([40.0, 48.0, 48.0]))
    assert arrays["terms"][0, 0, forecast_kernel.DELTA2] == pytest.approx(0.005)
    assert found.p_walk[1] == pytest.approx(_phi(-0.4 / math.sqrt(0.005 * 72)), rel=1e-5)
    assert found.value.tolist() == pytest.approx([40.0, 48.0])


def test_trend_by_hand() -> None:
    """Level .5 with a slope of .01 a step and no error to speak of crosses surely, at the step where the sum says."""
    terms = np.zeros(forecast_kernel.TERMS, np.float32)
    terms[forecast_kernel.LEVEL], terms[forecast_kernel.SLOPE] = 0.5, 0.01
    p, at = forecast_kernel.p_trend(terms, np.zeros(8, np.int16), 0, 72)
    assert p == pytest.approx(1.0)
    assert at == 54  # looked at in steps of an hour: 6, 18, 30, 42, 54
    assert 0.01 * (1 - 0.9995**54) / 0.0005 > 0.5 > 0.01 * (1 - 0.9995**42) / 0.0005


def test_exceedance_by_hand() -> None:
    """Six hours, one of which held a crossing on both of two days."""
    hours = np.full(24, 0b100, np.uint8)
    hours[3] = 0b111
    base = (2 + 0.2) / (48 + 4.0)
    quiet, loud = (0 + base) / 3, (2 + base) / 3
    assert forecast_kernel.p_exceed(hours, 0, 6) == pytest.approx(1 - (1 - quiet) ** 5 * (1 - loud))
    assert forecast_kernel.p_exceed(hours, 4, 6) == pytest.approx(1 - (1 - quiet) ** 6)


def test_hours_remember_seven_days() -> None:
    history = 1
    for crossed in (True, False, True, True, False, False, False, False, True):
        history = forecast_kernel._push_hour(history, crossed)
    assert history == 0b11100001  # the leading 1, then the last seven


def test_mix_is_the_weighted_sum_of_logits() -> None:
    found, _, _ = _one(np.array([40.0, 48.0, 48.0]))
    parts = (found.p_walk[1], found.p_trend[1], found.p_exceed[1])
    logits = [math.log(p / (1 - p)) for p in (min(max(p, 1 / (1 + math.e**6)), 1 - 1 / (1 + math.e**6)) for p in parts)]
    total = sum(w * z for w, z in zip((0.4, 0.3, 0.4), logits, strict=True)) - 0.3
    assert found.probability[1] == pytest.approx(1 / (1 + math.exp(-total)), rel=1e-6)


def test_values_of_a_step_count_as_their_mean() -> None:
    config = ForecastConfig(targets=(Target("m", 6 * HOUR_S, 80.0),), warm_up=1)
    found, _, _ = _run(config, np.array([[10.0], [20.0], [60.0], [30.0]]), step_s=100.0)
    assert found.value.tolist() == [30.0]
    assert found.row.tolist() == [3]


def test_above_the_threshold_it_has_happened() -> None:
    found, _, _ = _one(np.array([40.0, 90.0, 40.0]))
    assert found.probability[1] == 1.0
    assert found.expected_at_s[1] == START_S + 600.0


def test_told_when_it_says_something_new_and_once_an_hour() -> None:
    """A series that never changes is told at first, while its history grows a little, and each hour."""
    found, _, _ = _one(np.full(10 * DAY_STEPS, 30.0), change=0.05)
    late = found.row[found.row > 8 * DAY_STEPS]
    assert np.diff(late).tolist() == [12] * (late.size - 1)
    assert late.size >= 23


def test_an_outcome_moves_the_weights_towards_it() -> None:
    """Ten days without a crossing: what was forecast is less probable than before anything was learned."""
    calm = 50 + np.sin(np.arange(10 * DAY_STEPS))
    found, _, learned = _one(calm)
    untouched, _, _ = _one(calm, learning_rate=1e-12)
    assert learned["learned"][0, 0, 1, 3] > 0
    assert learned["learned"][0, 0, 0, 3] < 0
    assert found.probability[-1] < untouched.probability[-1]


def test_one_pending_forecast_is_known_after_its_horizon() -> None:
    _, arrays, _ = _one(np.full(2 * DAY_STEPS, 30.0))
    assert 0 <= arrays["left"][0, 0] <= 72


def test_learned_weights_are_shared_within_a_group() -> None:
    config = ForecastConfig(targets=(Target("m", 6 * HOUR_S, 80.0),), change=0.0, warm_up=1)
    arrays, learned = (
        SlotArrays(forecast.fields(config.targets), 2),
        SlotArrays(forecast.learned_fields(config.targets), 2),
    )
    steps = 4 * DAY_STEPS
    times, values, zero = START_S + 300.0 * np.arange(steps), np.full((steps, 1), 30.0), np.zeros(steps, np.int32)
    forecast.update(config, arrays, learned, zero, zero, values, np.zeros(1, np.int32), times)
    both, column = np.array([1, 1], np.int32), np.zeros(1, np.int32)
    same = forecast.update(config, arrays, learned, both, zero[:2], values[:2], column, times[:2])
    arrays.put([1], SlotArrays(forecast.fields(config.targets), 1).take([0]))
    other = forecast.update(config, arrays, learned, both, zero[:2] + 1, values[:2], column, times[:2])
    assert same.probability[0] < other.probability[0]


def test_what_happened_in_a_long_gap_is_not_learned() -> None:
    values = np.full(3 * DAY_STEPS, 30.0)
    config = ForecastConfig(targets=(Target("m", 6 * HOUR_S, 80.0),), warm_up=1)
    arrays, learned = (
        SlotArrays(forecast.fields(config.targets), 1),
        SlotArrays(forecast.learned_fields(config.targets), 1),
    )
    times = START_S + 300.0 * np.arange(values.size)
    times = times[(np.arange(values.size) % 84) < 30]  # an hour or more of each forecast's window, then nothing
    zero = np.zeros(times.size, np.int32)
    forecast.update(config, arrays, learned, zero, zero, values[: times.size, None], np.zeros(1, np.int32), times)
    assert learned["learned"][0, 0, 1].tolist() == [0.0] * 4


def test_a_clock_that_was_set_back_begins_anew() -> None:
    config = ForecastConfig(targets=(Target("m", 6 * HOUR_S, 80.0),), change=0.0, warm_up=1)
    arrays, learned = (
        SlotArrays(forecast.fields(config.targets), 1),
        SlotArrays(forecast.learned_fields(config.targets), 1),
    )
    times = np.concatenate([START_S + 1e6 + 300.0 * np.arange(50), START_S + 300.0 * np.arange(50)])
    zero = np.zeros(100, np.int32)
    found = forecast.update(config, arrays, learned, zero, zero, np.full((100, 1), 30.0), np.zeros(1, np.int32), times)
    assert (found.row > 60).sum() == 39


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300, -1e300])
def test_hostile_values_and_times_leave_numbers(bad: float) -> None:
    values = np.full(400, 30.0)
    values[100:110] = bad
    found, arrays, _ = _one(values)
    assert np.isfinite(arrays["terms"]).all()
    assert np.isfinite(found.probability).all()
    config = ForecastConfig()
    zero = np.zeros(1, np.int32)
    fresh = SlotArrays(forecast.fields(config.targets), 1)
    learned = SlotArrays(forecast.learned_fields(config.targets), 1)
    forecast.update(config, fresh, learned, zero, zero, np.ones((1, 3)), np.arange(3, dtype=np.int32), np.array([bad]))
    assert np.isnan(fresh["last_s"][0])


def _days(days: int) -> tuple[Array, Array, np.random.Generator]:
    steps = np.arange(days * DAY_STEPS)
    return steps, 8 * np.sin(2 * np.pi * steps / DAY_STEPS), np.random.default_rng(5)


def test_a_leak_is_found_under_a_daily_cycle() -> None:
    steps, cycle, rng = _days(10)
    growth = np.where(steps > 3 * DAY_STEPS, (steps - 3 * DAY_STEPS) / DAY_STEPS * 4.0, 0.0)
    found = _leak(50 + cycle + growth + rng.normal(0, 1, steps.size))
    assert len(found)
    assert 3 * DAY_STEPS + 24 * 12 <= found.row[0] < 7 * DAY_STEPS
    assert found.probability[0] >= 0.9
    assert found.slope_per_hour[-1] * 24 == pytest.approx(4.0, rel=0.1)
    assert found.horizon_s[0] == 7 * 86_400
    # 85 from 50 at 4 a day, by the level at that hour of the day
    begins, cycle_now = START_S + 3 * 86_400, cycle[found.row[-1]]
    assert found.expected_at_s[-1] == pytest.approx(begins + (35 - cycle_now) / 4 * 86_400, abs=0.6 * 86_400)


def test_a_daily_cycle_is_no_leak() -> None:
    _, cycle, rng = _days(14)
    assert len(_leak(70 + 1.5 * cycle + rng.normal(0, 1, cycle.size))) == 0


def test_a_jump_is_no_leak() -> None:
    steps, cycle, rng = _days(14)
    assert len(_leak(50 + cycle + 15.0 * (steps > 6 * DAY_STEPS) + rng.normal(0, 1, steps.size))) == 0


def test_growth_that_a_nightly_restart_takes_back_is_no_leak() -> None:
    steps, _, rng = _days(14)
    assert len(_leak(30 + 40.0 * (steps % DAY_STEPS) / DAY_STEPS + rng.normal(0, 1, steps.size))) == 0


def test_a_leak_ends_with_a_restart() -> None:
    steps, _, rng = _days(12)
    leaking = 30 + steps / DAY_STEPS * 6.0 + rng.normal(0, 0.5, steps.size)
    found = _leak(np.where(steps < 6 * DAY_STEPS, leaking, 30.0 + rng.normal(0, 0.5, steps.size)))
    assert found.probability[0] >= 0.9
    assert found.probability[-1] < 0.5
    assert found.row[-1] < 6 * DAY_STEPS + 3 * 12
    assert math.isnan(found.expected_at_s[-1])


def test_a_step_may_be_seconds() -> None:
    """Everything goes by steps: the same values at 1 s, with a horizon in proportion, give the same probabilities."""
    values = 50 + 10 * np.random.default_rng(1).random(500)
    slow, _, _ = _run(ForecastConfig(targets=(Target("m", 21_600, 80.0),), change=0.0), values[:, None])
    # begun at the same hour of the operator's day
    fast_config = ForecastConfig(targets=(Target("m", 72, 80.0),), change=0.0, step_s=1.0)
    arrays = SlotArrays(forecast.fields(fast_config.targets), 1)
    learned = SlotArrays(forecast.learned_fields(fast_config.targets), 1)
    zero, times = np.zeros(500, np.int32), START_S / 300 + np.arange(500.0)
    fast = forecast.update(fast_config, arrays, learned, zero, zero, values[:, None], np.zeros(1, np.int32), times)
    np.testing.assert_array_equal(fast.probability, slow.probability)


def test_state_is_small() -> None:
    assert SlotArrays(forecast.fields(forecast.AGENT_TARGETS)).bytes_per_slot() <= 340


@pytest.mark.parametrize("target", [Target("m", 3600.0, 0.0), Target("m", 3600.0, math.nan), Target("m", 1e7, 1.0)])
def test_settings_that_make_no_sense(target: Target) -> None:
    with pytest.raises(ValueError, match="m: "):
        ForecastConfig(targets=(target,))
