"""What the detector may be expected to score on files that its threshold was not chosen on.

The files are split; the threshold that scores best on one part is scored on the other. Only the threshold is held out:
the other settings were found with all development files in sight, so even this is an estimate from above.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.eval.corpus import DataError
from streams.eval.nab_scoring import PROFILES, Profile, Tally

SPLITS, SEED = 300, 1
Doubles = npt.NDArray[np.float64]
Files = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HeldOut:
    """Scores of one profile: over random halves `mean`, `sd` and 5th and 95th percentile `low` and `high`; and of all
    files together, each scored at the threshold of the others (`by_file`) or of the other folders (`by_category`)."""

    mean: float
    sd: float
    low: float
    high: float
    by_file: float
    by_category: float


@dataclass(frozen=True)
class _Earned:
    """What each file `earned` above no flag at all, f8[thresholds, files], and could at `most`, f8[files]."""

    earned: Doubles
    most: Doubles

    def score(self, threshold: int, files: Files) -> float:
        return 100.0 * float(self.earned[threshold, files].sum() / self.most[files].sum())

    def best(self, files: Files) -> int:
        return int(np.argmax(self.earned[:, files].sum(axis=1)))

    def pooled(self, groups: Sequence[str]) -> float:
        """Every group at the threshold that is best for all the others."""
        names, everything = np.array(groups), np.arange(len(groups))
        total = 0.0
        for group in sorted(set(groups)):
            own = names == group
            total += float(self.earned[self.best(everything[~own]), own].sum())
        return 100.0 * total / float(self.most.sum())


def _earned(profile: Profile, tallies: Sequence[Mapping[str, Tally]]) -> _Earned:
    windows = np.array([found.windows for found in tallies[0].values()], np.float64)
    raw = np.array([[found.raw(profile) for found in files.values()] for files in tallies])
    return _Earned(raw + profile.false_negative * windows, (profile.true_positive + profile.false_negative) * windows)


def _halves(files: int, splits: int, seed: int) -> Iterator[tuple[Files, Files]]:
    rng = np.random.default_rng(seed)
    for _ in range(splits):
        order = rng.permutation(files)
        yield order[: files // 2], order[files // 2 :]
        yield order[files // 2 :], order[: files // 2]


def held_out(tallies: Sequence[Mapping[str, Tally]], splits: int = SPLITS, seed: int = SEED) -> dict[str, HeldOut]:
    """By profile; `tallies`: for each threshold the tally of every file, "FOLDER/FILE" to tally, in the same order.

    Raises `DataError` where fewer than two files have windows.
    """
    names = list(tallies[0])
    windows = np.array([found.windows for found in tallies[0].values()])
    if (windows > 0).sum() < 2:
        raise DataError("--held-out needs two files with windows", setting="--data", way_out="Leave --held-out away")
    return {
        name: _of_profile(_earned(profile, tallies), names, windows, splits, seed) for name, profile in PROFILES.items()
    }


def _of_profile(earned: _Earned, names: Sequence[str], windows: Files, splits: int, seed: int) -> HeldOut:
    halves = [(one, two) for one, two in _halves(len(names), splits, seed) if windows[two].any()]
    scores = np.array([earned.score(earned.best(one), two) for one, two in halves])
    low, high = np.percentile(scores, (5, 95))
    by_category = earned.pooled([name.rpartition("/")[0] for name in names])
    return HeldOut(
        float(scores.mean()), float(scores.std()), float(low), float(high), earned.pooled(names), by_category
    )


def as_json(found: Mapping[str, HeldOut]) -> dict[str, Any]:
    """Fields of `HeldOut`, each by profile."""
    return {
        field: {name: round(getattr(scores, field), 4) for name, scores in found.items()}
        for field in HeldOut.__dataclass_fields__
    }
