from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from schemas.catalogue import METRICS
from streams.operators import anomaly, anomaly_kernel
from streams.operators.anomaly import AnomalyConfig
from streams.operators.arrays import SlotArrays

START_S = 1_790_000_000.0
STRONG = AnomalyConfig().strong


def _flags(values: np.ndarray, config: AnomalyConfig | None = None, step_s: float = 1.0) -> list[anomaly.Flags]:
    """Flags of every step of `values` f8[steps, series], each series an agent with one metric."""
    steps, series = values.shape
    arrays = SlotArrays(anomaly.fields(1), series)
    slots = np.arange(series, dtype=np.int32)
    return [
        anomaly.update(
            config or AnomalyConfig(), arrays, slots, values[i][:, None], np.full(series, START_S + i * step_s)
        )
        for i in range(steps)
    ]


def _strong(flags: list[anomaly.Flags]) -> int:
    return sum(int((f.lasting >= STRONG).sum()) for f in flags)


@pytest.mark.parametrize("step_s", [0.5, 30.0])
def test_a_jump_that_lasts_is_strong_within_a_few_values(step_s: float) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(200, 12, (40, 300))
    values[20:] *= 8
    flags = _flags(values, step_s=step_s)
    assert sum(len(f) for f in flags[:20]) == 0
    found = {int(slot) for f in flags[20:24] for slot in f.row[f.lasting >= STRONG]}
    assert len(found) >= 297


@pytest.mark.parametrize("factor", [6, 10])
def test_a_settled_series_is_strong_within_a_few_values_too(factor: int) -> None:
    values = np.random.default_rng(12).normal(200, 12, (320, 300))
    values[300:] *= factor
    flags = _flags(values, step_s=300.0)
    found = {int(slot) for f in flags[300:305] for slot in f.row[f.lasting >= STRONG]}
    assert len(found) >= 290


@pytest.mark.parametrize("step_s", [1.0, 300.0])
def test_one_outlier_is_flagged_and_never_strong(step_s: float) -> None:
    values = np.random.default_rng(2).normal(200, 12, (400, 100))
    values[200] *= 50
    flags = _flags(values, step_s=step_s)
    assert len(flags[200]) >= 75  # the others rest after a flag
    assert _strong(flags) == 0


CLEAN = {
    "normal": lambda rng: rng.normal(100, 5, (1000, 300)),
    "constant": lambda _: np.full((1000, 300), 42.0),
    "rounded": lambda rng: np.round(rng.normal(50, 0.3, (1000, 300))),
    "poisson": lambda rng: rng.poisson(3, (1000, 300)).astype(np.float64),
    "lognormal": lambda rng: np.exp(rng.normal(5, 0.5, (1000, 300))),
    "walk": lambda rng: 1000 + np.cumsum(rng.normal(size=(1000, 300)), axis=0),
    "counter": lambda rng: np.arange(1000.0)[:, None] + rng.uniform(0, 1e4, 300),
}


@pytest.mark.parametrize("kind", CLEAN)
@pytest.mark.parametrize(("step_s", "share"), [(1.0, 25e-4), (300.0, 6e-3)])
def test_clean_series_are_rarely_flagged_and_never_strong(kind: str, step_s: float, share: float) -> None:
    flags = _flags(CLEAN[kind](np.random.default_rng(3)), step_s=step_s)
    assert sum(len(f) for f in flags) < 300_000 * share
    assert _strong(flags) == 0


def test_a_constant_that_changes_by_less_than_the_floor_is_not_flagged() -> None:
    values = np.full((300, 1), 42.0)
    values[150:] *= 1.015
    assert sum(len(f) for f in _flags(values)) == 0
    values[150:] *= 2
    assert sum(len(f) for f in _flags(values)) > 0


def test_cautions_end_once_a_series_has_settled_unless_the_metric_is_named() -> None:
    values = np.full((400, 1), 42.0)
    values[300:] *= 1.015
    assert sum(len(f) for f in _flags(values, step_s=300.0)) > 0
    assert sum(len(f) for f in _flags(values, AnomalyConfig(floors=(3.0,)), step_s=300.0)) == 0


def test_confidence_grows_with_the_score_with_what_lasts_and_with_the_past() -> None:
    rng = np.random.default_rng(13)
    late, early = rng.normal(200, 12, (320, 200)), rng.normal(200, 12, (320, 200))
    late[300:] *= 8
    early[16:] *= 8
    first = np.concatenate([f.confidence for f in _flags(late)[300:302]])
    lasts = np.concatenate([f.confidence[f.lasting >= STRONG] for f in _flags(late)[301:310]])
    young = np.concatenate([f.confidence[f.lasting >= STRONG] for f in _flags(early)[16:26]])
    assert 0.5 < np.median(first) < np.median(lasts) <= 1.0
    assert np.median(lasts) > 0.95 > np.median(young) > 0.7


def test_a_flag_says_why() -> None:
    values = np.random.default_rng(4).normal(200, 12, (60, 1))
    values[50:] = 1600.0
    flag = next(f for f in _flags(values) if len(f))
    assert flag.value[0] == 1600.0
    assert 190 < flag.expected[0] < 210
    assert flag.lower[0] < flag.expected[0] < flag.upper[0] < 1600
    terms = flag.term_fast + flag.term_medium + flag.term_slow + flag.term_record + flag.term_record_smooth
    assert flag.score[0] == pytest.approx(terms[0])


def test_bounds_hold_what_was_expected_after_strange_values_too() -> None:
    values = np.random.default_rng(24).normal(200, 12, (70, 1))
    values[50:] = 1600.0
    config = AnomalyConfig(refractory=0)
    _, second, *more = [f for f in _flags(values, config) if len(f)]
    assert len(more) > 5
    for flag in (second, *more):
        assert flag.lower[0] < flag.expected[0] < flag.upper[0]


def test_a_metric_without_a_change_of_interest_is_left_out() -> None:
    """One that grows as time does, with a restart: no flag, and the other metric's are what they would be alone."""
    rng = np.random.default_rng(25)
    watched = rng.normal(200, 12, (400, 1))
    watched[300:] *= 8
    uptime = np.concatenate([np.arange(150.0), np.arange(250.0)])[:, None] * 30.0
    slot, times = np.zeros(400, np.int32), START_S + 30.0 * np.arange(400)
    config = AnomalyConfig(floors=(*anomaly.floors_for(["uptime"]), 0.0))
    both, alone = SlotArrays(anomaly.fields(2), 1), SlotArrays(anomaly.fields(1), 1)
    flags = anomaly.update(config, both, slot, np.hstack([uptime, watched]), times)
    assert set(flags.metric.tolist()) == {1}
    np.testing.assert_array_equal(flags.score, anomaly.update(AnomalyConfig(), alone, slot, watched, times).score)
    assert (len(anomaly.update_and_score(config, both, slot, uptime.repeat(2, 1), times + 1e6).found)) == 400


def test_flags_rest_after_one() -> None:
    values = np.random.default_rng(5).normal(100, 1, (200, 1))
    values[100::2] = 1000.0
    at = [i for i, f in enumerate(_flags(values, AnomalyConfig(strong=np.inf))) if len(f)]
    assert np.diff(at).min() > 60


def _flagged_and_repeats(values: np.ndarray, config: AnomalyConfig) -> tuple[int, float]:
    """Flags of all of `values` f8[steps, series], five minutes apart, and the mean of `repeats` at the end."""
    steps, series = values.shape
    arrays, slots = SlotArrays(anomaly.fields(1), series), np.tile(np.arange(series, dtype=np.int32), steps)
    times_s = np.repeat(START_S + 300.0 * np.arange(steps), series)
    flags = anomaly.update(config, arrays, slots, values.reshape(-1, 1), times_s)
    return len(flags), float(arrays["repeats"].mean())


def test_a_series_that_was_flagged_often_must_show_more_until_that_is_forgotten() -> None:
    walks = 1000 + np.cumsum(np.random.default_rng(20).normal(size=(5000, 100)), axis=0)
    flags, repeats = _flagged_and_repeats(walks, AnomalyConfig())
    without, _ = _flagged_and_repeats(walks, AnomalyConfig(repeat_cost=0.0))
    assert flags < 0.6 * without
    _, later = _flagged_and_repeats(np.concatenate([walks, np.tile(walks[-1], (10_000, 1))]), AnomalyConfig())
    assert later < 0.3 * repeats


def test_habit_is_bounded_and_a_change_that_lasts_still_strong() -> None:
    values = np.random.default_rng(21).normal(200, 12, (1200, 100))
    values[1100:] *= 8
    arrays, config = SlotArrays(anomaly.fields(1), 100), AnomalyConfig()
    slots = np.arange(100, dtype=np.int32)
    arrays["repeats"][:] = config.repeat_most
    found: set[int] = set()
    for i, row in enumerate(values):
        flags = anomaly.update(config, arrays, slots, row[:, None], np.full(100, START_S + 300 * i))
        found |= set(flags.row[flags.lasting >= STRONG].tolist()) if 1100 <= i < 1106 else set()
    assert arrays["repeats"].max() <= config.repeat_most
    assert len(found) >= 97


def test_records_of_noise_are_no_news_in_a_young_series() -> None:
    """Records of the same height: the one that outlasted more counts for more."""
    values = np.random.default_rng(22).normal(100, 1, (1500, 200))
    for at in (200, 1400):
        values[at] = values[:at].max(axis=0) + 0.5 * np.ptp(values[:at], axis=0)
    flags = _flags(values, AnomalyConfig(refractory=0, threshold=0.5), step_s=300.0)
    assert np.median(flags[200].term_record) < 0.8 * np.median(flags[1400].term_record)


def test_absent_values_do_not_count() -> None:
    rng = np.random.default_rng(6)
    arrays, alone = SlotArrays(anomaly.fields(2), 1), SlotArrays(anomaly.fields(2), 1)
    slot, config = np.zeros(1, np.int32), AnomalyConfig()
    for i, value in enumerate(rng.normal(10, 1, 50)):
        time_s = np.array([START_S + i])
        anomaly.update(config, arrays, slot, np.array([[value, np.nan]]), time_s)
        anomaly.update(config, alone, slot, np.array([[value, value]]), time_s)
    assert arrays["terms"][0, anomaly.COUNT].tolist() == [50, 0]
    np.testing.assert_array_equal(arrays["terms"][0, :, 0], alone["terms"][0, :, 0])


def test_a_clock_that_was_set_back_does_not_silence_a_series() -> None:
    arrays, slot = SlotArrays(anomaly.fields(1), 1), np.zeros(1, np.int32)
    for time_s in (START_S + 3600, START_S + 3100, START_S, START_S + 1):
        anomaly.update(AnomalyConfig(), arrays, slot, np.ones((1, 1)), np.array([time_s]))
    assert arrays["terms"][0, anomaly.COUNT, 0] == 3


def test_the_hour_of_day_is_learned() -> None:
    """A peak every day at the same hour stands out on the first days only."""
    hours = np.arange(24 * 30)
    values = np.random.default_rng(7).normal(100, 1, (hours.size, 200))
    values[hours % 24 == 9] += 15
    config = replace(anomaly.PUBLISHED, warm_up=15, refractory=0)
    flags = [len(f) for f in _flags(values, config, step_s=3600.0)]
    first, last = sum(flags[24 : 5 * 24]), sum(flags[-4 * 24 :])
    assert first > 10 * max(last, 1)


def test_state_is_small() -> None:
    assert SlotArrays(anomaly.fields(16)).bytes_per_slot() / 16 <= 200


def test_floors_follow_the_columns() -> None:
    floors = anomaly.floors_for([*METRICS, "custom:x"])
    assert len(floors) == 17
    assert floors[METRICS.index("uptime")] == np.inf
    assert floors[METRICS.index("cpu_usage")] == 3.0
    assert floors[-1] == 0.0


@pytest.mark.parametrize("metrics", [1, 16])
def test_preparing_compiles_for_both_memory_orders(metrics: int) -> None:
    anomaly.prepare(metrics)
    prepared = len(anomaly_kernel.scan.signatures)
    arrays, slots = SlotArrays(anomaly.fields(metrics), 3), np.arange(3, dtype=np.int32)
    for values in (np.ones((3, metrics)), np.ones((3, metrics), order="F")):
        anomaly.update(AnomalyConfig(), arrays, slots, values, np.full(3, START_S))
    assert len(anomaly_kernel.scan.signatures) == prepared


@pytest.mark.parametrize("size", [1e18, 1e30, 1e300, 1e306])
def test_numbers_of_any_size_leave_the_state_finite(size: float) -> None:
    values = np.random.default_rng(23).normal(0, 1, (200, 20)) * np.where(np.arange(200) % 3, size, 1.0)[:, None]
    arrays, slots = SlotArrays(anomaly.fields(1), 20), np.tile(np.arange(20, dtype=np.int32), 200)
    times_s = np.repeat(START_S + 300.0 * np.arange(200), 20)
    scores = anomaly.update_and_score(AnomalyConfig(), arrays, slots, values.reshape(-1, 1), times_s)
    assert np.isfinite(scores.found.score).all()
    assert np.isfinite(arrays["terms"]).all()
    assert np.isfinite(arrays["calm"]).all()


def test_memory_order_does_not_matter() -> None:
    values = np.random.default_rng(9).normal(100, 5, (500, 4))
    values[400:] *= 3
    slots, times = np.zeros(500, np.int32), START_S + np.arange(500.0)
    row_major, column_major = (SlotArrays(anomaly.fields(4), 1) for _ in range(2))
    one = anomaly.update(AnomalyConfig(), row_major, slots, values, times)
    two = anomaly.update(AnomalyConfig(), column_major, slots, np.asfortranarray(values), times)
    assert len(one) > 0
    np.testing.assert_array_equal(one.score, two.score)
    np.testing.assert_array_equal(row_major["terms"], column_major["terms"])


def test_a_function_that_cannot_be_cached_is_compiled_all_the_same() -> None:
    scope: dict[str, object] = {}
    exec("def double(x):\n    return 2 * x", scope)  # numba has no folder for code without a file
    assert anomaly.compiled(scope["double"])(4) == 8
