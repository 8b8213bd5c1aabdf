"""Labelled series on disk: CSV files with `timestamp` and `value`, and windows in which something was wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PolarsError

from infra.runtime.errors import FleetpulseError

Doubles = npt.NDArray[np.float64]
COLUMNS = ("timestamp", "value")
_HEADER_BYTES = 65_536
_EPOCH_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_SHOWN_PROBLEM = 200
TIMES = "Write ISO dates with times, or seconds since the epoch"


class DataError(FleetpulseError):
    """A file or folder of measured series cannot be used."""


@dataclass(frozen=True)
class Series:
    """One measured series in the order of its file.

    `event_time_s` f8[n]: seconds since the epoch, UTC; NaN = no readable time. `value` f8[n]; NaN = absent. `windows`:
    (begin, end) in seconds, both inside.
    """

    name: str
    event_time_s: Doubles
    value: Doubles
    windows: tuple[tuple[float, float], ...] = field(default=())

    def __len__(self) -> int:
        return int(self.value.size)


def read_series(path: Path, name: str | None = None, windows: tuple[tuple[float, float], ...] = ()) -> Series:
    """Read one CSV file; other columns are ignored, texts that are no number or no time count as absent.

    Columns are found whatever their case, the first of a name counts; commas, semicolons or tabs separate. A timestamp
    is an ISO date and time (UTC unless it says otherwise) or a number since the epoch: see `times_of`.

    Raises:
        DataError: the file is missing, is no CSV, or lacks a column.
    """
    columns = read_columns(path)
    if absent := [column for column in COLUMNS if column not in columns]:
        raise DataError(
            f"{path} has no column {' and no '.join(absent)}; it has {', '.join(columns) or 'none'}",
            setting="--data",
            way_out="Its first line must be: timestamp,value",
        )
    return Series(name or path.name, times_of(columns["timestamp"]), numbers_of(columns["value"]), windows)


def read_columns(path: Path) -> dict[str, pl.Series]:
    """Columns of a CSV file as texts, by their names in lower case. Raises `DataError`."""
    if not path.is_file():
        raise DataError(
            f"there is no file {path}", setting="--data", way_out="Name a CSV file with timestamp and value"
        )
    try:
        frame = pl.read_csv(
            path, separator=_separator(path), infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True
        )
    except (PolarsError, OSError) as error:
        problem = " ".join(str(error).split())[:_SHOWN_PROBLEM] or "it is empty"
        raise DataError(f"{path} cannot be read as CSV: {problem}", setting="--data") from error
    names = [column.strip().lstrip("\ufeff").lower() for column in frame.columns]
    columns: dict[str, pl.Series] = {}
    for name, column in zip(names, frame.get_columns(), strict=True):
        columns.setdefault(name, column)
    return columns


def _separator(path: Path) -> str:
    with path.open("rb") as file:
        header = file.readline(_HEADER_BYTES)
    return next((mark for mark in (",", ";", "\t") if mark.encode() in header), ",")


def numbers_of(texts: pl.Series) -> Doubles:
    """Numbers of texts (String[n]); f8[n], NaN where there is none or it is infinite."""
    numbers = texts.str.strip_chars().cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def times_of(texts: pl.Series) -> Doubles:
    """Seconds since the epoch of texts (String[n]); f8[n], NaN where neither an ISO time nor a number.

    Numbers are seconds; where their median is beyond the year 5138 as such: milli-, micro- or nanoseconds.
    """
    stripped = (
        texts.str.strip_chars()
        .str.replace(r"(\d)[Tt](\d)", "${1} ${2}")
        .str.replace(r"^(\d{4})/(\d{1,2})/(\d{1,2})", "$1-$2-$3")
        .str.replace(r"\s*(Z|UTC|GMT|[+-]00:?00)$", "")
        .str.replace(r"(:\d{2}(?:\.\d+)?[+-]\d{2})$", "${1}:00")
    )
    with_zone = stripped.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit="us", strict=False).dt.replace_time_zone(
        None
    )
    times = with_zone
    for shape in ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d"):
        parsed = stripped.str.to_datetime(shape, time_unit="us", strict=False)
        times = times.fill_null(parsed) if times.null_count() else times
    micros = times.dt.epoch("us").cast(pl.Float64).to_numpy().astype(np.float64)
    return np.where(np.isnan(micros), _epoch_seconds(numbers_of(texts)), micros / 1e6)


def _epoch_seconds(numbers: Doubles) -> Doubles:
    if np.isnan(numbers).all():
        return numbers
    size = float(np.nanmedian(np.abs(numbers)))
    return numbers / next((unit for least, unit in _EPOCH_UNITS if size >= least), 1.0)


def read_corpus(folder: Path) -> Iterator[Series]:
    """Every `data/CATEGORY/FILE.csv` of a folder laid out as NAB's, by name, with its windows of `windows.json`.

    A file that `windows.json` does not name has none.

    Raises:
        DataError: no `data` with CSV files, no `windows.json`, or one of them cannot be read.
    """
    root = folder / "data"
    paths = sorted(root.rglob("*.csv")) if root.is_dir() else []
    if not paths:
        raise DataError(
            f"{folder} has no data/CATEGORY/FILE.csv", setting="--data", way_out="Name a folder laid out as NAB's"
        )
    windows = _read_windows(folder / "windows.json")
    for path in paths:
        name = path.relative_to(root).as_posix()
        series = read_series(path, name, windows.get(name, ()))
        if len(series) and not np.isfinite(series.event_time_s).any():
            raise DataError(f"{path} has no readable time in its column timestamp", setting="--data", way_out=TIMES)
        yield series


def _read_windows(path: Path) -> Mapping[str, tuple[tuple[float, float], ...]]:
    if not path.is_file():
        raise DataError(
            f"there is no file {path}", setting="--data", way_out="It maps each file to its windows; {} = none"
        )
    try:
        raw = json.loads(path.read_text("utf-8"))
        return {name: _windows_of(pairs) for name, pairs in raw.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read: {error}",
            setting="--data",
            way_out='It must map each file to its windows: {"CATEGORY/FILE.csv": [["BEGIN", "END"]]}',
        ) from error


def _windows_of(pairs: list[list[str]]) -> tuple[tuple[float, float], ...]:
    ends = times_of(pl.Series([str(text) for pair in pairs for text in pair], dtype=pl.String))
    if ends.size != 2 * len(pairs) or np.isnan(ends).any():
        raise ValueError(f"{pairs} are no pairs of times")
    return tuple(sorted((float(begin), float(end)) for begin, end in ends.reshape(-1, 2)))
