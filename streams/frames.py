"""What the operators take of a decoded frame: columns of numbers, times."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.operators.times import seconds

I4 = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]
CLOCK_AHEAD_S = 300.0
"""How far ahead of ours an agent's clock may count: evidence from next year would age all that came before it away."""
HOST_METRICS = (
    "cpu_usage",
    "load_1m",
    "memory_usage",
    "swap_usage",
    "disk_usage",
    "disk_read_rate",
    "disk_write_rate",
    "network_receive_rate",
    "network_send_rate",
    "processes",
    "gpu_usage",
    "gpu_memory_usage",
    "gpu_temperature",
)
"""Columns of fleet.hosts that the operators look at."""


def numeric(frame: pl.DataFrame, names: Iterable[str]) -> npt.NDArray[np.float64]:
    """Columns as f8[n, m], NaN where absent.

    By `to_numpy`, which turns null into NaN: expressions on series start Polars' query engine, 0.1 ms a call, and there
    are batches of three events.
    """
    columns = [frame[name].to_numpy().astype(np.float64, copy=False) for name in names]
    return np.column_stack(columns) if columns else np.empty((frame.height, 0))


def event_time_us(frame: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Event time, i8[n], microseconds since the epoch."""
    return cast("npt.NDArray[np.int64]", frame["timestamp"].to_numpy().view(np.int64))


def times_s(frame: pl.DataFrame, now_s: float) -> Doubles:
    """Event times f8[n], none further ahead of our clock than `CLOCK_AHEAD_S`."""
    found: Doubles = np.minimum(seconds(frame["timestamp"]), now_s + CLOCK_AHEAD_S)
    return found
