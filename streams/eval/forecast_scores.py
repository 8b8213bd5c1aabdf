"""How good probabilities are: Brier score, skill, area under the ROC curve, reliability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Steps = npt.NDArray[np.int64]
BINS = 10


def brier(probability: Doubles, happened: Bools) -> float:
    """Mean squared difference of forecast and outcome: 0 is perfect; NaN for none."""
    return float(np.mean((probability - happened) ** 2)) if happened.size else float("nan")


def auc(probability: Doubles, happened: Bools) -> float:
    """Probability that a case that happened was given more than one that did not, ties half; NaN without both."""
    positives = int(happened.sum())
    negatives = happened.size - positives
    if not positives or not negatives:
        return float("nan")
    _, place, counts = np.unique(probability, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[happened].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def reliability(probability: Doubles, happened: Bools) -> list[dict[str, float]]:
    """For each tenth of the scale that was used: mean forecast, share that happened, number."""
    tenth = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    return [
        {
            "forecast": float(probability[tenth == i].mean()),
            "observed": float(happened[tenth == i].mean()),
            "count": int((tenth == i).sum()),
        }
        for i in range(BINS)
        if (tenth == i).any()
    ]


def climatology(step: Steps, happened: Bools, horizon_steps: int) -> Doubles:
    """The rate of outcomes that were known at each step of one series, `step` ascending: (crossed + 1)/(known + 2)."""
    known = np.searchsorted(step, step - horizon_steps, side="right")
    crossed = np.concatenate(([0], np.cumsum(happened)))[known]
    rate: Doubles = (crossed + 1.0) / (known + 2.0)
    return rate


@dataclass(frozen=True)
class Judged:
    """Forecasts of one horizon with their outcomes; all arrays [n]."""

    probability: Doubles
    walk: Doubles
    climatology: Doubles
    happened: Bools

    def report(self, horizon_s: float) -> dict[str, Any]:
        """Scores as numbers; skill is the share of the other's Brier score that is saved."""
        scores = {
            name: (brier(p, self.happened), auc(p, self.happened))
            for name, p in (("", self.probability), ("_walk", self.walk), ("_climatology", self.climatology))
        }
        own = scores[""][0]
        return {
            "horizon_s": horizon_s,
            "count": int(self.happened.size),
            "base_rate": float(self.happened.mean()) if self.happened.size else float("nan"),
            **{f"brier{name}": score for name, (score, _) in scores.items()},
            **{f"auc{name}": area for name, (_, area) in scores.items()},
            "skill_against_climatology": 1 - own / scores["_climatology"][0],
            "skill_against_walk": 1 - own / scores["_walk"][0],
            "reliability": reliability(self.probability, self.happened),
        }


def join(parts: list[Judged]) -> Judged:
    """All of them, one after the other."""
    names = Judged.__dataclass_fields__
    return Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
