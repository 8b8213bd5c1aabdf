"""Anomaly flags for numeric series: trend evidence on three time scales, record values, an hour-of-day baseline.

With r = x - m the residual against a slow mean and M_b, c_b baseline and count of the hour of day b:

    w = c_b/(c_b + 10);  h = r - w*M_b
    for (a, q) in (.001, .3), (.003, .07), (.01, .03):
        H_q += q*(h - H_q);  z_q = min(|H_q|/(max(sqrt(V_a), floor) + eps), 12);  V_a += max(a*s, 1/(n+1))*(h*h - V_a)
    X += .15*(x - X)
    for y in (x, X):
        o = (overshoot of y beyond [lo, hi])/(hi - lo);  rec_y = B*clip(4 + 2*log10(10*o), 0, 8);  [lo, hi] shrinks
    B = min(log(n/2)/log(outlasted/2), 1);  S = sum(z_q)/1.5 + sum(rec_y)
    flag where S >= threshold*(1 + caution/n)*(1 + repeat_cost*R), after warm-up, not within the refractory steps
    R *= exp(-s/repeat_steps);  R = min(R + 1, repeat_most) where flagged
    eps = 1e-9 + 1e-6*|m|;  m += max(.003*s, 1/(n+1))*r;  M_b += max(.05, 1/(c_b+1))*(r - M_b);  c_b = min(c_b + 1, 255)

Rates of learning are per five minutes; s = dt/300 s, within [1/30, 1], expresses them for faster cadences (the lower
bound keeps float32 increments above rounding). The averages H are per value: a change shows within a few values at any
cadence. The hour-of-day baseline learns at most once in four minutes. `floor` is the smallest change of interest: no
record is, either, unless it goes that far beyond the range, and the range counts as at least that wide. `floor`,
`caution`, `habit` (a series that keeps breaking its records by about as much, such as a counter, is not surprising) and
`clip` and `range_share` (a change does not hide behind the variance that it makes itself; one outlier alone is never
strong) are without effect in `PUBLISHED`.

Cautions are for the young: they hold for n*s < `settled`, half a day of learning. Until then a variance of few values
is all that there is to judge by; after that it knows the series better than a rule of thumb, and the cautions only hide
what is there (ADR 0013). What is to wake people is still judged on the cautious scale: `Flags.lasting`.

B: the n-th value of a series of mere noise is a record with a chance of 2/n, so a record says as much as the log of
what it has outlasted. R makes one threshold do for quiet series and for restless ones: who was flagged often of late
must show more to be flagged again, up to four times the threshold; who keeps quiet is listened to closely (ADR 0027).

State is [slot, term, metric]: the terms of one event's metrics lie side by side, in 64 bytes a series, and its baseline
of one hour in one further line. All of it is one compiled loop over rows sorted by slot (`anomaly_kernel`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from streams.operators.anomaly_kernel import OUT_COLUMNS, scan
from streams.operators.anomaly_kernel import compiled as compiled  # noqa: PLC0414  # forecasts use it from here
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
        "uptime": math.inf,
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
"""Smallest change of a metric that anybody wants to hear of, in its unit; it only matters for very quiet series.

inf: no change is, and the metric is left out. `uptime` grows by a second a second, whatever the agent does, so that
every value is a record; that an agent began anew is told by its status."""


@dataclass(frozen=True)
class AnomalyConfig:
    """Settings of the detector; `PUBLISHED` is the formula as benchmarked.

    `threshold`: score from which a value is flagged. `refractory`: values after a flag in which there is no other,
    except the first whose `Flags.lasting` reaches `strong`: one outlier never does, a change that lasts does.
    `warm_up`: values before the first flag. `caution`: raises a young series' threshold to threshold*(1 + caution/n).
    `relative_floor`: smallest change of interest as a share of the series' level. `floors`: the same per metric in its
    unit, one a metric in the order of the columns, inf = not looked at; () = none. `habit`: how many times its usual
    overshoot a record must exceed. `clip`: once warm, the variance takes in no residual above so many standard
    deviations (or a tenth of the range). `range_share`: residuals are measured in units of at least this share of the
    range that was seen. `settled`: steps of `step_s` of learning from which on `relative_floor` (unless `floors` names
    the metric), `habit`, `clip` and `range_share` no longer hold. `outlasted`: values from which on a record counts in
    full; 0 = always. `repeat_cost`: share by which each flag raises its series' limit; flags count up to `repeat_most`
    and are forgotten, to 1/e, within `repeat_steps` of `step_s`. `range_steps`: the range that was seen shrinks to a
    half within so many. `step_s`: cadence that the rates of learning are given for. `late_s`: a value that is older
    than its series' newest by up to this much is late or double and is left out; one that is older still means that the
    clock was set.
    """

    threshold: float = 2.85
    strong: float = 9.0
    refractory: int = 60
    warm_up: int = 15
    caution: float = 45.0
    relative_floor: float = 0.02
    floors: tuple[float, ...] = ()
    habit: float = 2.0
    clip: float = 4.0
    range_share: float = 0.05
    settled: float = 150.0
    outlasted: float = 2_000.0
    repeat_cost: float = 0.15
    repeat_most: float = 20.0
    repeat_steps: float = 5_000.0
    range_steps: float = 300_000.0
    step_s: float = 300.0
    late_s: float = 600.0


PUBLISHED = AnomalyConfig(
    threshold=4.14,
    strong=math.inf,
    warm_up=150,
    caution=0.0,
    relative_floor=0.0,
    habit=0.0,
    clip=math.inf,
    range_share=0.0,
    outlasted=0.0,
    repeat_cost=0.0,
    range_steps=50_000.0,
)


def floors_for(names: Sequence[str]) -> tuple[float, ...]:
    """`AnomalyConfig.floors` for metric columns: `CHANGE_OF_INTEREST` where it names one, else 0."""
    return tuple(CHANGE_OF_INTEREST.get(name, 0.0) for name in names)


_TERMS = (
    "origin: first value of the series; everything else is relative to it, for precision; unit of the metric",
    "count: values seen, at most 2**23; 0 = none, and all other terms mean nothing",
    "since: values since the last flag, at most 2**23; below 0 (-values) where that flag was not lasting",
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


def fields(metrics: int) -> dict[str, Field]:
    """State of series in groups of `metrics` that come in one event: 192 bytes a series and 16 bytes a group."""
    return {
        "terms": Field("f4", (len(_TERMS), metrics), 0.0, "[term, metric]; terms: " + "; ".join(_TERMS)),
        "baseline": Field("f4", (_HOURS, metrics), 0.0, "[hour UTC, metric]: mean residual M_b, unit of the metric"),
        "baseline_count": Field("u1", (_HOURS, metrics), 0, "[hour UTC, metric]: updates c_b, at most 255; 0 = none"),
        "last_s": Field("f8", (), np.nan, "event time of the newest values, s since the epoch; NaN = none yet"),
        "baseline_s": Field("f8", (), np.nan, "event time of the newest update of baseline, s; NaN = none yet"),
        "calm": Field("f4", (metrics,), np.nan, "[metric]: V medium without outliers, unit squared; NaN = not known"),
        "repeats": Field("f4", (metrics,), 0.0, "[metric]: flags R, forgotten in time, at most `repeat_most`"),
    }


@dataclass(frozen=True, slots=True)
class Flags:
    """Flagged values, ordered by row, then metric; all arrays have one entry a flag.

    `row`, `metric` i4: indices into `values`. `value`, `expected`, `lower`, `upper` f8 in the metric's unit,
    lower <= expected <= upper: the bounds are those within which the trend terms alone would not have reached the
    threshold, on the scale before the value; where a run of strange values had brought them there already, those of a
    value after a calm past. `score` and the terms f8 without unit: score is the sum of the five terms. `lasting` f8:
    the sum of the trend terms on the cautious scale of a young series, however old this one is: a change that lasts
    reaches `strong`, one outlier never. `confidence` f8, 0 to 1:
    (1 - limit/(2*score)*max(1 - lasting/strong, 0)) * (1 - 1/sqrt(2*n)), a half for a value that just reaches its
    limit, near 1 far above it or once it lasts; less while the past is only n values.
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
    lasting: Doubles
    confidence: Doubles

    def __len__(self) -> int:
        return int(self.row.size)

    @property
    def trend(self) -> Doubles:
        """Sum of the three trend terms, as they entered the score."""
        return self.term_fast + self.term_medium + self.term_slow


@dataclass(frozen=True, slots=True)
class Scores:
    """Every value that had a past: `found` has one entry a value, flagged or not, and `flagged` says which, bool[k].

    The confidence of a value below the threshold is 0.
    """

    found: Flags
    flagged: npt.NDArray[np.bool_]


def update(config: AnomalyConfig, arrays: SlotArrays, slots: Slots, values: Doubles, event_time_s: Doubles) -> Flags:
    """Take in events and flag what does not fit: `slots` i4[n], `values` f8[n, m] (NaN = absent), `event_time_s` f8[n].

    `arrays` has `fields(m)` and room for the slots. Rows of one slot count in batch order; a row that is not newer than
    its slot's newest (see `late_s`) is left out. Values that are not finite count as absent, those beyond
    +-1e18 as 1e18.
    """
    return _run(config, arrays, slots, values, event_time_s, every=False)[0]


def update_and_score(
    config: AnomalyConfig, arrays: SlotArrays, slots: Slots, values: Doubles, event_time_s: Doubles
) -> Scores:
    """`update` that returns every value's score; the first of a series, absent and late values have none."""
    return Scores(*_run(config, arrays, slots, values, event_time_s, every=True))


def _run(
    config: AnomalyConfig, arrays: SlotArrays, slots: Slots, values: Doubles, event_time_s: Doubles, *, every: bool
) -> tuple[Flags, npt.NDArray[np.bool_]]:
    rows, metrics = values.shape
    floors = np.zeros(metrics) if not config.floors else np.asarray(config.floors, np.float64)
    order = np.argsort(slots, kind="stable").astype(np.int32)
    index = np.empty((rows * metrics, 2), np.int32)
    out = np.empty((rows * metrics, OUT_COLUMNS))
    count = scan(
        order,
        slots,
        values,
        event_time_s,
        *(arrays[name] for name in ("terms", "baseline", "baseline_count", "last_s", "baseline_s", "calm", "repeats")),
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
        config.settled,
        config.outlasted,
        config.repeat_cost,
        config.repeat_most,
        config.repeat_steps,
        config.range_steps,
        config.step_s,
        config.late_s,
        every,
        index,
        out,
    )
    return _in_batch_order(index[:count], out[:count], values)


def _in_batch_order(index: npt.NDArray[np.int32], out: Doubles, values: Doubles) -> tuple[Flags, npt.NDArray[np.bool_]]:
    """The kernel's output, which is in slot order, ordered by row, then metric."""
    order = np.lexsort((index[:, 1], index[:, 0]))
    row, metric = index[order].T
    *columns, flagged = out[order].T
    return Flags(row, metric, values[row, metric], *columns), flagged > 0.0


def prepare(metrics: int) -> None:
    """Compile, or load from the cache, what `update` needs for `values` with `metrics` columns in either memory order.

    Costs about two seconds the first time on a machine; called before a worker says that it is ready.
    """
    arrays = SlotArrays(fields(metrics), 1)
    for values in (np.full((2, metrics), np.nan), np.full((2, metrics), np.nan, order="F")):
        update(AnomalyConfig(), arrays, np.zeros(2, np.int32), values, np.zeros(2))
