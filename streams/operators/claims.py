"""What an agent claims of its health against what its events show.

Of the things that an agent finished (tools, turns) the share that failed is known with an uncertainty: counts decay by
`DECAY` with each, and Wilson's interval (E. B. Wilson, 1927) bounds the share. An agent that claims to be healthy while
at least `failing_share` of what it does fails for certain contradicts itself, and so does one that claims to be
unhealthy through `calm_count` finished things of which hardly any fails.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypedDict

DECAY = 0.97
"""Of the counts at each finished thing: about the last 33 of them matter."""
HEALTHY = "healthy"
Verdict = Literal["failing", "fine", "agrees"]


@dataclass(frozen=True)
class ClaimConfig:
    """`failing_share`: lower bound of the share that fails from which a claim of health is refuted, until it is below
    half of that; `fine_share`: upper bound below which a claim of illness is; `least_count`, `calm_count`: finished
    things (decayed count) that each needs at least; `z`: quantile of the normal distribution for the bounds (2.58:
    99.5 %, one-sided).
    """

    failing_share: float = 0.25
    fine_share: float = 0.2
    least_count: float = 10.0
    calm_count: float = 25.0
    z: float = 2.58


class Outcomes(TypedDict):
    """Decayed counts of what succeeded and failed since the claim changed, and whether a contradiction was told."""

    good: float
    bad: float
    claim: str | None
    told: bool


def new_outcomes() -> Outcomes:
    """Nothing was finished, nothing claimed."""
    return Outcomes(good=0.0, bad=0.0, claim=None, told=False)


def note_claim(known: Outcomes, claim: str) -> None:
    """The agent says how it is; a new claim is judged by what comes after it."""
    if claim != known["claim"]:
        known["good"], known["bad"], known["claim"], known["told"] = 0.0, 0.0, claim, False


def note_outcome(known: Outcomes, *, failed: bool) -> None:
    """Something was finished."""
    known["good"] = DECAY * known["good"] + (not failed)
    known["bad"] = DECAY * known["bad"] + failed


def failing_bounds(known: Outcomes, z: float) -> tuple[float, float]:
    """Bounds of the share that fails, 0 to 1; (0, 1) where nothing is known."""
    n = known["good"] + known["bad"]
    if n <= 0:
        return 0.0, 1.0
    p, square = known["bad"] / n, z * z
    middle = p + square / (2 * n)
    reach = z * math.sqrt(p * (1 - p) / n + square / (4 * n * n))
    return max((middle - reach) / (1 + square / n), 0.0), min((middle + reach) / (1 + square / n), 1.0)


def judge(config: ClaimConfig, known: Outcomes) -> Verdict:
    """Whether events refute the claim; without one there is nothing to refute."""
    if known["claim"] is None:
        return "agrees"
    count = known["good"] + known["bad"]
    least, most = failing_bounds(known, config.z)
    if known["claim"] == HEALTHY:
        limit = config.failing_share / 2 if known["told"] else config.failing_share
        return "failing" if count >= config.least_count and least >= limit else "agrees"
    return "fine" if count >= config.calm_count and most <= config.fine_share else "agrees"
