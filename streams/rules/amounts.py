"""What events of a topic add to budgets: a column for each name that a budget may sum up. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.rules.model import CUSTOM

Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_TOPICS: Mapping[str, str] = MappingProxyType(
    {"violations": "fleet.violations", "completed": "fleet.lifecycle", "failures": "fleet.lifecycle"}
)


def topic_of(name: str) -> str:
    """Where the events come from that a budget of `name` adds up."""
    return _TOPICS.get(name, "fleet.metrics")


def amounts_of(name: str, frame: pl.DataFrame) -> tuple[Rows, Doubles]:
    """Rows i8[k] of the frame that say something, and how much f8[k], finite."""
    if name.startswith(CUSTOM):
        rows, amounts = _custom(name.removeprefix(CUSTOM), frame)
    else:
        amounts = _column(name, frame)
        rows = np.arange(frame.height)
    told = np.isfinite(amounts)
    return rows[told], amounts[told]


def _column(name: str, frame: pl.DataFrame) -> Doubles:
    match name:
        case "violations":
            return np.ones(frame.height)
        case "completed":
            return np.where(frame["status"].is_not_null().to_numpy(), 1.0, np.nan)
        case "failures":
            return np.where((frame["status"] == "failure").fill_null(value=False).to_numpy(), 1.0, np.nan)
        case "failed_requests":
            return _failed(_numbers(frame, "error_rate"), _numbers(frame, "success_rate")) * _numbers(
                frame, "request_count"
            )
    return _numbers(frame, name)


def _failed(error_rate: Doubles, success_rate: Doubles) -> Doubles:
    """Share of requests that failed: as said, else what is left of the share that succeeded (percent)."""
    share = np.where(np.isnan(error_rate), 1 - success_rate / 100, error_rate)
    found: Doubles = np.clip(share, 0.0, 1.0)
    return found


def _numbers(frame: pl.DataFrame, name: str) -> Doubles:
    return frame[name].to_numpy().astype(np.float64, copy=False)


def _custom(name: str, frame: pl.DataFrame) -> tuple[Rows, Doubles]:
    long = frame.select("custom").with_row_index("row").explode("custom").drop_nulls("custom").unnest("custom")
    found = long.filter(pl.col("name") == name)
    return found["row"].to_numpy().astype(np.int64), _numbers(found, "value")
