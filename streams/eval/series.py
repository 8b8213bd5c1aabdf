"""`fleetpulse eval series`: what the shipped anomaly detector says of every value of one series."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from streams.eval.corpus import DataError, Series, read_series
from streams.eval.replay import scores_of
from streams.operators.anomaly import AnomalyConfig


def scored_rows(config: AnomalyConfig, series: Series) -> Iterator[dict[str, Any]]:
    """One record a line of the file, in its order: timestamp, value, score, flag, confidence, expected, lower, upper.

    What has no score (the first value, absent and double ones, those without a time) has null there and is not flagged.
    """
    columns = scores_of(config, series)
    for i in range(len(series)):
        yield {
            "timestamp": _text(float(series.event_time_s[i])),
            "value": _number(series.value[i]),
            **{name: _number(column[i]) for name, column in columns.items()},
            "flag": bool(columns["confidence"][i] > 0.0),
        }


def _number(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def _text(time_s: float) -> str | None:
    try:
        return datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):  # NaN, or no year of the calendar
        return None


def read_checked(path: Path) -> Series:
    """Read a series that has something to score. Raises `DataError`."""
    series = read_series(path)
    if not np.isfinite(series.value).any():
        raise DataError(f"{path} has no number in its column value", setting="--data")
    if not (np.isfinite(series.value) & np.isfinite(series.event_time_s)).any():
        raise DataError(
            f"{path} has no readable time in its column timestamp",
            setting="--data",
            way_out="Write ISO dates with times, or seconds since the epoch",
        )
    return series


def _table(rows: list[dict[str, Any]], threshold: float) -> Table:
    flagged = [row for row in rows if row["flag"]]
    scored = sum(row["score"] is not None for row in rows)
    table = Table(title=f"{len(flagged)} of {scored} scored values flagged, threshold {threshold:g}")
    names = ("timestamp", "value", "score", "confidence", "expected", "lower", "upper")
    for name in names:
        table.add_column(name, justify="left" if name == "timestamp" else "right")
    for row in flagged:
        table.add_row(str(row["timestamp"]), *(f"{row[name]:.6g}" for name in names[1:]))
    return table


def main(data: Path, *, as_json: bool) -> None:
    """Score the file `data`; print every value as JSON, or the flagged ones as a table. Raises `DataError`."""
    config = AnomalyConfig()
    rows = list(scored_rows(config, read_checked(data)))
    if as_json:
        sys.stdout.write(json.dumps({"threshold": config.threshold, "values": rows}) + "\n")
    else:
        Console().print(_table(rows, config.threshold))
