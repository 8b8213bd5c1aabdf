"""The forecast kernel against a scalar reference: one series, one step after the other, as the formulas read."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.operators import forecast
from streams.operators.arrays import SlotArrays
from streams.operators.forecast import HOUR_S, ForecastConfig, Target

START_S = 1_790_035_200.0
TOLD = ("probability", "value", "p_walk", "p_trend", "p_exceed", "slope_per_hour", "expected_at_s")
Told = tuple[int, bool, tuple[float, ...]]


def f32(value: float) -> float:
    """As the state keeps it."""
    return float(np.float32(value))


def phi(z: float) -> float:
    """The normal distribution."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def logit(p: float) -> float:
    """Within -6 and 6."""
    least = 1 / (1 + math.exp(6.0))
    p = min(max(p, least), 1 - least)
    return math.log(p / (1 - p))


def damped(steps: float) -> float:
    """(1 - f**s)/(1 - f)."""
    return (1 - 0.9995**steps) / (1 - 0.9995)


@dataclass
class Reference:
    """One series; everything in thresholds, k in steps since the epoch."""

    config: ForecastConfig
    level: float = 0.0
    slope: float = 0.0
    mean: float = 0.0
    error2: float = 0.0
    delta2: float = 0.0
    newest: float = 0.0
    told: float = -1.0
    seen: int = 0
    gap: int = 0
    season: list[int] = field(default_factory=lambda: [0] * 8)
    hours: list[deque[bool]] = field(default_factory=lambda: [deque(maxlen=7) for _ in range(24)])
    crossed: bool | None = None
    left: int = 0
    pending: tuple[int, ...] = (0, 0, 0)
    weights: list[float] = field(default_factory=lambda: [0.0] * 4)
    squares: list[float] = field(default_factory=lambda: [0.0] * 4)
    yesterday: dict[int, float] = field(default_factory=dict)
    hour_total: float = 0.0
    hour_count: int = 0
    growth: float = 0.0
    spread: float = 0.0
    leak_told: float = 0.0
    streak: int = 0

    @property
    def target(self) -> Target:
        """What is forecast."""
        return self.config.targets[0]

    @property
    def horizon(self) -> int:
        """In steps."""
        return round(self.target.horizon_s / self.config.step_s)

    def weight(self, number: int) -> float:
        """One of the mix."""
        return self.config.start[number] + self.weights[number]

    def mixed(self, logits: tuple[float, ...]) -> float:
        """The sigmoid of the weighted sum."""
        total = sum(self.weight(i) * z for i, z in enumerate(logits)) + self.weight(3)
        return 1 / (1 + math.exp(-total))

    def learn(self, outcome: float) -> None:
        """AdaGrad on the log loss of the pending forecast."""
        logits = [z / 4096 for z in self.pending]
        miss = self.mixed(tuple(logits)) - outcome
        for i, z in enumerate([*logits, 1.0]):
            self.squares[i] += (miss * z) ** 2
            self.weights[i] -= self.config.learning_rate * miss * z / math.sqrt(self.squares[i] + 1e-8)

    def settle(self, gap: int, x: float) -> int:
        """Steps that the pending forecast still has."""
        if self.left == 0:
            return 0
        if gap <= self.left and x >= 1:
            self.learn(1.0)
            return 0
        if gap > max(self.horizon // 4, 1) or gap >= 255:
            return 0
        if gap >= self.left:
            self.learn(0.0)
            return 0
        return self.left - gap

    def advance(self, gap: int, k: int, x: float) -> None:
        """Damped Holt, errors, walk, season."""
        part = k // 36 % 8
        if self.seen == 0 or gap >= 255:
            if self.seen == 0:
                self.mean, self.told = f32(x), -1.0
            self.level, self.slope, self.newest = f32(x - self.season[part] / 8192), 0.0, f32(x)
            return
        expected, seasonal, n = self.level + self.slope * damped(gap), self.season[part] / 8192, self.seen
        error, delta = x - expected - seasonal, x - self.newest
        rate = max(0.01, 1 / (n + 1))
        self.level = f32(expected + max(1 - 0.95**gap, 1 / (n + 1)) * error)
        self.slope = f32(self.slope * 0.9995**gap + 0.0015 * error)
        self.error2 = f32(self.error2 + rate * (error**2 - self.error2))
        self.delta2 = f32(self.delta2 + rate * (delta**2 / gap - self.delta2))
        self.newest = f32(x)
        residual = x - self.mean
        self.mean = f32(self.mean + max(0.003, 1 / (n + 1)) * residual)
        learned = (seasonal + 0.05 * (residual - seasonal)) * 8192
        self.season[part] = math.floor(min(max(learned, -32000.0), 32000.0) + 0.5)

    def trend(self, k: int) -> tuple[float, float]:
        """P_trend, and the step of the crossing or of the nearest approach."""
        best, best_at, crossing = -1e9, 1.0, None
        for ahead in sorted({min(6 + 12 * hour, self.horizon) for hour in range(self.horizon // 12 + 2)}):
            expected = self.level + self.slope * damped(ahead) + self.season[(k + ahead) // 36 % 8] / 8192
            variance = (self.error2 + 1e-12) * (1 + 0.05**2 * ahead + 0.0015**2 * ahead**3 / 3)
            z = (expected - 1) / math.sqrt(variance)
            if z > best:
                best, best_at = z, ahead
            if expected >= 1 and crossing is None:
                crossing = ahead
        return phi(best), best_at if crossing is None else crossing

    def exceed(self, k: int) -> float:
        """P_exceed over the hours of the horizon."""
        base = (sum(map(sum, self.hours)) + 0.2) / (sum(map(len, self.hours)) + 4)
        ahead = [self.hours[(k // 12 + i) % 24] for i in range(-(-self.horizon // 12))]
        return 1 - math.prod(1 - (sum(hour) + base) / (len(hour) + 1) for hour in ahead)

    def close(self, k: int, before: int, gap: int, x: float) -> list[tuple[bool, tuple[float, ...]]]:
        """A step with the mean x is done."""
        waiting = self.settle(gap, x)
        self.advance(gap, k, x)
        self.seen += 1
        self.crossed = bool(self.crossed) or x >= 1
        self.hour_total, self.hour_count = f32(self.hour_total + x), self.hour_count + 1
        found: list[tuple[bool, tuple[float, ...]]] = []
        if self.seen >= self.config.warm_up:
            walk = trend = exceed = p = 1.0
            at = 0.0
            if x < 1:
                walk = phi((x - 1) / math.sqrt((self.delta2 + 1e-12) * self.horizon))
                (trend, at), exceed = self.trend(k), self.exceed(k)
                logits = (logit(walk), logit(trend), logit(exceed))
                p = self.mixed(logits)
                grid = self.horizon + 12
                if waiting == 0 and before >= 0 and k // grid != before // grid:
                    waiting, self.pending = self.horizon, tuple(round(z * 4096) for z in logits)
            said = (p >= 0.5) != (self.told >= 0.5)
            if abs(p - self.told) >= self.config.change or said or self.seen % 12 == 0:
                self.told = f32(p)
                expected_s = (k + 1 + at) * self.config.step_s if p >= 0.5 else math.nan
                found.append((False, (p, x, walk, trend, exceed, self.slope * 12, expected_s)))
        self.left = waiting
        return found

    def close_hour(self, k: int) -> list[tuple[bool, tuple[float, ...]]]:
        """The hour of step k is done; a leak is told when it is surer than before."""
        if self.crossed is None:
            return []
        hour = k // 12 % 24
        self.hours[hour].append(self.crossed)
        self.crossed = None
        if not self.target.leak:
            return []
        mean = self.hour_total / self.hour_count
        self.hour_total, self.hour_count = 0.0, 0
        known = self.yesterday.get(hour)
        self.yesterday[hour] = int(min(max(mean * 32768, 0.0), 65534.0) + 0.5) / 32768
        return [] if known is None else self.grow(k, mean, mean - known)

    def grow(self, k: int, mean: float, change: float) -> list[tuple[bool, tuple[float, ...]]]:
        """The change of an hour's mean in a day."""
        rate = max(1 / 24, 1 / (self.streak + 1))
        difference = change - self.growth
        self.growth = f32(self.growth + rate * difference)
        self.spread = f32((1 - rate) * (self.spread + rate * difference**2))
        grew = change > max(0.25 * self.growth, 0.0)
        self.streak = min(self.streak + 1, 255) if grew else max(self.streak - 2, 0)
        days, p = self.config.leak_days, 0.0
        if self.streak >= self.config.leak_hours and self.growth > 0:
            p = phi((mean + days * self.growth - 1) / (0.5 * days * math.sqrt(self.spread) + 1e-6))
        begins, goes_on = self.leak_told < 0.5 and p >= self.config.leak_confidence, self.leak_told >= 0.5
        daily = self.seen % 288 < 12
        if not (begins or (goes_on and (p < 0.5 or abs(p - self.leak_told) >= max(self.config.change, 0.05) or daily))):
            return []
        self.leak_told = f32(p)
        a_step = self.growth / 288
        at_s = (k + 1 + max((1 - mean) / a_step, 0)) * self.config.step_s if p >= 0.5 else math.nan
        return [(True, (p, mean, math.nan, math.nan, math.nan, a_step * 12, at_s))]


def reference(config: ForecastConfig, values: list[float], times: list[float]) -> list[Told]:
    """(row, leak, what is told) in the metric's unit."""
    one, found = Reference(config), []
    threshold, last, closed, total, count = one.target.threshold, math.nan, -1, 0.0, 0
    for row, (value, now) in enumerate(zip(values, times, strict=True)):
        if last - config.late_s < now <= last:
            continue
        step = int(now // config.step_s)
        k = step if math.isnan(last) else int(last // config.step_s)
        last = now
        told: list[tuple[bool, tuple[float, ...]]] = []
        if step < k:
            closed, total, count, one.gap, one.crossed = -1, 0.0, 0, 255, None
        elif step > k:
            before, closed = closed, k
            if before >= 0:
                for missed in range(before // 12 + 1, min(k // 12, before // 12 + 25)):
                    one.yesterday.pop(missed % 24, None)
            gap = min(one.gap + (k - before if before >= 0 else 1), 255)
            one.gap = gap if count == 0 else 0
            if count:
                told = one.close(k, before, gap, min(max(total / count, -100.0), 100.0))
                total, count = 0.0, 0
            if step // 12 != k // 12:
                told += one.close_hour(k)
        if math.isfinite(value):
            total, count = f32(total + min(max(value / threshold, -100.0), 100.0)), count + 1
        for leak, (p, x, walk, trend, exceed, slope, at_s) in told:
            found.append((row, leak, (p, x * threshold, walk, trend, exceed, slope * threshold, at_s)))
    return found


def _series(rng: Random, days: float, kind: str) -> tuple[list[float], list[float]]:
    """A series with what series have: a day, growth, jumps, gaps, absent values, late ones, a clock set back."""
    values, times, at = [], [], START_S + rng.uniform(0, 86_400)
    base, noise, slope = rng.uniform(5, 75), rng.uniform(0.1, 8), rng.uniform(2, 8) if kind == "leak" else 0.0
    begin = at
    while at < begin + days * 86_400:
        day = 10 * math.sin(2 * math.pi * at / 86_400) if kind != "flat" else 0.0
        value = base + day + slope * (at - begin) / 86_400 + rng.gauss(0, noise)
        values.append(math.nan if rng.random() < 0.03 else 200.0 if rng.random() < 0.01 else value)
        times.append(at - (rng.uniform(0, 500) if rng.random() < 0.02 else 0.0))
        at += rng.choice((100.0, 300.0, 300.0, 650.0))
        if rng.random() < 0.002:
            at += rng.choice((4_000.0, 90_000.0, -5_000.0) if kind != "leak" else (4_000.0,))
    return values, times


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["daily", "flat", "leak"]),
    st.sampled_from([3 * HOUR_S, 6 * HOUR_S, 24 * HOUR_S]),
    st.sampled_from([0.0, 0.05]),
)
def test_the_kernel_is_the_reference(seed: int, kind: str, horizon_s: float, change: float) -> None:
    config = ForecastConfig(targets=(Target("m", horizon_s, 80.0, leak=True),), change=change, leak_hours=24)
    values, times = _series(Random(seed), 6.0, kind)
    arrays = SlotArrays(forecast.fields(config.targets), 1)
    learned = SlotArrays(forecast.learned_fields(config.targets), 1)
    zero = np.zeros(len(values), np.int32)
    table = np.array(values).reshape(-1, 1)
    found = forecast.update(config, arrays, learned, zero, zero, table, np.zeros(1, np.int32), np.array(times))
    expected = reference(config, values, times)
    assert list(zip(found.row.tolist(), found.leak.tolist(), strict=True)) == [(row, leak) for row, leak, _ in expected]
    told = np.column_stack([getattr(found, name) for name in TOLD])
    np.testing.assert_allclose(told, np.array([what for *_, what in expected]).reshape(-1, 7), rtol=2e-4, atol=1e-7)
