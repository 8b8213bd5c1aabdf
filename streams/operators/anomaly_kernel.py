"""The compiled loop of `streams.operators.anomaly`, which documents the formula, the state and the settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from schemas.kernels import kept

OUT_COLUMNS = 12
"""expected, lower, upper, score, five terms, lasting, confidence, whether it was flagged."""
MOST = 1e18
"""Values beyond +-MOST count as that: their squares would not fit into the state's float32."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile without the GIL; keep the machine code on disk where a folder can be written, else compile anew."""
    try:
        kernel: Callable[..., Any] = kept(function)
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        kernel = numba.njit(nogil=True)(function)
    return kernel


@compiled
def _record(y: float, lo: float, hi: float, margin: float, floor: float) -> float:
    """Evidence of a value beyond its range: 0 to 8, 4 at a tenth of the range beyond it."""
    over = max(y - hi, lo - y) - margin
    if over <= 0.0:
        return 0.0
    span = max(hi - lo, floor)
    if span <= 0.0 or over > 10.0 * span:
        return 8.0
    return min(max(4.0 + 2.0 * math.log10(10.0 * max(over / span, 1e-4)), 0.0), 8.0)


@compiled
def _trend(h: float, kept: Any, weight: Any, limit: float) -> bool:  # noqa: ANN401  # tuples of floats
    """Whether residual `h` would leave the trend terms below `limit`."""
    total = 0.0
    for i in range(3):
        total += min(abs(kept[i] + weight[i] * h), 12.0)
    return total / 1.5 < limit


@compiled
def _edge(inside: float, step: float, kept: Any, weight: Any, limit: float) -> float:  # noqa: ANN401  # tuples of floats
    """The residual at which the trend terms reach `limit`, going from `inside` by `step`."""
    for _ in range(64):
        if not _trend(inside + step, kept, weight, limit):
            break
        inside += step
        step *= 2.0
    for _ in range(40):
        step *= 0.5
        if _trend(inside + step, kept, weight, limit):
            inside += step
    return inside


@compiled
def _bounds(kept: Any, weight: Any, limit: float) -> tuple[float, float]:  # noqa: ANN401  # tuples of floats
    """Residuals below and above 0 between which the trend terms stay below `limit`.

    After a run of strange values the averages alone reach it, and 0 lies outside of what would bring them back: then
    the bounds are those of a value after a calm past.
    """
    step = 1.0 / weight[0]
    past = kept if _trend(0.0, kept, weight, limit) else (0.0, 0.0, 0.0)
    return _edge(0.0, -step, past, weight, limit), _edge(0.0, step, past, weight, limit)


@compiled
def _confidence(excess: float, lasts: float, n: float) -> float:
    """How sure a flag is: `excess` its score over the limit, `lasts` lasting/strong, `n` values seen before it."""
    doubt = 0.5 / excess * (1.0 - min(lasts, 1.0))
    return (1.0 - doubt) * (1.0 - 1.0 / math.sqrt(2.0 * n))


@compiled
def scan(  # noqa: PLR0912, PLR0915  # one loop on purpose: a call or a second pass costs more than the arithmetic
    order: Any,  # noqa: ANN401  # compiled for arrays of fixed type
    slots: Any,  # noqa: ANN401  # Numba types it
    values: Any,  # noqa: ANN401  # Numba types it
    event_time_s: Any,  # noqa: ANN401  # Numba types it
    terms: Any,  # noqa: ANN401  # Numba types it
    baseline: Any,  # noqa: ANN401  # Numba types it
    baseline_count: Any,  # noqa: ANN401  # Numba types it
    last_s: Any,  # noqa: ANN401  # Numba types it
    baseline_s: Any,  # noqa: ANN401  # Numba types it
    calm: Any,  # noqa: ANN401  # Numba types it
    repeats: Any,  # noqa: ANN401  # Numba types it
    floors: Any,  # noqa: ANN401  # Numba types it
    threshold: float,
    strong: float,
    refractory: float,
    warm_up: float,
    caution: float,
    relative_floor: float,
    habit_factor: float,
    clip: float,
    range_share: float,
    settled: float,
    outlasted: float,
    repeat_cost: float,
    repeat_most: float,
    repeat_steps: float,
    range_steps: float,
    step_s: float,
    late_s: float,
    every: bool,
    out_index: Any,  # noqa: ANN401  # Numba types it
    out: Any,  # noqa: ANN401  # Numba types it
) -> int:
    rows = 0
    metrics = values.shape[1]
    for position in range(order.size):
        row = order[position]
        slot = slots[row]
        now = event_time_s[row]
        if not np.isfinite(now):
            continue
        last = last_s[slot]
        if last - late_s < now <= last:
            continue
        last_s[slot] = now
        pace = 1.0
        if now > last:
            pace = min(max((now - last) / step_s, 1.0 / 30.0), 1.0)
        learn_baseline = not (0.0 <= now - baseline_s[slot] < 0.8 * step_s)
        if learn_baseline:
            baseline_s[slot] = now
        hour = int(now // 3600.0) % 24
        state = terms[slot]
        shrink = 0.5 * (1.0 - 2.0 ** (-pace / range_steps))
        kept_repeats = math.exp(-pace / repeat_steps)
        rate_fast, rate_medium, rate_slow, rate_mean = 0.001 * pace, 0.003 * pace, 0.01 * pace, 0.003 * pace
        for j in range(metrics):
            value = values[row, j]
            if not np.isfinite(value) or floors[j] == np.inf:
                continue
            value = min(max(value, -MOST), MOST)
            n = state[1, j]
            if n == 0.0:
                for term in range(16):
                    state[term, j] = 0.0
                state[0, j] = value
                state[1, j] = 1.0
                state[2, j] = refractory + 1.0
                calm[slot, j], repeats[slot, j] = 0.0, 0.0
                if learn_baseline:
                    baseline_count[slot, hour, j] = 1
                continue
            origin = np.float64(state[0, j])
            x = value - origin
            mean = np.float64(state[3, j])
            r = x - mean
            learned = np.float64(baseline_count[slot, hour, j])
            hourly = np.float64(baseline[slot, hour, j])
            expected = mean + learned / (learned + 10.0) * hourly
            h = x - expected
            eps = 1e-9 + 1e-6 * abs(mean + origin)
            young = n * pace < settled
            cautious_floor = max(relative_floor * abs(mean + origin), floors[j])
            floor = cautious_floor if young or floors[j] > 0.0 else 0.0
            share = range_share if young else 0.0
            least_rate = 1.0 / (n + 1.0)
            before_fast, before_medium = np.float64(state[4, j]), np.float64(state[5, j])
            before_slow = np.float64(state[6, j])
            fast = before_fast + 0.3 * (h - before_fast)
            medium = before_medium + 0.07 * (h - before_medium)
            slow = before_slow + 0.03 * (h - before_slow)
            lo, hi = np.float64(state[11, j]), np.float64(state[12, j])
            least_scale = max(floor, share * (max(hi, x) - min(lo, x)))
            sd_fast = math.sqrt(np.float64(state[7, j]))
            scale_fast = max(sd_fast, least_scale) + eps
            sd_medium = math.sqrt(np.float64(state[8, j]))
            scale_medium = max(sd_medium, least_scale) + eps
            sd_slow = math.sqrt(np.float64(state[9, j]))
            scale_slow = max(sd_slow, least_scale) + eps
            z_fast = min(abs(fast) / scale_fast, 12.0) / 1.5
            z_medium = min(abs(medium) / scale_medium, 12.0) / 1.5
            z_slow = min(abs(slow) / scale_slow, 12.0) / 1.5
            state[4, j], state[5, j], state[6, j] = fast, medium, slow
            widest = clip if young and n >= warm_up else np.inf
            spread = abs(h)
            most = 0.1 * (hi - lo)
            square = min(spread, max(widest * max(sd_fast, floor), most)) ** 2
            state[7, j] += max(rate_fast, least_rate) * (square - state[7, j])
            square = min(spread, max(widest * max(sd_medium, floor), most)) ** 2
            state[8, j] += max(rate_medium, least_rate) * (square - state[8, j])
            square = min(spread, max(widest * max(sd_slow, floor), most)) ** 2
            state[9, j] += max(rate_slow, least_rate) * (square - state[9, j])
            quiet = np.float64(calm[slot, j])
            if np.isnan(quiet):
                quiet = np.float64(state[8, j])
            sd_calm = math.sqrt(quiet)
            square = spread**2
            if n >= warm_up:
                square = min(spread, max(clip * max(sd_calm, cautious_floor), most)) ** 2
            calm[slot, j] = quiet + max(rate_medium, least_rate) * (square - quiet)
            smooth = np.float64(state[10, j])
            smooth += 0.15 * (x - smooth)
            state[10, j] = smooth
            smooth_lo, smooth_hi = np.float64(state[13, j]), np.float64(state[14, j])
            habit = np.float64(state[15, j])
            margin = floor + (habit_factor * habit if young else 0.0)
            record = _record(x, lo, hi, margin, floor)
            record_smooth = _record(smooth, smooth_lo, smooth_hi, margin, floor)
            state[15, j] = habit + 0.1 * (max(x - hi, lo - x, 0.0) - habit)
            inward = shrink * (hi - lo)
            state[11, j], state[12, j] = min(lo + inward, x), max(hi - inward, x)
            inward = shrink * (smooth_hi - smooth_lo)
            state[13, j], state[14, j] = min(smooth_lo + inward, smooth), max(smooth_hi - inward, smooth)
            since = state[2, j]
            trend = z_fast + z_medium + z_slow
            if record + record_smooth > 0.0 and n < outlasted:
                believed = math.log(0.5 * max(n, 2.0)) / math.log(0.5 * outlasted)
                record, record_smooth = believed * record, believed * record_smooth
            score = trend + record + record_smooth
            habituation = kept_repeats * np.float64(repeats[slot, j])
            repeats[slot, j] = habituation
            limit = threshold * (1.0 + caution / n) * (1.0 + repeat_cost * habituation)
            enough = score >= limit and n >= warm_up
            lasting = 0.0
            if enough or every:
                scale = max(sd_calm, cautious_floor, range_share * (max(hi, x) - min(lo, x))) + eps
                lasting = min(abs(fast) / scale, 12.0) + min(abs(medium) / scale, 12.0) + min(abs(slow) / scale, 12.0)
                lasting /= 1.5
            flagged = enough and (abs(since) > refractory or (lasting >= strong and since < 0.0))
            if flagged or every:
                least_scale = max(floor, share * (hi - lo))
                scale_fast = max(sd_fast, least_scale) + eps
                scale_medium = max(sd_medium, least_scale) + eps
                scale_slow = max(sd_slow, least_scale) + eps
                lower, upper = _bounds(
                    (
                        0.7 * before_fast / scale_fast,
                        0.93 * before_medium / scale_medium,
                        0.97 * before_slow / scale_slow,
                    ),
                    (0.3 / scale_fast, 0.07 / scale_medium, 0.03 / scale_slow),
                    limit,
                )
                out_index[rows, 0], out_index[rows, 1] = row, j
                out[rows, 0] = origin + expected
                out[rows, 1] = origin + expected + lower
                out[rows, 2] = origin + expected + upper
                out[rows, 3] = score
                out[rows, 4], out[rows, 5], out[rows, 6] = z_fast, z_medium, z_slow
                out[rows, 7], out[rows, 8] = record, record_smooth
                out[rows, 9] = lasting
                out[rows, 10] = _confidence(score / limit, lasting / strong, n) if enough else 0.0
                out[rows, 11] = flagged
                rows += 1
            if flagged:
                state[2, j] = 1.0 if lasting >= strong else -1.0
                repeats[slot, j] = min(habituation + 1.0, repeat_most)
            elif since < 0.0:
                state[2, j] = max(since - 1.0, -8388608.0)
            else:
                state[2, j] = min(since + 1.0, 8388608.0)
            state[1, j] = min(n + 1.0, 8388608.0)
            state[3, j] = mean + max(rate_mean, least_rate) * r
            if learn_baseline:
                baseline[slot, hour, j] = hourly + max(0.05, 1.0 / (learned + 1.0)) * (r - hourly)
                baseline_count[slot, hour, j] = min(learned + 1.0, 255.0)
    return rows
