"""Anomaly flags for numeric series: trend evidence on three time scales, record values, an hour-of-day baseline.

With r = x - m the residual against a slow mean and M_b, c_b baseline and count of the hour of day b:

    w = c_b/(c_b + 10);  h = r - w*M_b
    for (a, q) in (.001, .3), (.003, .07), (.01, .03):
        H_q += q*(h - H_q);  z_q = min(|H_q|/(max(sqrt(V_a), floor) + eps), 12);  V_a += max(a*s, 1/(n+1))*(h*h - V_a)
    X += .15*(x - X)
    for y in (x, X):
        o = (overshoot of y beyond [lo, hi])/(hi - lo);  rec_y = clip(4 + 2*log10(10*o), 0, 8);  [lo, hi] shrinks
    S = sum(z_q)/1.5 + sum(rec_y)
    flag where S >= threshold*(1 + caution/n), after warm-up, not within the refractory steps
    eps = 1e-9 + 1e-6*|m|;  m += max(.003*s, 1/(n+1))*r;  M_b += max(.05, 1/(c_b+1))*(r - M_b);  c_b = min(c_b + 1, 255)

Rates of learning are per five minutes; s = dt/300 s, within [1/30, 1], expresses them for faster cadences (the lower
bound keeps float32 increments above rounding). The averages H are per value: a change shows within a few values at any
cadence. The hour-of-day baseline learns at most once in four minutes. `floor` is the smallest change of interest: no
record is, either, unless it goes that far beyond the range, and the range counts as at least that wide. `floor`,
`caution`, `habit` (a series that keeps breaking its records by about as much, such as a counter, is not surprising) and
`clip` and `range_share` (a change does not hide behind the variance that it makes itself; one outlier alone is never
strong) are without effect in `PUBLISHED`.

State is [slot, term, metric]: the terms of one event's metrics lie side by side, in 64 bytes a series, and its baseline
of one hour in one further line. All of it is one compiled loop over rows sorted by slot; Numba is imported here only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from streams.operators.arrays import Field, SlotArrays
from streams.operators.slots import Slots

Doubles = npt.NDArray[np.float64]

CHANGE_OF_INTEREST: Mapping[str, float] = MappingProxyType(
    {
        "trust_score": 0.02,
        "compliance_rate": 0.03,
        "violation_count": 1.0,
        "policy_checks": 0.5,
        "response_time": 5.0,
        "throughput": 0.5,
        "error_rate": 0.02,
        "uptime": 60.0,
        "cpu_usage": 3.0,
        "memory_usage": 2.0,
        "disk_usage": 1.0,
        "network_io": 1000.0,
        "request_count": 0.5,
        "user_interactions": 0.5,
        "success_rate": 2.0,
        "revenue": 0.05,
        "load_1m": 0.5,
        "swap_usage": 2.0,
        "disk_read_rate": 1e6,
        "disk_write_rate": 1e6,
        "network_receive_rate": 1e5,
        "network_send_rate": 1e5,
        "processes": 10.0,
        "gpu_usage": 5.0,
        "gpu_memory_usage": 2.0,
        "gpu_temperature": 3.0,
        "memory_used_bytes": 1e8,
        "disk_free_bytes": 1e8,
    }
)
"""Smallest change of a metric that anybody wants to hear of, in its unit; it only matters for very quiet series."""


@dataclass(frozen=True)
class AnomalyConfig:
    """Settings of the detector; `PUBLISHED` is the formula as benchmarked.

    `threshold`: score from which a value is flagged. `refractory`: values after a flag in which there is no other,
    except the first whose trend terms sum up to `strong`: one outlier hardly reaches that, a change that lasts does.
    `warm_up`: values before the first flag. `caution`: raises a young series' threshold to threshold*(1 + caution/n).
    `relative_floor`: smallest change of interest as a share of the series' level. `floors`: the same per metric in its
    unit, one a metric in the order of the columns; () = none. `habit`: how many times its usual overshoot a record must
    exceed. `clip`: once warm, the variance takes in no residual above so many standard deviations (or a tenth of the
    range). `range_share`: residuals are measured in units of at least this share of the range that was seen. `step_s`:
    cadence that the rates of learning are given for. `late_s`: a value that is older than its series' newest by up to
    this much is late or double and is left out; one that is older still means that the clock was set.
    """

    threshold: float = 4.14
    strong: float = 9.0
    refractory: int = 60
    warm_up: int = 15
    caution: float = 30.0
    relative_floor: float = 0.02
    floors: tuple[float, ...] = ()
    habit: float = 2.0
    clip: float = 4.0
    range_share: float = 0.05
    step_s: float = 300.0
    late_s: float = 600.0


PUBLISHED = AnomalyConfig(
    strong=math.inf, warm_up=150, caution=0.0, relative_floor=0.0, habit=0.0, clip=math.inf, range_share=0.0
)


def floors_for(names: Sequence[str]) -> tuple[float, ...]:
    """`AnomalyConfig.floors` for metric columns: `CHANGE_OF_INTEREST` where it names one, else 0."""
    return tuple(CHANGE_OF_INTEREST.get(name, 0.0) for name in names)


_TERMS = (
    "origin: first value of the series; everything else is relative to it, for precision; unit of the metric",
    "count: values seen, at most 2**23; 0 = none, and all other terms mean nothing",
    "since: values since the last flag, at most 2**23; below 0 (-values) where that flag was not strong",
    "mean m: slow mean, relative to origin, unit of the metric",
    "H fast: average of h, unit of the metric",
    "H medium: the same, slower",
    "H slow: the same, slower",
    "V fast: mean of h*h at the rate that goes with H fast, unit squared",
    "V medium: the same",
    "V slow: the same",
    "X: smoothed value, relative to origin, unit of the metric",
    "lo: shrinking minimum, relative to origin",
    "hi: shrinking maximum",
    "lo of X",
    "hi of X",
    "habit: average overshoot beyond [lo, hi], unit of the metric",
)
ORIGIN, COUNT, SINCE, MEAN, AVERAGE, VARIANCE, SMOOTH, RANGE, HABIT = 0, 1, 2, 3, 4, 7, 10, 11, 15
_HOURS = 24
_FLAG_COLUMNS = 9


def fields(metrics: int) -> dict[str, Field]:
    """State of series in groups of `metrics` that come in one event: 184 bytes a series and 16 bytes a group."""
    return {
        "terms": Field("f4", (len(_TERMS), metrics), 0.0, "[term, metric]; terms: " + "; ".join(_TERMS)),
        "baseline": Field("f4", (_HOURS, metrics), 0.0, "[hour UTC, metric]: mean residual M_b, unit of the metric"),
        "baseline_count": Field("u1", (_HOURS, metrics), 0, "[hour UTC, metric]: updates c_b, at most 255; 0 = none"),
        "last_s": Field("f8", (), np.nan, "event time of the newest values, s since the epoch; NaN = none yet"),
        "baseline_s": Field("f8", (), np.nan, "event time of the newest update of baseline, s; NaN = none yet"),
    }


@dataclass(frozen=True, slots=True)
class Flags:
    """Flagged values, ordered by row, then metric; all arrays have one entry a flag.

    `row`, `metric` i4: indices into `values`. `value`, `expected`, `lower`, `upper` f8 in the metric's unit: the bounds
    are those within which the trend terms alone would not have reached the threshold, on the scale before the value.
    `score` and the terms f8 without unit: score is the sum of the five terms.
    """

    row: npt.NDArray[np.int32]
    metric: npt.NDArray[np.int32]
    value: Doubles
    expected: Doubles
    lower: Doubles
    upper: Doubles
    score: Doubles
    term_fast: Doubles
    term_medium: Doubles
    term_slow: Doubles
    term_record: Doubles
    term_record_smooth: Doubles

    def __len__(self) -> int:
        return int(self.row.size)

    @property
    def trend(self) -> Doubles:
        """Sum of the three trend terms: what lasts, as against one outlier."""
        return self.term_fast + self.term_medium + self.term_slow


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile without the GIL; keep the machine code on disk where a folder can be written, else compile anew."""
    try:
        kernel: Callable[..., Any] = numba.njit(nogil=True, cache=True)(function)
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
    """Residuals between which the trend terms stay below `limit`; twice the calmest one where there is no such."""
    calmest, least = 0.0, np.inf
    for i in range(3):
        h = -kept[i] / weight[i]
        total = 0.0
        for k in range(3):
            total += min(abs(kept[k] + weight[k] * h), 12.0)
        if total < least:
            calmest, least = h, total
    if not _trend(calmest, kept, weight, limit):
        return calmest, calmest
    step = 1.0 / weight[0]
    return _edge(calmest, -step, kept, weight, limit), _edge(calmest, step, kept, weight, limit)


@compiled
def _kernel(  # noqa: PLR0912, PLR0915  # one loop on purpose: a call or a second pass costs more than the arithmetic
    order: Any,  # noqa: ANN401  # compiled for arrays of fixed type
    slots: Any,  # noqa: ANN401  # Numba types it
    values: Any,  # noqa: ANN401  # Numba types it
    event_time_s: Any,  # noqa: ANN401  # Numba types it
    terms: Any,  # noqa: ANN401  # Numba types it
    baseline: Any,  # noqa: ANN401  # Numba types it
    baseline_count: Any,  # noqa: ANN401  # Numba types it
    last_s: Any,  # noqa: ANN401  # Numba types it
    baseline_s: Any,  # noqa: ANN401  # Numba types it
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
    step_s: float,
    late_s: float,
    out_index: Any,  # noqa: ANN401  # Numba types it
    out: Any,  # noqa: ANN401  # Numba types it
) -> int:
    flags = 0
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
        shrink = 0.5 * (1.0 - 2.0 ** (-pace / 50000.0))
        rate_fast, rate_medium, rate_slow, rate_mean = 0.001 * pace, 0.003 * pace, 0.01 * pace, 0.003 * pace
        for j in range(metrics):
            value = values[row, j]
            if not np.isfinite(value):
                continue
            n = state[1, j]
            if n == 0.0:
                for term in range(16):
                    state[term, j] = 0.0
                state[0, j] = value
                state[1, j] = 1.0
                state[2, j] = refractory + 1.0
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
            floor = max(relative_floor * abs(mean + origin), floors[j])
            least_rate = 1.0 / (n + 1.0)
            before_fast, before_medium = np.float64(state[4, j]), np.float64(state[5, j])
            before_slow = np.float64(state[6, j])
            fast = before_fast + 0.3 * (h - before_fast)
            medium = before_medium + 0.07 * (h - before_medium)
            slow = before_slow + 0.03 * (h - before_slow)
            lo, hi = np.float64(state[11, j]), np.float64(state[12, j])
            least_scale = max(floor, range_share * (max(hi, x) - min(lo, x)))
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
            widest = clip if n >= warm_up else np.inf
            spread = abs(h)
            most = 0.1 * (hi - lo)
            square = min(spread, max(widest * max(sd_fast, floor), most)) ** 2
            state[7, j] += max(rate_fast, least_rate) * (square - state[7, j])
            square = min(spread, max(widest * max(sd_medium, floor), most)) ** 2
            state[8, j] += max(rate_medium, least_rate) * (square - state[8, j])
            square = min(spread, max(widest * max(sd_slow, floor), most)) ** 2
            state[9, j] += max(rate_slow, least_rate) * (square - state[9, j])
            smooth = np.float64(state[10, j])
            smooth += 0.15 * (x - smooth)
            state[10, j] = smooth
            smooth_lo, smooth_hi = np.float64(state[13, j]), np.float64(state[14, j])
            habit = np.float64(state[15, j])
            margin = floor + habit_factor * habit
            record = _record(x, lo, hi, margin, floor)
            record_smooth = _record(smooth, smooth_lo, smooth_hi, margin, floor)
            state[15, j] = habit + 0.1 * (max(x - hi, lo - x, 0.0) - habit)
            inward = shrink * (hi - lo)
            state[11, j], state[12, j] = min(lo + inward, x), max(hi - inward, x)
            inward = shrink * (smooth_hi - smooth_lo)
            state[13, j], state[14, j] = min(smooth_lo + inward, smooth), max(smooth_hi - inward, smooth)
            since = state[2, j]
            trend = z_fast + z_medium + z_slow
            score = trend + record + record_smooth
            limit = threshold * (1.0 + caution / n)
            rested = abs(since) > refractory or (trend >= strong and since < 0.0)
            if score >= limit and rested and n >= warm_up:
                least_scale = max(floor, range_share * (hi - lo))
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
                out_index[flags, 0], out_index[flags, 1] = row, j
                out[flags, 0] = origin + expected
                out[flags, 1] = origin + expected + lower
                out[flags, 2] = origin + expected + upper
                out[flags, 3] = score
                out[flags, 4], out[flags, 5], out[flags, 6] = z_fast, z_medium, z_slow
                out[flags, 7], out[flags, 8] = record, record_smooth
                flags += 1
                state[2, j] = 1.0 if trend >= strong else -1.0
            elif since < 0.0:
                state[2, j] = max(since - 1.0, -8388608.0)
            else:
                state[2, j] = min(since + 1.0, 8388608.0)
            state[1, j] = min(n + 1.0, 8388608.0)
            state[3, j] = mean + max(rate_mean, least_rate) * r
            if learn_baseline:
                baseline[slot, hour, j] = hourly + max(0.05, 1.0 / (learned + 1.0)) * (r - hourly)
                baseline_count[slot, hour, j] = min(learned + 1.0, 255.0)
    return flags


def update(config: AnomalyConfig, arrays: SlotArrays, slots: Slots, values: Doubles, event_time_s: Doubles) -> Flags:
    """Take in events and flag what does not fit: `slots` i4[n], `values` f8[n, m] (NaN = absent), `event_time_s` f8[n].

    `arrays` has `fields(m)` and room for the slots. Rows of one slot count in batch order; a row that is not newer than
    its slot's newest (see `late_s`) is left out. Values that are not finite count as absent.
    """
    rows, metrics = values.shape
    floors = np.zeros(metrics) if not config.floors else np.asarray(config.floors, np.float64)
    order = np.argsort(slots, kind="stable").astype(np.int32)
    index = np.empty((rows * metrics, 2), np.int32)
    out = np.empty((rows * metrics, _FLAG_COLUMNS))
    count = _kernel(
        order,
        slots,
        values,
        event_time_s,
        *(arrays[name] for name in ("terms", "baseline", "baseline_count", "last_s", "baseline_s")),
        floors,
        config.threshold,
        config.strong,
        float(config.refractory),
        float(config.warm_up),
        config.caution,
        config.relative_floor,
        config.habit,
        config.clip,
        config.range_share,
        config.step_s,
        config.late_s,
        index,
        out,
    )
    return _flags(index[:count], out[:count], values)


def _flags(index: npt.NDArray[np.int32], out: Doubles, values: Doubles) -> Flags:
    """Bring the kernel's output, which is in slot order, into batch order."""
    order = np.lexsort((index[:, 1], index[:, 0]))
    row, metric = index[order].T
    expected, lower, upper, score, *terms = out[order].T
    return Flags(row, metric, values[row, metric], expected, lower, upper, score, *terms)


def prepare(metrics: int) -> None:
    """Compile, or load from the cache, what `update` needs for `values` with `metrics` columns in either memory order.

    Costs about two seconds the first time on a machine; called before a worker says that it is ready.
    """
    arrays = SlotArrays(fields(metrics), 1)
    for values in (np.full((2, metrics), np.nan), np.full((2, metrics), np.nan, order="F")):
        update(AnomalyConfig(), arrays, np.zeros(2, np.int32), values, np.zeros(2))
