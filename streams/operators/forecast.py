"""Probability that a metric crosses its threshold within its horizon, and leaks: growth that will cross it in days.

The mean of each step of five minutes counts as one value x, in units of the threshold. With s steps ahead:

    P_walk   = Phi(-(1 - x)/sqrt(V_delta*s))
    P_trend  = max_g Phi(-(1 - (l + b*(1 - f**s)/(1 - f) + M_{h+g}))/sigma_s);  rates .05 of l, .0015 of b; f = .9995
               sigma_s**2 = V_e*(1 + .05**2*s + .0015**2*s**3/3)
    P_exceed = 1 - prod_g(1 - e_hour);  e: share of the last seven days on which the hour held a crossing
    P        = sigmoid(w . [logit P_walk, logit P_trend, logit P_exceed, 1])

The four weights are learned by AdaGrad on the log loss when an outcome is known; each series holds one forecast against
what comes at a time, begun every horizon and an hour. They are shared by a group of series (those of one bucket of a
partition, so that they stand in its snapshot) and a target. Above the threshold the probability is 1: it has happened.

A leak is found from the change of each hour's mean since the same hour of the day before: what repeats daily cancels, a
jump lasts for 24 hours, and growth in 48 of them (see `_grow`) is neither. See docs/adr/0016-forecasts.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.operators import forecast_kernel as compiled_part
from streams.operators.arrays import Field, SlotArrays
from streams.operators.slots import Slots

Doubles = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int32]
HOUR_S = 3600.0
LONGEST_HORIZON_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Target:
    """What is forecast: that `metric` reaches `threshold` (> 0, its unit) within `horizon_s`; `leak`: watch growth."""

    metric: str
    horizon_s: float
    threshold: float
    leak: bool = False


AGENT_TARGETS = (
    Target("cpu_usage", 6 * HOUR_S, 80.0),
    Target("memory_usage", 12 * HOUR_S, 85.0, leak=True),
    Target("response_time", 3 * HOUR_S, 5000.0),
)
"""Horizons and thresholds of document 002."""
HOST_TARGETS = (
    Target("cpu_usage", 6 * HOUR_S, 80.0),
    Target("memory_usage", 12 * HOUR_S, 85.0, leak=True),
    Target("disk_usage", 24 * HOUR_S, 90.0, leak=True),
)


@dataclass(frozen=True)
class ForecastConfig:
    """Settings; `targets` in the order of the state's second axis.

    `step_s`: values within one step count as their mean; all rates are per step, and 288 steps are a "day".
    `warm_up`: steps seen before the first forecast. `change`: a forecast is told when its probability differs by this
    much from the one told last or is on the other side of one half, and once an hour; 0 = at every step. `start` and
    `learning_rate`: weights before anything was learned, and AdaGrad's step. `leak_hours`: hours of growth before
    a leak is said; `leak_days`: within which it reaches the threshold; `leak_confidence`: least probability of that.
    `late_s`: a value that is older than its series' newest by up to this much is late or double and is left out; one
    that is older still means that the clock was set.

    Raises:
        ValueError: a threshold that is not above 0, or a horizon that is not 1 to 1,000 steps.
    """

    targets: tuple[Target, ...] = AGENT_TARGETS
    step_s: float = 300.0
    warm_up: int = 12
    change: float = 0.05
    start: tuple[float, float, float, float] = (0.4, 0.3, 0.4, -0.3)
    learning_rate: float = 0.15
    leak_hours: int = 48
    leak_days: float = 7.0
    leak_confidence: float = 0.9
    late_s: float = 600.0

    def __post_init__(self) -> None:
        for target in self.targets:
            if not 0.0 < target.threshold < np.inf:
                raise ValueError(f"{target.metric}: threshold {target.threshold} is not above 0")
            if not 1 <= round(target.horizon_s / self.step_s) <= LONGEST_HORIZON_STEPS:
                raise ValueError(f"{target.metric}: horizon {target.horizon_s} s is not 1 to 1,000 steps")

    @property
    def leak_horizon_s(self) -> float:
        """`leak_days` in seconds, by the operator's own days."""
        return self.leak_days * compiled_part.HOURS * compiled_part.STEPS_AN_HOUR * self.step_s


def fields(targets: Sequence[Target]) -> dict[str, Field]:
    """State of an agent: 86 bytes a target, 66 more for one with `leak`, and 12: 336 for `AGENT_TARGETS`."""
    count, leaks = len(targets), sum(target.leak for target in targets)
    hours = compiled_part.HOURS
    return {
        "last_s": Field("f8", (), np.nan, "event time of the newest values, s since the epoch; NaN = none yet"),
        "closed": Field("i4", (), -1, "newest step that is done, steps since the epoch; -1 = none"),
        "total": Field("f4", (count,), 0.0, "sum of the values of the step that is going on, in thresholds"),
        "count": Field("u2", (count,), 0, "number of these values, at most 65,535"),
        "terms": Field(
            "f4",
            (count, compiled_part.TERMS),
            0.0,
            "[target, term], in thresholds: level l; slope b a step; slow mean, against which the season is learned; "
            "V_e and V_delta, squared; newest value; probability told last, -1 = none",
        ),
        "seen": Field(
            "u2", (count,), 0, "steps with values, from 65,535 one day back; 0 = none, and terms mean nothing"
        ),
        "gap": Field("u1", (count,), 0, "steps without values since the newest, at most 255 = level begins anew"),
        "season": Field(
            "i2", (count, compiled_part.SEASONS), 0, "[target, three hours of the day]: M in 1/8192 of the threshold"
        ),
        "hours": Field(
            "u1", (count, hours), 1, "[target, hour]: crossed on the last days? a bit each below a leading 1"
        ),
        "this_hour": Field(
            "u1", (count,), 0, "of the hour that is going on: 0 = no value, 1 = none crossed, 2 = crossed"
        ),
        "left": Field("u2", (count,), 0, "steps until the pending forecast is known to be wrong; 0 = none is pending"),
        "pending": Field("i2", (count, 3), 0, "logits of the pending forecast's three parts, in 1/4096"),
        "yesterday": Field(
            "u2", (leaks, hours), 0, "[leak, hour]: 1 + last mean in 1/32768 of the threshold; 0 = none"
        ),
        "hour_total": Field("f4", (leaks,), 0.0, "sum of the steps of the hour that is going on, in thresholds"),
        "hour_count": Field("u1", (leaks,), 0, "number of these steps"),
        "growth": Field(
            "f4",
            (leaks, 3),
            0.0,
            "mean and variance of an hour's change in a day, in thresholds; probability told last",
        ),
        "streak": Field("u1", (leaks,), 0, "hours of growth, at most 255; two less for an hour without"),
    }


def learned_fields(targets: Sequence[Target]) -> dict[str, Field]:
    """What a group of agents has learned: 64 bytes a target."""
    doc = "[target, what, weight]: sum of what was added to `start`; sum of squared gradients"
    return {"learned": Field("f8", (len(targets), 2, 4), 0.0, doc)}


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What is told, in batch order; all arrays have one entry a forecast.

    `slots` i4; `row` i8: of the batch, the event that ended the step, -1 = none; `target` i4: index into
    `ForecastConfig.targets`, `leak` b: whether it is of a leak. `horizon_s`, `threshold`, `value` f8 (mean of the step,
    for a leak of the hour) and `slope_per_hour` f8 in the metric's unit; `probability` f8 0 to 1; `expected_at_s` f8:
    s since the epoch, NaN = not expected. `p_walk`, `p_trend`, `p_exceed` f8: the parts, NaN for a leak.
    """

    slots: Slots
    row: npt.NDArray[np.int64]
    target: npt.NDArray[np.int32]
    leak: npt.NDArray[np.bool_]
    horizon_s: Doubles
    threshold: Doubles
    probability: Doubles
    value: Doubles
    expected_at_s: Doubles
    slope_per_hour: Doubles
    p_walk: Doubles
    p_trend: Doubles
    p_exceed: Doubles

    def __len__(self) -> int:
        return int(self.row.size)


_STATE = (
    "last_s", "closed", "total", "count", "terms", "seen", "gap", "season", "hours", "this_hour", "left", "pending",
    "yesterday", "hour_total", "hour_count", "growth", "streak",
)  # fmt: skip


def update(
    config: ForecastConfig,
    arrays: SlotArrays,
    learned: SlotArrays,
    slots: Slots,
    groups: Groups,
    values: Doubles,
    columns: npt.NDArray[np.int32],
    event_time_s: Doubles,
) -> Forecasts:
    """Take in events and tell what is new: `slots`, `groups` i4[n], `values` f8[n, m], `event_time_s` f8[n].

    `arrays` has `fields(targets)` by slot, `learned` has `learned_fields(targets)` by group. `columns` i4[targets] says
    which column of `values` holds each target's metric; NaN = absent. A step is done with the first event after it.
    Rows count in batch order, as weights are shared; a row that is not newer than its slot's newest is left out.
    """
    count = len(config.targets)
    thresholds = np.array([target.threshold for target in config.targets])
    horizons = np.array([round(target.horizon_s / config.step_s) for target in config.targets], np.int64)
    watched = np.array([target.leak for target in config.targets], np.bool_)
    leak_of = np.where(watched, np.cumsum(watched) - 1, -1).astype(np.int32)
    out = np.empty((slots.size * (count + int(watched.sum())), compiled_part.OUT_COLUMNS))
    told = compiled_part.kernel(
        slots,
        groups,
        values,
        event_time_s,
        columns,
        thresholds,
        horizons,
        leak_of,
        np.array(config.start),
        *(arrays[name] for name in _STATE),
        learned["learned"],
        config.step_s,
        config.late_s,
        config.learning_rate,
        config.warm_up,
        config.change,
        config.leak_hours,
        config.leak_days,
        config.leak_confidence,
        out,
    )
    return _forecasts(config, slots, thresholds, out[:told])


def _forecasts(config: ForecastConfig, slots: Slots, thresholds: Doubles, out: Doubles) -> Forecasts:
    row, target = out[:, 0].astype(np.int64), out[:, 1].astype(np.int32)
    leak, threshold = out[:, 2] > 0, thresholds[target]
    horizon_s = np.array([one.horizon_s for one in config.targets])[target]
    p, value, walk, trend, exceed, at_s, slope = out[:, 3:].T.copy()
    return Forecasts(
        slots[row],
        row,
        target,
        leak,
        np.where(leak, config.leak_horizon_s, horizon_s),
        threshold,
        p,
        value * threshold,
        at_s,
        slope * threshold,
        walk,
        trend,
        exceed,
    )
