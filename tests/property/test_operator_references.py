"""Each columnar operator against a scalar reference that reads like its formula."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streams.operators import anomaly, heartbeat, trust
from streams.operators.arrays import SlotArrays

f32 = np.float32
START_S = 1_790_000_000.0


Flag = tuple[int, float, float, float]


def _reference(config: anomaly.AnomalyConfig, values: list[float], times: list[float]) -> list[Flag]:
    """One series, one value after the other: (position, score, lasting, confidence) of the flags."""
    flags: list[Flag] = []
    s: dict[str, Any] = {}
    base, count = [f32(0)] * 24, [0] * 24
    last = baseline_at = math.nan
    for at, (value, now) in enumerate(zip(values, times, strict=True)):
        if last - config.late_s < now <= last:
            continue
        pace = min(max((now - last) / config.step_s, 1 / 30), 1.0) if now > last else 1.0
        last = now
        learn = not 0 <= now - baseline_at < 0.8 * config.step_s
        baseline_at = now if learn else baseline_at
        if not math.isfinite(value):
            continue
        b = int(now // 3600) % 24
        if not s:
            s = {"o": f32(value), "n": 1, "since": config.refractory + 1, "m": 0.0, "X": 0.0, "habit": 0.0, "calm": 0.0}
            s["R"] = 0.0
            s |= {"H": [0.0] * 3, "V": [0.0] * 3, "raw": (0.0, 0.0), "smooth": (0.0, 0.0)}
            count[b] = 1 if learn else count[b]
            continue
        n, origin = s["n"], float(s["o"])
        x = value - origin
        r = x - s["m"]
        h = x - (s["m"] + count[b] / (count[b] + 10) * float(base[b]))
        young = n * pace < config.settled
        eps, cautious_floor = 1e-9 + 1e-6 * abs(s["m"] + origin), config.relative_floor * abs(s["m"] + origin)
        lo, hi = s["raw"]
        cautious = max(cautious_floor, config.range_share * (max(hi, x) - min(lo, x)))
        floor, least = (cautious_floor, cautious) if young else (0.0, 0.0)
        trend = lasting = 0.0
        sd_calm = math.sqrt(s["calm"])
        widest = config.clip * max(sd_calm, cautious_floor) if n >= config.warm_up else math.inf
        square = min(abs(h), max(widest, 0.1 * (hi - lo))) ** 2
        s["calm"] = float(f32(s["calm"] + max(0.003 * pace, 1 / (n + 1)) * (square - s["calm"])))
        for i, (a, q) in enumerate(((0.001, 0.3), (0.003, 0.07), (0.01, 0.03))):
            average = s["H"][i] + q * (h - s["H"][i])
            sd = math.sqrt(s["V"][i])
            trend += min(abs(average) / (max(sd, least) + eps), 12.0) / 1.5
            lasting += min(abs(average) / (max(sd_calm, cautious) + eps), 12.0) / 1.5
            widest = config.clip * max(sd, floor) if young and n >= config.warm_up else math.inf
            square = min(abs(h), max(widest, 0.1 * (hi - lo))) ** 2
            s["H"][i] = float(f32(average))
            s["V"][i] = float(f32(s["V"][i] + max(a * pace, 1 / (n + 1)) * (square - s["V"][i])))
        smooth = s["X"] + 0.15 * (x - s["X"])
        s["X"] = float(f32(smooth))
        score = trend
        beyond = max(x - hi, lo - x, 0.0)
        for name, y in (("raw", x), ("smooth", smooth)):
            lo, hi = s[name]
            over = max(y - hi, lo - y) - floor - (config.habit * s["habit"] if young else 0.0)
            if over > 0:
                o = over / max(hi - lo, floor) if max(hi - lo, floor) > 0 else math.inf
                believed = math.log(max(n, 2) / 2) / math.log(config.outlasted / 2) if n < config.outlasted else 1.0
                score += believed * (8.0 if o > 10 else min(max(4 + 2 * math.log10(10 * max(o, 1e-4)), 0.0), 8.0))
            d = 0.5 * (1 - 2 ** (-pace / config.range_steps)) * (hi - lo)
            s[name] = (float(f32(min(lo + d, y))), float(f32(max(hi - d, y))))
        s["habit"] = float(f32(s["habit"] + 0.1 * (beyond - s["habit"])))
        rested = abs(s["since"]) > config.refractory or (lasting >= config.strong and s["since"] < 0)
        repeats = s["R"] * math.exp(-pace / config.repeat_steps)
        limit = config.threshold * (1 + config.caution / n) * (1 + config.repeat_cost * repeats)
        if score >= limit and rested and n >= config.warm_up:
            excess = score / limit
            repeats = min(repeats + 1, config.repeat_most)
            doubt = 0.5 / excess * max(1 - lasting / config.strong, 0.0)
            flags.append((at, score, lasting, (1 - doubt) * (1 - 1 / math.sqrt(2 * n))))
            s["since"] = 1 if lasting >= config.strong else -1
        else:
            s["since"] += 1 if s["since"] >= 0 else -1
        s["R"] = float(f32(repeats))
        s["n"] = n + 1
        s["m"] = float(f32(s["m"] + max(0.003 * pace, 1 / (n + 1)) * r))
        if learn:
            base[b] = f32(float(base[b]) + max(0.05, 1 / (count[b] + 1)) * (r - float(base[b])))
            count[b] = min(count[b] + 1, 255)
    return flags


readings = st.one_of(
    st.floats(-1e6, 1e6, width=32), st.sampled_from([0.0, 1.0, 100.0, 800.0, math.nan, math.inf]), st.integers(90, 110)
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(readings, min_size=1, max_size=150),
    st.sampled_from([0.1, 1.0, 30.0, 300.0, 3600.0]),
    st.sampled_from(
        [
            anomaly.AnomalyConfig(refractory=5),
            anomaly.AnomalyConfig(warm_up=3),
            anomaly.AnomalyConfig(refractory=2, repeat_steps=20.0, repeat_most=3.0),
            anomaly.AnomalyConfig(settled=20.0, refractory=5),
            anomaly.PUBLISHED,
        ]
    ),
)
def test_anomaly_kernel_equals_the_scalar_reference(
    values: list[float], step_s: float, config: anomaly.AnomalyConfig
) -> None:
    times = [START_S + step_s * i for i in range(len(values))]
    arrays = SlotArrays(anomaly.fields(1), 1)
    column = np.array(values, np.float64)[:, None]
    found = anomaly.update(config, arrays, np.zeros(len(values), np.int32), column, np.array(times))
    expected = _reference(config, [float(v) for v in values], times)
    assert found.row.tolist() == [at for at, *_ in expected]
    got = np.column_stack([found.score, found.lasting, found.confidence])
    np.testing.assert_allclose(got, np.array([rest for _, *rest in expected]).reshape(-1, 3), rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(readings, min_size=2, max_size=150), st.sampled_from([1.0, 300.0]))
def test_scoring_every_value_changes_no_flag(values: list[float], step_s: float) -> None:
    config, column = anomaly.AnomalyConfig(), np.array(values, np.float64)[:, None]
    slots, times = np.zeros(len(values), np.int32), START_S + step_s * np.arange(len(values))
    one, other = (SlotArrays(anomaly.fields(1), 1) for _ in range(2))
    flags = anomaly.update(config, one, slots, column, times)
    scores = anomaly.update_and_score(config, other, slots, column, times)
    for name in anomaly.Flags.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(scores.found, name)[scores.flagged], getattr(flags, name))
    assert len(scores.found) == max(int(np.isfinite(column).sum()) - 1, 0)
    np.testing.assert_array_equal(one["terms"], other["terms"])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_anomaly_bounds_hold_what_would_not_have_been_flagged_by_trend(data: st.DataObject) -> None:
    """The value lies outside [lower, upper] exactly where the trend terms alone reach the threshold.

    Not after a run of strange values, which alone brings them there: then the bounds are as far apart on both sides.
    """
    noise = data.draw(hnp.arrays(np.float64, 60, elements=st.floats(-1, 1)))
    jump = data.draw(st.floats(3, 100))
    values = 100 + 5 * noise
    values[50:] += jump
    config = anomaly.AnomalyConfig(refractory=0, range_share=0.0, repeat_cost=0.0)
    arrays = SlotArrays(anomaly.fields(1), 1)
    flags = anomaly.update(config, arrays, np.zeros(60, np.int32), values[:, None], START_S + np.arange(60.0))
    count = flags.row.astype(np.float64)
    limit = config.threshold * (1 + config.caution / count)
    outside = (flags.value < flags.lower) | (flags.value > flags.upper)
    calm_past = np.abs(flags.upper + flags.lower - 2 * flags.expected) > 1e-9 * (flags.upper - flags.lower)
    clear = calm_past & (np.abs(flags.trend - limit) > 1e-6 * limit)
    np.testing.assert_array_equal(outside[clear], (flags.trend >= limit)[clear])
    np.testing.assert_allclose(flags.score, flags.trend + flags.term_record + flags.term_record_smooth)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(readings, st.integers(1, 30)), min_size=2, max_size=12),
    st.sampled_from([1.0, 300.0, 3600.0]),
    st.sampled_from([anomaly.AnomalyConfig(), anomaly.AnomalyConfig(threshold=0.5), anomaly.PUBLISHED]),
)
def test_what_was_expected_lies_within_the_bounds(
    runs: list[tuple[float, int]], step_s: float, config: anomaly.AnomalyConfig
) -> None:
    """After any runs of strange values."""
    values = np.concatenate([np.full(long, value, np.float64) for value, long in runs])[:, None]
    slots, times = np.zeros(len(values), np.int32), START_S + step_s * np.arange(len(values))
    found = anomaly.update_and_score(config, SlotArrays(anomaly.fields(1), 1), slots, values, times).found
    assert ((found.lower <= found.expected) & (found.expected <= found.upper)).all()


evidence = st.lists(
    st.tuples(st.integers(0, 3), st.floats(0, 50), st.sampled_from([0.0, 1.0, 3.0, 10.0, 30.0]), st.floats(0, 1e7)),
    max_size=40,
)


def _trust(rows: list[tuple[int, float, float, float]], now_s: float) -> trust.TrustScores:
    config, arrays = trust.TrustConfig(), SlotArrays(trust.FIELDS, 4)
    columns = np.array(rows, np.float64).reshape(-1, 4)
    trust.update(config, arrays, columns[:, 0].astype(np.int32), *columns.T[1:3], START_S + columns[:, 3])
    return trust.read(config, arrays, np.arange(4, dtype=np.int32), now_s)


@settings(deadline=None)
@given(evidence)
def test_trust_equals_the_scalar_reference(rows: list[tuple[int, float, float, float]]) -> None:
    now_s, z = START_S + 1.2e7, 1.645
    scores = _trust(rows, now_s)
    for slot in range(4):
        mine = [row for row in rows if row[0] == slot]
        decay = [2 ** (-(now_s - START_S - t) / (7 * 86_400)) for *_, t in mine]
        a = 9 + sum(ok * d for (_, ok, _, _), d in zip(mine, decay, strict=True))
        b = 1 + sum(bad * d for (_, _, bad, _), d in zip(mine, decay, strict=True))
        n, p = a + b, a / (a + b)
        wilson = (p + z * z / 2 / n - z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)) / (1 + z * z / n)
        np.testing.assert_allclose((scores.n[slot], scores.p[slot], scores.trust[slot]), (n, p, wilson), rtol=1e-9)
        assert scores.violations[slot] == sum(bad > 0 for _, _, bad, _ in mine)


@settings(deadline=None)
@given(evidence, st.randoms(use_true_random=False))
def test_trust_does_not_depend_on_the_order(rows: list[tuple[int, float, float, float]], random: Random) -> None:
    shuffled = random.sample(rows, len(rows))
    np.testing.assert_allclose(_trust(rows, START_S + 2e7).trust, _trust(shuffled, START_S + 2e7).trust, rtol=1e-12)


@settings(deadline=None)
@given(st.lists(st.floats(0.2, 400), min_size=1, max_size=60))
def test_heartbeat_equals_the_scalar_reference(gaps: list[float]) -> None:
    config, arrays = heartbeat.HeartbeatConfig(), SlotArrays(heartbeat.FIELDS, 1)
    times = START_S + np.concatenate(([0.0], np.cumsum(gaps)))
    n = times.size
    heartbeat.update(
        config, arrays, np.zeros(n, np.int32), times, np.full(n, 30.0), np.full(n, np.nan), np.full(n, np.nan),
        np.zeros(n, np.uint8),
    )  # fmt: skip
    interval, jitter, p, rho = 30.0, 0.0025 * 900, 0.005, 0.1
    for g in np.diff(times):
        k = max(1, round(g / interval))
        d = min(max(g - k * interval, -interval / 2), interval / 2)
        missed, interval, jitter = k - 1, interval + 0.01 * d / k, 0.99 * (jitter + 0.01 * d * d)
        p = min(max(p + 0.002 * ((missed > 0) - p), 1e-4), 0.5)
        if missed:
            mm = min(missed, 6)
            rho = min(max(rho + (1 - 0.98**mm) * ((mm - 1) / mm - rho), 0.05), 0.9)
    learned = [arrays[name][0] for name in ("interval_s", "jitter_s2", "loss", "burst")]
    np.testing.assert_allclose(learned, (interval, jitter, p, rho), rtol=1e-4)
    beats = min(max(1 + math.ceil((config.phi + math.log10(learned[2])) / -math.log10(learned[3])), 2), 12)
    margin = 2.0 * math.sqrt(learned[1]) + 0.05 * learned[0] + (5.0 if n <= 2 else 0.0)
    deadline = times[-1] + beats * learned[0] + margin
    np.testing.assert_allclose(arrays["offline_at_s"][0] - times[-1], deadline - times[-1], rtol=1e-5)
