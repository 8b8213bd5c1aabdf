"""A measured series through the production operator, in micro-batches, as a stream worker would feed it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from streams.eval.corpus import Series
from streams.operators import anomaly
from streams.operators.arrays import SlotArrays

BATCH_ROWS = 512


def in_time_order(series: Series) -> npt.NDArray[np.int64]:
    """Rows of `series` that have a time, oldest first; rows of the same time stay in the order of the file."""
    order = np.argsort(series.event_time_s, kind="stable")
    return order[np.isfinite(series.event_time_s[order])]


def flags_of(config: anomaly.AnomalyConfig, series: Series, batch_rows: int = BATCH_ROWS) -> npt.NDArray[np.bool_]:
    """Whether each value was flagged, bool[n] in the order of the file; what comes without a time never is."""
    flagged = np.zeros(len(series), np.bool_)
    for rows, found in _batches(config, series, batch_rows):
        flagged[rows[found.row]] = True
    return flagged


def _batches(
    config: anomaly.AnomalyConfig, series: Series, batch_rows: int
) -> Iterator[tuple[npt.NDArray[np.int64], anomaly.Flags]]:
    """Rows of the file of each micro-batch, and what `update` said of them."""
    arrays = SlotArrays(anomaly.fields(1), 1)
    order = in_time_order(series)
    for begin in range(0, order.size, batch_rows):
        rows = order[begin : begin + batch_rows]
        values, times = series.value[rows].reshape(-1, 1), series.event_time_s[rows]
        yield rows, anomaly.update(config, arrays, np.zeros(rows.size, np.int32), values, times)
