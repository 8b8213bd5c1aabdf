"""A measured series through the production operator, in micro-batches, as a stream worker would feed it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from streams.eval.corpus import Series
from streams.operators import anomaly
from streams.operators.arrays import SlotArrays
from streams.operators.slots import Slots

BATCH_ROWS = 512
SCORED = ("score", "expected", "lower", "upper", "confidence")


def in_time_order(series: Series) -> npt.NDArray[np.int64]:
    """Rows of `series` that have a time, oldest first; rows of the same time stay in the order of the file."""
    order = np.argsort(series.event_time_s, kind="stable")
    return order[np.isfinite(series.event_time_s[order])]


def flags_of(config: anomaly.AnomalyConfig, series: Series, batch_rows: int = BATCH_ROWS) -> npt.NDArray[np.bool_]:
    """Whether each value was flagged, bool[n] in the order of the file; what comes without a time never is."""
    flagged, arrays = np.zeros(len(series), np.bool_), SlotArrays(anomaly.fields(1), 1)
    for rows, slots, values, times in _batches(series, batch_rows):
        flagged[rows[anomaly.update(config, arrays, slots, values, times).row]] = True
    return flagged


def scores_of(
    config: anomaly.AnomalyConfig, series: Series, batch_rows: int = BATCH_ROWS
) -> dict[str, npt.NDArray[np.float64]]:
    """`SCORED` of each value, f8[n] in the order of the file, NaN where there is no score; confidence is 0 unless
    flagged."""
    columns = {name: np.full(len(series), np.nan) for name in SCORED}
    arrays = SlotArrays(anomaly.fields(1), 1)
    for rows, slots, values, times in _batches(series, batch_rows):
        scores = anomaly.update_and_score(config, arrays, slots, values, times)
        for name, column in columns.items():
            column[rows[scores.found.row]] = getattr(scores.found, name)
        resting = rows[scores.found.row[~scores.flagged]]
        columns["confidence"][resting] = 0.0
    return columns


def _batches(
    series: Series, batch_rows: int
) -> Iterator[tuple[npt.NDArray[np.int64], Slots, npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Rows of the file of each micro-batch, and the columns that go into the operator."""
    order = in_time_order(series)
    for begin in range(0, order.size, batch_rows):
        rows = order[begin : begin + batch_rows]
        yield rows, np.zeros(rows.size, np.int32), series.value[rows].reshape(-1, 1), series.event_time_s[rows]
