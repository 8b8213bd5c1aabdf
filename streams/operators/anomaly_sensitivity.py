"""The detector's threshold from the share of values that somebody wants to see flagged.

Measured, not derived: the share of 179,391 values of 31 NAB files that the shipped configuration flagged at each
threshold (ADR 0027). It is a guide, not a promise: between two random halves of those files the shares differ by a
median factor of 1.1 to 1.2 up to threshold 4, 1.2 to 1.3 up to 10, 1.4 beyond, and one time in ten by more than 1.4,
1.9 and 2.5. The rest after a flag is part of it: no threshold flags more than about one value in 60.
"""

from __future__ import annotations

import numpy as np

MEASURED = (
    (1.2, 2.55e-3),
    (1.5, 2.1e-3),
    (2.0, 1.59e-3),
    (2.5, 1.24e-3),
    (2.85, 1.08e-3),
    (3.5, 8.5e-4),
    (4.0, 7.4e-4),
    (5.0, 6e-4),
    (6.0, 5e-4),
    (7.0, 4.46e-4),
    (8.0, 3.8e-4),
    (10.0, 2.7e-4),
    (12.0, 2.2e-4),
    (14.0, 1.56e-4),
    (16.0, 1.06e-4),
)
"""Threshold and share of values flagged at it."""

LEAST, MOST = 1.2e-4, 2.5e-3
"""Shares that can be asked for; beyond them nothing was measured."""


def threshold_for(contamination: float) -> float:
    """Threshold at which about the share `contamination` of values is flagged, log-log between those `MEASURED`.

    Raises:
        ValueError: outside [`LEAST`, `MOST`], or no number.
    """
    if not LEAST <= contamination <= MOST:
        raise ValueError(f"{contamination:g} is not within {LEAST:g} to {MOST:g}")
    thresholds, shares = np.log(np.array(MEASURED[::-1])).T
    return round(float(np.exp(np.interp(np.log(contamination), shares, thresholds))), 3)
