"""The usual band of a metric: what its own values before a moment let one expect at that moment.

The anomaly detector says what it expected only where it flagged a value. Between its flags a picture shows this
instead: mean and standard deviation of the values in the `BEFORE` buckets with reports before each, pooled over them,

    M = sum(n_i*m_i)/sum(n_i);  s**2 = sum(n_i*(v_i + (m_i - M)**2))/sum(n_i);  low, high = M -+ `WIDTH`*s

so nothing of a bucket itself, and nothing after it, is in its band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

BEFORE = 24
"""Buckets with reports that a band is made of."""
LEAST_VALUES = 8
"""A band of fewer values says nothing."""
WIDTH = 3.0
"""Standard deviations on each side."""
_LEAST_SHARE = 1e-6
"""A half width of less than this share of what is expected is rounding: the series stands still."""
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Band:
    """f8[n_buckets] each, in the metric's unit; NaN: too little is known."""

    expected: Doubles
    low: Doubles
    high: Doubles


def usual_band(counts: Sequence[int], means: Sequence[float | None], variances: Sequence[float | None]) -> Band:
    """The band of every bucket of finite counts, means and population variances (None: no value)."""
    n = np.asarray(counts, np.float64)
    m, v = _filled(means), _filled(variances)
    windows = [sliding_window_view(np.concatenate((np.zeros(BEFORE), each)), BEFORE)[:-1] for each in (n, m, v)]
    weights, centres, spreads = windows
    total = weights.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        expected = np.where(total >= LEAST_VALUES, (weights * centres).sum(axis=1) / total, np.nan)
        inner = (weights * (spreads + (centres - expected[:, None]) ** 2)).sum(axis=1) / total
        half = WIDTH * np.sqrt(inner)
        half = np.where(half > _LEAST_SHARE * np.abs(expected), half, 0.0)
    return Band(expected, expected - half, expected + half)


def _filled(values: Sequence[float | None]) -> Doubles:
    return np.asarray([0.0 if value is None else value for value in values], np.float64)
