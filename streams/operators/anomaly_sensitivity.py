"""The detector's threshold from the share of values that somebody wants to see flagged.

Measured, not derived: the share of 179,391 values of 31 NAB files that the shipped configuration flagged at each
threshold (command in ADR 0013). Two halves of the files differ by less than a tenth at thresholds up to 7, by at most
a fifth beyond. The rest after a flag is part of it: no threshold flags more than about one value in 60.
"""

from __future__ import annotations

import numpy as np

MEASURED = (
    (2.5, 2.57e-3),
    (3.0, 1.90e-3),
    (3.5, 1.47e-3),
    (4.14, 1.08e-3),
    (5.0, 7.8e-4),
    (6.0, 6.6e-4),
    (7.0, 5.5e-4),
    (8.0, 4.7e-4),
    (10.0, 3.6e-4),
    (12.0, 2.6e-4),
    (14.0, 2.1e-4),
    (16.0, 1.5e-4),
    (18.0, 1.2e-4),
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
