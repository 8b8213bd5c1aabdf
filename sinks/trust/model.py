"""The formulas of trust a second time, for explaining: sinks do not import streams. A test holds the two together.

trust = compliance bound * effect of every other factor;  effect = min(1, p/reference)**weight, 1 without evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from infra.runtime.trust_settings import FACTORS, TrustSettings


@dataclass(frozen=True, slots=True)
class Evidence:
    """Decayed weights for and against, in what the factor counts: checks, requests, beats, values."""

    good: float = 0.0
    bad: float = 0.0


@dataclass(frozen=True)
class TrustModel:
    """`settings`: those that the stream workers run with, else the explanation is of another model."""

    settings: TrustSettings

    def decay(self, age_s: float) -> float:
        """Weight of evidence of this age, 0 to 1; of the future, 1."""
        return float(2.0 ** (-max(age_s, 0.0) / self.settings.half_life_s))

    def compliance(self, evidence: Evidence) -> tuple[float, float]:
        """(p, n): expected share of compliant checks, 0 to 1, and the weight behind it with the prior."""
        good, bad = self.settings.prior_good + evidence.good, self.settings.prior_bad + evidence.bad
        return good / (good + bad), good + bad

    def bound(self, evidence: Evidence) -> float:
        """Lower bound of the compliance, 0 to 1."""
        return wilson_lower_bound(*self.compliance(evidence), self.settings.z)

    def share(self, factor: str, evidence: Evidence) -> float:
        """p of one of `FACTORS`, 0 to 1: its reference without evidence."""
        prior, reference = self.settings.factor_prior, self.settings.references[FACTORS.index(factor)]
        return (prior * reference + evidence.good) / (prior + evidence.good + evidence.bad)

    def effect(self, factor: str, share: float | None) -> float:
        """What the trust is multiplied by for a factor at `share`, 0 to 1; None: without evidence."""
        if share is None:
            return 1.0
        at = FACTORS.index(factor)
        return float(min(1.0, share / self.settings.references[at]) ** self.settings.factor_weights[at])


def wilson_lower_bound(p: float, n: float, z: float) -> float:
    """Lower end of the Wilson score interval (E. B. Wilson, 1927) of share `p`, 0 to 1, seen in `n` > 0 checks."""
    square = z * z
    root = math.sqrt(p * (1 - p) / n + square / (4 * n * n))
    return (p + square / (2 * n) - z * root) / (1 + square / n)
