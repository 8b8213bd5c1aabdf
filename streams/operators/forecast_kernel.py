"""The compiled loop of `streams.operators.forecast`: one step of every series, and what it forecasts.

Values are in units of their threshold, so that "crosses" is 1 for every metric. k counts steps since the epoch; twelve
steps are an "hour", 24 of them a "day": with steps of five minutes hours and days as on the wall (UTC).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.operators.anomaly import compiled

HOURS, STEPS_AN_HOUR = 24, 12
SEASONS, STEPS_A_SEASON = 8, 36
LEVEL, SLOPE, MEAN, ERROR2, DELTA2, LAST, TOLD = range(7)
TERMS = 7
SEASON_UNIT = 1.0 / 8192.0
LOGIT_UNIT = 1.0 / 4096.0
YESTERDAY_UNIT = 1.0 / 32768.0
LOGIT_LIMIT = 6.0
LEVEL_RATE, SLOPE_RATE, DAMPING = 0.05, 0.0015, 0.9995
LONGEST_GAP = 255
STEPS_A_DAY = HOURS * STEPS_AN_HOUR
MOST_SEEN = 65_535
OUT_COLUMNS = 10
"""row, target, leak, probability, value, p_walk, p_trend, p_exceed, expected_at_s, slope_per_hour (in thresholds)."""


@compiled
def _phi(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@compiled
def _logit(p: float) -> float:
    least = 1.0 / (1.0 + math.exp(LOGIT_LIMIT))
    p = min(max(p, least), 1.0 - least)
    return math.log(p / (1.0 - p))


@compiled
def _damped(steps: float) -> float:
    """Sum of the damped slope over so many steps: (1 - f**s)/(1 - f)."""
    return float((1.0 - DAMPING**steps) / (1.0 - DAMPING))


@compiled
def _days_and_hits(history: int) -> tuple[int, int]:
    days, hits = 0, 0
    while history > 1:
        hits += history & 1
        days += 1
        history >>= 1
    return days, hits


@compiled
def p_exceed(hours: Any, first: int, count: int) -> float:  # noqa: ANN401  # Numba types it
    """1 - prod(1 - e_hour) over `count` hours from `first`; e shrinks to the rate over all hours."""
    total_days, total_hits = 0, 0
    for hour in range(HOURS):
        days, hits = _days_and_hits(hours[hour])
        total_days += days
        total_hits += hits
    base = (total_hits + 0.2) / (total_days + 4.0)
    none = 1.0
    for ahead in range(count):
        days, hits = _days_and_hits(hours[(first + ahead) % HOURS])
        none *= 1.0 - (hits + base) / (days + 1.0)
    return 1.0 - none


@compiled
def p_trend(terms: Any, season: Any, k: int, steps: int) -> tuple[float, float]:  # noqa: ANN401  # Numba types it
    """Damped Holt with hour of day: the highest probability of any hour ahead, and the step at which it first reaches
    the threshold, or else comes nearest."""
    level, slope, error2 = terms[LEVEL], terms[SLOPE], terms[ERROR2] + 1e-12
    best, best_at, crosses_at = -1e9, 1.0, -1.0
    ahead = min(STEPS_AN_HOUR // 2, steps)
    while ahead <= steps:
        part = ((k + ahead) // STEPS_A_SEASON) % SEASONS
        expected = level + slope * _damped(ahead) + season[part] * SEASON_UNIT
        sigma2 = error2 * (1.0 + LEVEL_RATE**2 * ahead + SLOPE_RATE**2 * ahead**3 / 3.0)
        z = (expected - 1.0) / math.sqrt(sigma2)
        if z > best:
            best, best_at = z, ahead
        if expected >= 1.0 and crosses_at < 0.0:
            crosses_at = ahead
        if ahead == steps:
            break
        ahead = min(ahead + STEPS_AN_HOUR, steps)
    return _phi(best), crosses_at if crosses_at > 0.0 else best_at


@compiled
def mix(weights: Any, walk: float, trend: float, exceed: float) -> float:  # noqa: ANN401  # Numba types it
    """sigmoid(w . [three logits, 1])."""
    total = weights[0] * walk + weights[1] * trend + weights[2] * exceed + weights[3]
    return 1.0 / (1.0 + math.exp(-total))


@compiled
def _learn(learned: Any, start: Any, logits: Any, crossed: float, rate: float) -> None:  # noqa: ANN401  # Numba types it
    """One AdaGrad step of the log loss; `learned`: [2, 4], what was added to `start`, and sums of squared gradients."""
    total = start[3] + learned[0, 3]
    for i in range(3):
        total += (start[i] + learned[0, i]) * logits[i] * LOGIT_UNIT
    miss = 1.0 / (1.0 + math.exp(-total)) - crossed
    for i in range(4):
        gradient = miss * (logits[i] * LOGIT_UNIT if i < 3 else 1.0)
        learned[1, i] += gradient * gradient
        learned[0, i] -= rate * gradient / math.sqrt(learned[1, i] + 1e-8)


@compiled
def _advance(terms: Any, season: Any, seen: int, gap: int, k: int, x: float) -> None:  # noqa: ANN401  # Numba types it
    """Damped Holt, its errors, the random walk's, and the season, for a value `gap` steps after the last."""
    part = (k // STEPS_A_SEASON) % SEASONS
    if seen == 0 or gap >= LONGEST_GAP:
        if seen == 0:
            terms[MEAN], terms[TOLD] = x, -1.0
        terms[LEVEL], terms[SLOPE], terms[LAST] = x - season[part] * SEASON_UNIT, 0.0, x
        return
    expected = terms[LEVEL] + terms[SLOPE] * _damped(gap)
    seasonal = season[part] * SEASON_UNIT
    error = x - expected - seasonal
    delta = x - terms[LAST]
    rate = max(0.01, 1.0 / (seen + 1.0))
    terms[LEVEL] = expected + max(1.0 - (1.0 - LEVEL_RATE) ** gap, 1.0 / (seen + 1.0)) * error
    terms[SLOPE] = terms[SLOPE] * DAMPING**gap + SLOPE_RATE * error
    terms[ERROR2] += rate * (error * error - terms[ERROR2])
    terms[DELTA2] += rate * (delta * delta / gap - terms[DELTA2])
    terms[LAST] = x
    residual = x - terms[MEAN]
    terms[MEAN] += max(0.003, 1.0 / (seen + 1.0)) * residual
    learned = (seasonal + 0.05 * (residual - seasonal)) / SEASON_UNIT
    season[part] = math.floor(min(max(learned, -32000.0), 32000.0) + 0.5)


@compiled
def _settle(learned: Any, start: Any, pending: Any, left: int, gap: int, horizon: int, x: float, rate: float) -> int:  # noqa: ANN401  # Numba types it
    """Hold the pending forecast against a value `gap` steps later; what it has left, 0 = none pending any more.

    What happened in a gap of more than a quarter of the horizon is not known: nothing is learned then.
    """
    if left == 0:
        return 0
    if gap <= left and x >= 1.0:
        _learn(learned, start, pending, 1.0, rate)
        return 0
    if gap > max(horizon // 4, 1) or gap >= LONGEST_GAP:
        return 0
    if gap >= left:
        _learn(learned, start, pending, 0.0, rate)
        return 0
    return left - gap


@compiled
def _push_hour(history: int, crossed: bool) -> int:
    """One more day below the leading 1; the oldest of more than seven goes."""
    history = history << 1 | (1 if crossed else 0)
    return history & 127 | 128 if history > LONGEST_GAP else history


@compiled
def _grow(growth: Any, streak: int, change: float) -> int:  # noqa: ANN401  # Numba types it
    """Take in the change of an hour's mean since the same hour of the day before; hours of growth, at most 255."""
    rate = max(1.0 / HOURS, 1.0 / (streak + 1.0))
    difference = change - growth[0]
    growth[0] += rate * difference
    growth[1] = (1.0 - rate) * (growth[1] + rate * difference * difference)
    grew = change > max(0.25 * growth[0], 0.0)  # after a jump the mean is still high when nothing grows any more
    return min(streak + 1, 255) if grew else max(streak - 2, 0)


@compiled
def p_leak(growth: Any, streak: int, least: int, x: float, days: float) -> float:  # noqa: ANN401  # Numba types it
    """Probability that steady growth reaches the threshold within so many days; 0 while growth was not seen for `least`
    hours. The mean of a day's changes is taken to be half as uncertain as one of them: neighbours are alike."""
    if streak < least or growth[0] <= 0.0:
        return 0.0
    return float(_phi((x + days * growth[0] - 1.0) / (0.5 * days * math.sqrt(growth[1]) + 1e-6)))


@compiled
def kernel(  # noqa: PLR0912, PLR0915  # one loop on purpose: learned weights are shared, so rows count in their order
    slots: Any,  # noqa: ANN401  # compiled for arrays of fixed type
    groups: Any,  # noqa: ANN401  # Numba types it
    values: Any,  # noqa: ANN401  # Numba types it
    event_time_s: Any,  # noqa: ANN401  # Numba types it
    columns: Any,  # noqa: ANN401  # Numba types it
    thresholds: Any,  # noqa: ANN401  # Numba types it
    horizons: Any,  # noqa: ANN401  # Numba types it
    leak_of: Any,  # noqa: ANN401  # Numba types it
    start: Any,  # noqa: ANN401  # Numba types it
    last_s: Any,  # noqa: ANN401  # Numba types it
    closed: Any,  # noqa: ANN401  # Numba types it
    total: Any,  # noqa: ANN401  # Numba types it
    count: Any,  # noqa: ANN401  # Numba types it
    terms: Any,  # noqa: ANN401  # Numba types it
    seen: Any,  # noqa: ANN401  # Numba types it
    gap: Any,  # noqa: ANN401  # Numba types it
    season: Any,  # noqa: ANN401  # Numba types it
    hours: Any,  # noqa: ANN401  # Numba types it
    this_hour: Any,  # noqa: ANN401  # Numba types it
    left: Any,  # noqa: ANN401  # Numba types it
    pending: Any,  # noqa: ANN401  # Numba types it
    yesterday: Any,  # noqa: ANN401  # Numba types it
    hour_total: Any,  # noqa: ANN401  # Numba types it
    hour_count: Any,  # noqa: ANN401  # Numba types it
    growth: Any,  # noqa: ANN401  # Numba types it
    streak: Any,  # noqa: ANN401  # Numba types it
    learned: Any,  # noqa: ANN401  # Numba types it
    step_s: float,
    late_s: float,
    rate: float,
    warm_up: int,
    change: float,
    leak_hours: int,
    leak_days: float,
    leak_confidence: float,
    out: Any,  # noqa: ANN401  # Numba types it
) -> int:
    told = 0
    targets = columns.size
    latest_s = step_s * 2147483000.0
    for row in range(slots.size):
        now = event_time_s[row]
        if not 0.0 <= now < latest_s:
            continue
        slot = slots[row]
        last = last_s[slot]
        if last - late_s < now <= last:
            continue
        last_s[slot] = now
        step = int(now // step_s)
        k = int(last // step_s) if last == last else step  # noqa: PLR0124  # NaN: the first event of a slot
        if step < k:  # the clock was set back: what was begun is of a time that comes again
            closed[slot] = -1
            for j in range(targets):
                total[slot, j], count[slot, j] = 0.0, 0
                gap[slot, j] = LONGEST_GAP
                this_hour[slot, j] = 0
        elif step > k:
            before = closed[slot]
            since = k - before if before >= 0 else 1
            closed[slot] = k
            hour = (k // STEPS_AN_HOUR) % HOURS
            hour_ends = step // STEPS_AN_HOUR != k // STEPS_AN_HOUR
            group = groups[row]
            for j in range(targets):
                leak = leak_of[j]
                if leak >= 0 and before >= 0:
                    # Hours in which nothing came have no mean to compare with.
                    for missed in range(
                        before // STEPS_AN_HOUR + 1, min(k // STEPS_AN_HOUR, before // STEPS_AN_HOUR + 25)
                    ):
                        yesterday[slot, leak, missed % HOURS] = 0
                apart = min(gap[slot, j] + since, LONGEST_GAP)
                n = count[slot, j]
                if n == 0:
                    gap[slot, j] = apart
                else:
                    x = min(max(total[slot, j] / n, -100.0), 100.0)
                    total[slot, j], count[slot, j], gap[slot, j] = 0.0, 0, 0
                    state = terms[slot, j]
                    waiting = _settle(
                        learned[group, j], start, pending[slot, j], left[slot, j], apart, horizons[j], x, rate
                    )
                    _advance(state, season[slot, j], seen[slot, j], apart, k, x)
                    seen[slot, j] += 1 if seen[slot, j] < MOST_SEEN else 1 - STEPS_A_DAY
                    this_hour[slot, j] = max(this_hour[slot, j], 2 if x >= 1.0 else 1)
                    if leak >= 0:
                        hour_total[slot, leak] += x
                        hour_count[slot, leak] += 1
                    if seen[slot, j] >= warm_up:
                        walk, trend, exceed, at, p = 1.0, 1.0, 1.0, 0.0, 1.0
                        if x < 1.0:
                            spread = math.sqrt((state[DELTA2] + 1e-12) * horizons[j])
                            walk = _phi((x - 1.0) / spread)
                            trend, at = p_trend(state, season[slot, j], k, horizons[j])
                            ahead = (horizons[j] + STEPS_AN_HOUR - 1) // STEPS_AN_HOUR
                            exceed = p_exceed(hours[slot, j], k // STEPS_AN_HOUR, ahead)
                            logits = (_logit(walk), _logit(trend), _logit(exceed))
                            p = mix(start + learned[group, j, 0], logits[0], logits[1], logits[2])
                            # One pending at a time, begun on a grid that wanders through the day: a new one after each
                            # crossing would learn from restless times only.
                            grid = horizons[j] + STEPS_AN_HOUR
                            if waiting == 0 and before >= 0 and k // grid != before // grid:
                                waiting = horizons[j]
                                for i in range(3):
                                    pending[slot, j, i] = round(logits[i] / LOGIT_UNIT)
                        already = state[TOLD]
                        if (
                            abs(p - already) >= change
                            or (p >= 0.5) != (already >= 0.5)
                            or seen[slot, j] % STEPS_AN_HOUR == 0
                        ):
                            state[TOLD] = p
                            out[told, 0], out[told, 1], out[told, 2], out[told, 3] = row, j, 0.0, p
                            out[told, 4], out[told, 5], out[told, 6], out[told, 7] = x, walk, trend, exceed
                            out[told, 8] = (k + 1 + at) * step_s if p >= 0.5 else math.nan
                            out[told, 9] = state[SLOPE] * STEPS_AN_HOUR
                            told += 1
                    left[slot, j] = waiting
                if hour_ends and this_hour[slot, j] > 0:
                    hours[slot, j, hour] = _push_hour(hours[slot, j, hour], this_hour[slot, j] > 1)
                    this_hour[slot, j] = 0
                    if leak >= 0:
                        mean = hour_total[slot, leak] / hour_count[slot, leak]
                        hour_total[slot, leak], hour_count[slot, leak] = 0.0, 0
                        known = yesterday[slot, leak, hour]
                        stored = int(min(max(mean / YESTERDAY_UNIT, 0.0), 65534.0) + 0.5) + 1
                        yesterday[slot, leak, hour] = min(stored, 65535)
                        if known > 0:
                            change_of_day = mean - (known - 1) * YESTERDAY_UNIT
                            streak[slot, leak] = _grow(growth[slot, leak], streak[slot, leak], change_of_day)
                            p = p_leak(growth[slot, leak], streak[slot, leak], leak_hours, mean, leak_days)
                            already = growth[slot, leak, 2]
                            begins = already < 0.5 and p >= leak_confidence
                            ends = already >= 0.5 and p < 0.5
                            again = already >= 0.5 and (
                                abs(p - already) >= max(change, 0.05) or seen[slot, j] % STEPS_A_DAY < STEPS_AN_HOUR
                            )
                            if begins or ends or again:
                                growth[slot, leak, 2] = p
                                out[told, 0], out[told, 1], out[told, 2], out[told, 3] = row, j, 1.0, p
                                out[told, 4] = mean
                                out[told, 5], out[told, 6], out[told, 7] = math.nan, math.nan, math.nan
                                a_step = growth[slot, leak, 0] / (HOURS * STEPS_AN_HOUR)
                                out[told, 8] = math.nan
                                if p >= 0.5:
                                    out[told, 8] = (k + 1 + max((1.0 - mean) / a_step, 0.0)) * step_s
                                out[told, 9] = a_step * STEPS_AN_HOUR
                                told += 1
        for j in range(targets):
            value = values[row, columns[j]]
            if np.isfinite(value) and count[slot, j] < 65535:
                total[slot, j] += min(max(value / thresholds[j], -100.0), 100.0)
                count[slot, j] += 1
    return told
