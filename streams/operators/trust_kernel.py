"""The compiled loops of `streams.operators.trust`: evidence into sums that are weighed at a landmark.

The landmark is a whole number of half-lives. Where evidence is newer, it moves on, and what was summed is multiplied by
a power of two, which is exact: a sum is the same whether its evidence came in one batch or in many.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.operators.anomaly_kernel import compiled

_VANISHED = -2000
"""Half-lives after which any double is 0."""


@compiled
def _weight(
    slot: int,
    time_s: float,
    half_life_s: float,
    landmark: Any,  # noqa: ANN401  # Numba types it
    good: Any,  # noqa: ANN401  # Numba types it
    bad: Any,  # noqa: ANN401  # Numba types it
    factors: Any,  # noqa: ANN401  # Numba types it
) -> float:
    """What evidence of this time weighs at the slot's landmark, which moves on for it if it has to."""
    half_lives = time_s / half_life_s
    whole = math.floor(half_lives)
    number = np.int64(whole)
    if number > landmark[slot]:
        shift: Any = np.int32(max(landmark[slot] - number, _VANISHED))
        good[slot] = math.ldexp(good[slot], shift)
        bad[slot] = math.ldexp(bad[slot], shift)
        for column in range(factors.shape[1]):
            factors[slot, column] = math.ldexp(factors[slot, column], shift)
        landmark[slot] = number
    age: Any = np.int32(max(number - landmark[slot], _VANISHED))
    return math.ldexp(np.exp2(half_lives - whole), age)


@compiled
def add_checks(
    slots: Any,  # noqa: ANN401  # Numba types it
    ok: Any,  # noqa: ANN401  # Numba types it
    violating: Any,  # noqa: ANN401  # Numba types it
    times_s: Any,  # noqa: ANN401  # Numba types it
    half_life_s: float,
    landmark: Any,  # noqa: ANN401  # Numba types it
    good: Any,  # noqa: ANN401  # Numba types it
    bad: Any,  # noqa: ANN401  # Numba types it
    factors: Any,  # noqa: ANN401  # Numba types it
    violations: Any,  # noqa: ANN401  # Numba types it
    last_s: Any,  # noqa: ANN401  # Numba types it
) -> None:
    """Compliant and violating checks of rows; those that are not finite or below 0 are left out."""
    for row in range(slots.size):
        well, ill, time_s = ok[row], violating[row], times_s[row]
        if not (np.isfinite(well) and np.isfinite(ill) and np.isfinite(time_s) and well >= 0.0 and ill >= 0.0):
            continue
        slot = slots[row]
        weight = _weight(slot, time_s, half_life_s, landmark, good, bad, factors)
        good[slot] += well * weight
        bad[slot] += ill * weight
        if ill > 0.0:
            violations[slot] += 1
        if not time_s <= last_s[slot]:
            last_s[slot] = time_s


@compiled
def add_factors(
    slots: Any,  # noqa: ANN401  # Numba types it
    first: int,
    step: int,
    evidence: Any,  # noqa: ANN401  # Numba types it
    times_s: Any,  # noqa: ANN401  # Numba types it
    half_life_s: float,
    landmark: Any,  # noqa: ANN401  # Numba types it
    good: Any,  # noqa: ANN401  # Numba types it
    bad: Any,  # noqa: ANN401  # Numba types it
    factors: Any,  # noqa: ANN401  # Numba types it
    factors_s: Any,  # noqa: ANN401  # Numba types it
) -> None:
    """Evidence f8[n, 2*m], (good, bad) of m factors, into those of `factors` from `first` on, every `step`-th."""
    for row in range(slots.size):
        slot, time_s = slots[row], times_s[row]
        weight = _weight(slot, time_s, half_life_s, landmark, good, bad, factors)
        for number in range(evidence.shape[1] // 2):
            at = 2 * (first + step * number)
            factors[slot, at] += evidence[row, 2 * number] * weight
            factors[slot, at + 1] += evidence[row, 2 * number + 1] * weight
        if not time_s <= factors_s[slot]:
            factors_s[slot] = time_s
