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
from rich.table import Table

from infra.runtime.narrow import Narrowable, wide_console
from streams.eval.corpus import TIMES, DataError, Series, numbers_of, read_columns, times_of
from streams.eval.replay import scores_of
from streams.operators.anomaly import AnomalyConfig

STEP_S = 300.0
"""Between rows of a file without timestamps."""


def scored_rows(config: AnomalyConfig, series: Series) -> Iterator[dict[str, Any]]:
    """One record a line of the file, in its order: index (from 0), timestamp, value, score, expected, lower, upper,
    confidence, flag.

    What has no score (the first value, absent and double ones, those without a time) has null there and is not flagged.
    """
    columns = scores_of(config, series)
    for i in range(len(series)):
        yield {
            "index": i,
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
    """Read a series that has something to score; rows without any timestamp count as `STEP_S` apart.

    Raises `DataError`.
    """
    columns = read_columns(path)
    if "value" not in columns:
        raise DataError(
            f"{path} has no column value; it has {', '.join(columns) or 'none'}",
            setting="--data",
            way_out="Its first line must be: timestamp,value",
        )
    values = numbers_of(columns["value"])
    if not np.isfinite(values).any():
        raise DataError(f"{path} has no number in its column value", setting="--data")
    if "timestamp" not in columns or not columns["timestamp"].fill_null("").str.strip_chars().ne("").any():
        sys.stderr.write(f"{path} has no timestamps: its rows count as {STEP_S:g} s apart\n")
        return Series(path.name, STEP_S * np.arange(values.size, dtype=np.float64), values)
    times_s = times_of(columns["timestamp"])
    if not (np.isfinite(values) & np.isfinite(times_s)).any():
        raise DataError(f"{path} has no readable time in its column timestamp", setting="--data", way_out=TIMES)
    return Series(path.name, times_s, values)


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
        wide_console().print(Narrowable(_table(rows, config.threshold)))
