"""Rolling trust: time-decayed Beta evidence with a Wilson lower bound, or the sources' `classic` score.

Beta model: every piece of evidence weighs 2**(-(T - ts)/h) at time T. Here its weight is kept against a landmark that
is a whole number of half-lives, so moving the landmark multiplies by powers of two, which is exact: splitting a batch
changes nothing, to the last bit; the order of events changes rounding only. Read: decay to now, a = prior_good + R,
b = prior_bad + V, n = a + b, p = a/n, bound = lower end of the Wilson score interval (E. B. Wilson, 1927) of p at n;
trust = bound * effect of the other factors (streams.operators.trust_factors), whose evidence decays in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.operators import trust_factors
from streams.operators.arrays import Field, SlotArrays
from streams.operators.slots import Slots
from streams.operators.times import seconds
from streams.operators.trust_kernel import add_checks, add_factors

Doubles = npt.NDArray[np.float64]
_DAY_S = 86_400.0

SEVERITY_WEIGHTS: Mapping[str, float] = MappingProxyType({"low": 1.0, "medium": 3.0, "high": 10.0, "critical": 30.0})


@dataclass(frozen=True)
class TrustConfig:
    """`half_life_s`: after it evidence weighs half. `prior_good`, `prior_bad`: what a new agent starts with, in checks.

    `z`: quantile of the normal distribution for the lower bound (1.645: 95 %, one-sided). `severity_weights`: what a
    violation weighs, in checks; a severity that is not named weighs as `medium`. The `classic` model starts at
    `initial_score`, loses `violation_penalty` a violation, gains `compliance_bonus` a report with compliant checks, and
    moves back towards `initial_score` by the share `decay_rate` a day; it stays within 0 and 1 and depends on the order
    of events, and factors do not change it.

    Factors beside compliance, in the order of `trust_factors.FACTORS`: `references` are the shares that cost no trust,
    `factor_weights` the exponents of what is below (0: leave it out), `factor_prior` the observations at the reference
    that an agent starts with. `longest_gap_beats`: beats that one gap counts as at most; `flag_weight`: values that one
    anomaly counts as.
    """

    model: Literal["beta", "classic"] = "beta"
    half_life_s: float = 7 * _DAY_S
    prior_good: float = 9.0
    prior_bad: float = 1.0
    z: float = 1.645
    severity_weights: Mapping[str, float] = field(default_factory=lambda: SEVERITY_WEIGHTS)
    initial_score: float = 1.0
    violation_penalty: float = 0.1
    compliance_bonus: float = 0.05
    decay_rate: float = 0.01
    references: tuple[float, float, float] = (0.95, 0.7, 0.95)
    factor_weights: tuple[float, float, float] = (1.0, 0.25, 0.25)
    factor_prior: float = 50.0
    longest_gap_beats: float = 60.0
    flag_weight: float = 30.0


FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "landmark": Field("i8", (), 0, "half-lives since the epoch that all sums are weighed at; 0 = no evidence"),
        "good": Field("f8", (), 0.0, "decayed weight of compliant evidence at the landmark, checks"),
        "bad": Field("f8", (), 0.0, "decayed weight of violations at the landmark, checks"),
        "violations": Field("i8", (), 0, "violations since the state began, count"),
        "last_s": Field("f8", (), np.nan, "event time of the newest evidence, s since the epoch; NaN = none yet"),
        "score": Field("f8", (), np.nan, "classic score at last_s, 0 to 1; NaN = none yet, or model beta"),
        "factors": Field(
            "f8", (6,), 0.0, "decayed weights at the landmark: requests well, failed; beats, missed; values, flagged"
        ),
        "factors_s": Field(
            "f8", (), np.nan, "event time of the newest evidence of a factor, s since the epoch; NaN = none"
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """`row` i8[k]: row of the frame; `ok`, `bad` f8[k]: weights in checks; `event_time_s` f8[k]."""

    row: npt.NDArray[np.int64]
    ok: Doubles
    bad: Doubles
    event_time_s: Doubles


@dataclass(frozen=True, slots=True)
class TrustScores:
    """Columns, one row a slot asked for: names and units as in fleet.trust.

    `p`, `trust` f8, 0 to 1 (classic: both are the score): the expected value and the lower bound, each times the effect
    of the factors; `n`, `compliant`, `violating` f8, decayed checks, `n` with the prior; `violations` i8, count;
    `compliance` f8, p before the factors; `factors` f8[k, 3], share of each, NaN = no evidence.
    """

    p: Doubles
    trust: Doubles
    n: Doubles
    compliant: Doubles
    violating: Doubles
    violations: npt.NDArray[np.int64]
    compliance: Doubles
    factors: Doubles

    def at(self, rows: npt.NDArray[np.bool_]) -> TrustScores:
        """Some of the rows."""
        return TrustScores(*(getattr(self, name)[rows] for name in TrustScores.__dataclass_fields__))


def event_times_s(frame: pl.DataFrame) -> Doubles:
    """Column `timestamp` (microseconds) as f8[n] seconds since the epoch."""
    return seconds(frame["timestamp"])


def metrics_evidence(frame: pl.DataFrame) -> Evidence:
    """Evidence of a fleet.metrics frame: compliance_rate * policy_checks are compliant checks.

    Null checks count as one; a null or non-finite rate is no evidence. Failed checks weigh nothing here: violations are
    counted from fleet.violations alone, with their severity, else each would count twice.
    """
    # to_numpy turns null into NaN; Series.fill_null would start Polars' query engine, 0.1 ms a call.
    rate, counted = frame["compliance_rate"].to_numpy(), frame["policy_checks"]
    checks = counted.to_numpy()
    if counted.null_count():
        checks = np.where(counted.is_null().to_numpy(), 1.0, checks)
    row = np.flatnonzero(np.isfinite(rate) & np.isfinite(checks) & (checks > 0))
    ok = np.clip(rate[row], 0.0, 1.0) * checks[row]
    return Evidence(row, ok, np.zeros(row.size), event_times_s(frame)[row])


def violations_evidence(config: TrustConfig, frame: pl.DataFrame) -> Evidence:
    """Evidence of a fleet.violations frame: the weight of each violation's severity."""
    weights = dict(config.severity_weights)
    severity = frame["severity"].str.to_lowercase()
    bad = severity.replace_strict(weights, default=weights["medium"], return_dtype=pl.Float64)
    return Evidence(np.arange(frame.height), np.zeros(frame.height), bad.to_numpy(), event_times_s(frame))


def update(
    config: TrustConfig, arrays: SlotArrays, slots: Slots, ok: Doubles, bad: Doubles, event_time_s: Doubles
) -> None:
    """Add evidence: `slots` i4[n], `ok` and `bad` f8[n] in checks, `event_time_s` f8[n].

    Rows with a value that is not finite or is negative are left out. `arrays` has `FIELDS` and room for the slots.
    """
    if config.model == "classic":
        usable = np.isfinite(ok) & np.isfinite(bad) & np.isfinite(event_time_s) & (ok >= 0) & (bad >= 0)
        _update_classic(config, arrays, slots[usable], ok[usable], bad[usable], event_time_s[usable])
    sums = (arrays[name] for name in ("landmark", "good", "bad", "factors", "violations", "last_s"))
    add_checks(slots, ok, bad, event_time_s, config.half_life_s, *sums)


def update_factors(
    config: TrustConfig,
    arrays: SlotArrays,
    slots: Slots,
    first: int,
    evidence: Doubles,
    event_time_s: Doubles,
    *,
    step: int = 1,
) -> None:
    """Add evidence of factors: `slots` i4[n]; `evidence` f8[n, 2*m], (good, bad) of m factors, every `step`-th from
    `trust_factors.FACTORS[first]` on, finite and not negative; `event_time_s` f8[n], finite."""
    sums = (arrays[name] for name in ("landmark", "good", "bad", "factors", "factors_s"))
    add_factors(slots, first, step, evidence, event_time_s, config.half_life_s, *sums)


def _update_classic(
    config: TrustConfig, arrays: SlotArrays, slots: Slots, ok: Doubles, bad: Doubles, event_time_s: Doubles
) -> None:
    """One event after the other, as the model is defined; it is kept for those who ask for it, not for speed."""
    score, last_s = arrays["score"], arrays["last_s"].copy()
    for slot, good, violation, time_s in zip(slots, ok > 0, bad > 0, event_time_s, strict=True):
        now = config.initial_score if np.isnan(score[slot]) else score[slot]
        days = 0.0 if np.isnan(last_s[slot]) else max(time_s - last_s[slot], 0.0) / _DAY_S
        now += (config.initial_score - now) * (1 - (1 - config.decay_rate) ** days)
        now += config.compliance_bonus * good - config.violation_penalty * violation
        score[slot] = min(max(now, 0.0), 1.0)
        last_s[slot] = np.fmax(last_s[slot], time_s)


def read(config: TrustConfig, arrays: SlotArrays, slots: Slots, now_s: float) -> TrustScores:
    """Scores of `slots` (i4[k]) at `now_s`, or at their newest evidence if later; without evidence, the prior's."""
    at_s = np.fmax(np.fmax(arrays["last_s"][slots], arrays["factors_s"][slots]), now_s)
    decay = np.exp2(arrays["landmark"][slots] - at_s / config.half_life_s)
    good, bad = arrays["good"][slots] * decay, arrays["bad"][slots] * decay
    n = good + bad + config.prior_good + config.prior_bad
    compliance = (config.prior_good + good) / n
    shares = trust_factors.shares(arrays["factors"][slots] * decay[:, None], config.factor_prior, config.references)
    if config.model == "classic":
        compliance = p = trust = _read_classic(config, arrays, slots, now_s)
    else:
        effect = trust_factors.effect(shares, config.references, config.factor_weights)
        p, trust = compliance * effect, wilson_lower_bound(compliance, n, config.z) * effect
    return TrustScores(p, trust, n, good, bad, arrays["violations"][slots], compliance, shares)


def _read_classic(config: TrustConfig, arrays: SlotArrays, slots: Slots, now_s: float) -> Doubles:
    score = np.nan_to_num(arrays["score"][slots], nan=config.initial_score)
    days = np.nan_to_num(np.maximum(now_s - arrays["last_s"][slots], 0.0) / _DAY_S, nan=0.0)
    read_score: Doubles = config.initial_score - (config.initial_score - score) * (1 - config.decay_rate) ** days
    return read_score


def wilson_lower_bound(p: Doubles, n: Doubles, z: float) -> Doubles:
    """Lower end of the Wilson score interval of share `p` (f8[k], 0 to 1) seen in `n` (f8[k], above 0) checks."""
    square = z * z
    bound: Doubles = (p + square / (2 * n) - z * np.sqrt(p * (1 - p) / n + square / (4 * n * n))) / (1 + square / n)
    return bound


@dataclass(frozen=True, slots=True)
class GroupEvidence:
    """Sums over the agents of each group, f8[groups]: count; trust, 0 to count; decayed checks; count since the state
    began (not of the last hour)."""

    agents: Doubles
    trust_sum: Doubles
    compliant: Doubles
    violating: Doubles
    violations: Doubles


def group_evidence(
    config: TrustConfig,
    arrays: SlotArrays,
    count: int,
    codes: npt.NDArray[np.integer],
    groups: int,
    now_s: float,
) -> GroupEvidence:
    """What is known at `now_s` of groups 0 to `groups` - 1 (tenants, deployments, hosts) of the slots 0 to `count` - 1.

    `codes` int[count]: group of each slot; below 0 = in none. An agent without evidence counts with the prior's trust.
    """
    slots = np.flatnonzero(codes[:count] >= 0).astype(np.int32)
    scores, chosen = read(config, arrays, slots, now_s), codes[slots]

    def summed(of_agents: Doubles | None) -> Doubles:
        return np.bincount(chosen, of_agents, minlength=groups).astype(np.float64)

    return GroupEvidence(
        summed(None), summed(scores.trust), summed(scores.compliant), summed(scores.violating),
        summed(scores.violations.astype(np.float64)),
    )  # fmt: skip
