"""Factors of trust beside compliance: reliability (requests), liveness (beats), behaviour (values without a flag).

Each has a share p = (prior*reference + good)/(prior + good + bad), which without evidence is its reference, and the
effect min(1, p/reference)**weight on the trust: what is as good as the reference, or not known, costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.operators.anomaly_kernel import compiled

Doubles = npt.NDArray[np.float64]
FACTORS = ("reliability", "liveness", "behaviour")
"""In the order of every axis of factors."""
MOST = 1e9
"""What one event may weigh at most: a hostile count must not overflow a sum."""


def reliability(error_rate: Doubles, success_rate: Doubles, request_count: Doubles) -> Doubles:
    """Requests that went well and that failed, f8[n, 2]; both 0 where neither rate is known.

    `error_rate` 0 to 1, else `success_rate` in percent; `request_count`, all f8[n], NaN where absent. A report that
    does not say how many requests it is about counts as one.
    """
    found = np.empty((request_count.size, 2))
    _reliability(error_rate, success_rate, request_count, MOST, found)
    return found


@compiled
def _reliability(
    error_rate: Any,  # noqa: ANN401  # Numba types it
    success_rate: Any,  # noqa: ANN401  # Numba types it
    request_count: Any,  # noqa: ANN401  # Numba types it
    most: float,
    found: Any,  # noqa: ANN401  # Numba types it
) -> None:
    for row in range(request_count.size):
        failed = error_rate[row] if np.isfinite(error_rate[row]) else 1.0 - success_rate[row] / 100.0
        if not np.isfinite(failed):
            found[row, 0], found[row, 1] = 0.0, 0.0
            continue
        requests = request_count[row] if np.isfinite(request_count[row]) else 1.0
        requests = min(max(requests, 0.0), most)
        bad = min(max(failed, 0.0), 1.0) * requests
        found[row, 0], found[row, 1] = requests - bad, bad


def behaviour(values: Doubles, flag_row: npt.NDArray[np.integer], flag_weight: float) -> Doubles:
    """Values seen and what flags among them weigh, f8[n, 2]: `values` f8[n, m], `flag_row` int: row of every flag.

    A detector that has raised a flag raises the next one only much later, so a flag stands for more than one value.
    """
    found = np.zeros((values.shape[0], 2))
    _seen(values, found)
    if flag_row.size:
        found[:, 1] = flag_weight * np.bincount(flag_row, minlength=values.shape[0])
    return found


@compiled
def _seen(values: Any, found: Any) -> None:  # noqa: ANN401  # Numba types it
    for row in range(values.shape[0]):
        count = 0
        for column in range(values.shape[1]):
            count += np.isfinite(values[row, column])
        found[row, 0] = count


def liveness(missed: Doubles, longest_gap_beats: float) -> Doubles:
    """Beats that came and that were missed before, f8[k, 2]: `missed` f8[k].

    A gap counts as `longest_gap_beats` at most: one long absence is an outage, which has its alert; here habit counts.
    """
    return np.column_stack([np.ones(missed.size), np.minimum(missed, longest_gap_beats)])


def shares(evidence: Doubles, prior: float, references: Sequence[float]) -> Doubles:
    """p of every factor, f8[k, 3], 0 to 1; NaN without evidence. `evidence` f8[k, 6]: (good, bad) of every factor."""
    good, total = evidence[:, ::2], evidence[:, ::2] + evidence[:, 1::2]
    share = (prior * np.asarray(references) + good) / (prior + total)
    return np.where(total > 0, share, np.nan)


def effect(share: Doubles, references: Sequence[float], weights: Sequence[float]) -> Doubles:
    """What the trust is multiplied by for all factors, f8[k], 0 to 1: `share` f8[k, 3] as `shares` gives them."""
    ratio = np.fmin(share / np.asarray(references), 1.0)  # a share of NaN gives 1
    product = np.ones(ratio.shape[0])
    for at, weight in enumerate(weights):
        below = np.flatnonzero(ratio[:, at] < 1)  # few: a power costs 20 ns
        product[below] *= ratio[below, at] ** weight
    return product
