"""The scoring of the Numenta Anomaly Benchmark 1.1 (Lavin and Ahmad, 2015; `nab/sweeper.py` of numenta/NAB).

Rows are taken in the order of time. The first 15 % of a file, at most 750 rows, are probation: flags there count
nothing. With s(x) = 2/(1 + exp(5x)) - 1:

    a flag at row i in a window of rows L..R, W = R - L + 1:  s(-(R - i + 1)/W)/s(-1), only the best one of a window
    a flag outside, R and W of the last window before it:     s((i - R)/(W - 1)) * A_fp, -A_fp beyond 3 or if none
    a window without a flag:                                  -A_fn

The score of a corpus is 100*(raw - null)/(perfect - null): null is what no flag at all gets, perfect one flag at the
first row of each window. Weights (A_tp = 1): standard .11 / 1, reward_low_FP .22 / 1, reward_low_FN .11 / 2. Windows
that end within probation are not scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Profile:
    """What an application pays for: weights of a found window, a false positive, a missed window."""

    true_positive: float
    false_positive: float
    false_negative: float


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {"standard": Profile(1.0, 0.11, 1.0), "low_fp": Profile(1.0, 0.22, 1.0), "low_fn": Profile(1.0, 0.11, 2.0)}
)
PROBATION_SHARE, PROBATION_ROWS = 0.15, 750
_FAR = 3.0


def probation(rows: int) -> int:
    """Rows at the begin of a file of `rows` rows that are not scored."""
    return min(math.floor(PROBATION_SHARE * rows), PROBATION_ROWS)


def position_score(position: float) -> float:
    """Scaled sigmoid: near 1 at -1 (begin of a window), 0 at 0 (its end), -1 far behind it."""
    return -1.0 if position > _FAR else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def window_rows(event_time_s: npt.NDArray[np.float64], windows: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """First and last row of each window (begin and end in seconds) that holds any row; `event_time_s` ascending."""
    found = []
    for begin_s, end_s in windows:
        first = int(np.searchsorted(event_time_s, begin_s, side="left"))
        last = int(np.searchsorted(event_time_s, end_s, side="right")) - 1
        if last >= first:
            found.append((first, last))
    return found


@dataclass(frozen=True)
class Tally:
    """What flags earned in one file, before weights; sums over files are scored.

    `windows`: scored windows, `found` of them have a flag, `gain` sums up their best position scores (at most 1 each);
    `false_positives` flags outside, `loss` sums up their position scores (at most 1 each, positive).
    """

    windows: int = 0
    found: int = 0
    gain: float = 0.0
    false_positives: int = 0
    loss: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.windows + other.windows,
            self.found + other.found,
            self.gain + other.gain,
            self.false_positives + other.false_positives,
            self.loss + other.loss,
        )

    def raw(self, profile: Profile) -> float:
        """NAB's score before it is normalised."""
        missed = self.windows - self.found
        return profile.true_positive * self.gain - profile.false_positive * self.loss - profile.false_negative * missed

    def normalised(self, profile: Profile) -> float:
        """100 for perfect, 0 for no flag at all; NaN where there is no window to score against."""
        null, perfect = -profile.false_negative * self.windows, profile.true_positive * self.windows
        return 100.0 * (self.raw(profile) - null) / (perfect - null) if self.windows else math.nan


def tally(flagged: Bools, windows: Sequence[tuple[int, int]]) -> Tally:
    """Score the flags (bool[n], in the order of time) of one file with windows as first and last row, in order."""
    start = probation(flagged.size)
    at = np.flatnonzero(flagged)
    at = at[at >= start]
    scored = [(first, last) for first, last in windows if last >= start]
    found, gain, inside = 0, 0.0, np.zeros(at.size, np.bool_)
    for first, last in scored:
        here = (at >= first) & (at <= last)
        inside |= here
        if here.any():
            earliest = int(at[here][0])
            found += 1
            gain += position_score(-(last - earliest + 1) / (last - first + 1)) / position_score(-1.0)
    outside = at[~inside]
    loss = sum(-_outside_score(int(row), windows) for row in outside)
    return Tally(len(scored), found, gain, int(outside.size), loss)


def _outside_score(row: int, windows: Sequence[tuple[int, int]]) -> float:
    before = [(first, last) for first, last in windows if last < row]
    if not before:
        return -1.0
    first, last = before[-1]
    return position_score((row - last) / max(last - first, 1))
