"""Event times as seconds, the same to the last bit however a batch was split.

By NumPy: Polars divides a column by a literal as a multiplication with its reciprocal, but a column of one row as a
division, so the same time would differ in its last bit with the size of its batch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

_NAT = np.iinfo(np.int64).min


def seconds(times: pl.Series) -> npt.NDArray[np.float64]:
    """A Datetime("us") column without nulls as f8[n] seconds since the epoch."""
    micros: npt.NDArray[np.float64] = times.to_numpy().view(np.int64).astype(np.float64)
    return micros / 1e6


def seconds_or_nan(times: pl.Series) -> npt.NDArray[np.float64]:
    """A nullable Datetime("us") column as f8[n] seconds since the epoch; NaN = null."""
    return np.where(times.to_numpy().view(np.int64) == _NAT, np.nan, seconds(times))
