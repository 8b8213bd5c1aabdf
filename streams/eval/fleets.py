"""Simulated fleets that beat: when every agent's beats arrive, and which of them never do.

Beats are planned on a grid of intervals, shifted by normal jitter (so a gap between two of them has sqrt(2) times the
jitter). Losses follow a Gilbert chain: a beat is lost with one chance after one that arrived and with another after one
that was lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
START_S = 1_790_000_000.0
YEAR_S = 365.25 * 86_400


@dataclass(frozen=True)
class LossClass:
    """`miss`: share of beats that are lost; `again`: chance that a beat is lost after a lost one; both 0 to 1."""

    miss: float
    again: float

    @property
    def begin(self) -> float:
        """Chance that a beat is lost after one that arrived, such that `miss` is the share of lost ones."""
        return self.miss * (1 - self.again) / (1 - self.miss)


@dataclass(frozen=True)
class Fleet:
    """Agents in equal parts of `classes`, that beat every `interval_s` with a jitter of `jitter` (share of it).

    `delay_s`: median of the way's delay on top, lognormal with `delay_spread` as standard deviation of its logarithm.
    """

    name: str
    classes: tuple[LossClass, ...]
    interval_s: float = 30.0
    jitter: float = 0.1
    delay_s: float = 0.0
    delay_spread: float = 0.0

    def arrivals(self, agents: int, rounds: int, seed: int) -> Iterator[Doubles]:
        """For every round of beats, f8[agents]: when each arrives, s since the epoch; NaN = lost."""
        rng = np.random.default_rng(seed)
        kind = np.arange(agents) % len(self.classes)
        begin = np.array([c.begin for c in self.classes])[kind]
        again = np.array([c.again for c in self.classes])[kind]
        lost = np.zeros(agents, np.bool_)
        for number in range(rounds):
            lost = rng.random(agents) < np.where(lost, again, begin)
            at_s = START_S + self.interval_s * (number + self.jitter * rng.standard_normal(agents))
            if self.delay_s:
                at_s += self.delay_s * np.exp(self.delay_spread * rng.standard_normal(agents))
            yield np.where(lost, np.nan, at_s)


STANDARD = Fleet("standard", (LossClass(0.01, 0.01),))
"""Beats of 30 s, 10 % jitter, 1 % of them lost, each for itself."""
MIXED = Fleet(
    "mixed",
    (LossClass(1e-5, 0.05), LossClass(1e-4, 0.05), LossClass(1e-3, 0.10), LossClass(1e-2, 0.15), LossClass(5e-2, 0.22)),
    jitter=0.02,
)
"""From a wired network to 5 % of losses in bursts: chosen by what others measured on the fleet of the bar, before any
setting of ours was (docs/adr/0014)."""
LOSSY = Fleet(
    "lossy",
    (LossClass(1e-4, 0.05), LossClass(1e-3, 0.10), LossClass(5e-3, 0.15), LossClass(2e-2, 0.18), LossClass(5e-2, 0.22)),
)
"""Worse than mixed, and with its jitter five times as large: no bar, to see what is paid where networks are bad."""
