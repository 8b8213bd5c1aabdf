"""`fleetpulse eval nab`: NAB scores of the shipped anomaly detector, at its threshold and at the best one.

The best threshold is searched by running the operator anew at each of `THRESHOLD_FACTORS`: flags are not made up from
scores here, since a flag changes what the operator says next.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from infra.runtime.narrow import Narrowable, wide_console
from streams.eval.corpus import Series, read_corpus
from streams.eval.held_out import SPLITS, HeldOut, held_out
from streams.eval.held_out import as_json as held_out_json
from streams.eval.nab_scoring import PROFILES, Tally, tally, window_rows
from streams.eval.replay import flags_of, in_time_order
from streams.operators.anomaly import AnomalyConfig

THRESHOLD_FACTORS = tuple(1.03**step for step in range(-14, 25))
"""Thresholds that are tried, as multiples of the shipped one: 0.66 to 2.03."""
HELD_OUT_ROWS = {
    f"threshold held out, mean of {2 * SPLITS} halves": "mean",
    "its standard deviation": "sd",
    "each file at the others' threshold": "by_file",
    "each folder at the others' threshold": "by_category",
}


@dataclass(frozen=True)
class NabReport:
    """Tallies by file at the shipped `threshold`, and the best normalised score of each profile with its threshold.

    `held_out`: by profile, where asked for."""

    threshold: float
    files: Mapping[str, Tally]
    best: Mapping[str, float]
    best_threshold: Mapping[str, float]
    held_out: Mapping[str, HeldOut] | None = None

    @property
    def total(self) -> Tally:
        """Over all files."""
        return sum(self.files.values(), Tally())

    def as_json(self) -> dict[str, Any]:
        """Scores as numbers; null where there is no window to score against."""
        report = {
            "total": {name: _number(self.total.normalised(profile)) for name, profile in PROFILES.items()},
            "best": {name: _number(score) for name, score in self.best.items()},
            "best_threshold": dict(self.best_threshold),
            "threshold": self.threshold,
            "files": {name: _file_json(found) for name, found in self.files.items()},
        }
        return report if self.held_out is None else report | {"held_out": held_out_json(self.held_out)}


def _number(score: float) -> float | None:
    return None if math.isnan(score) else round(score, 4)


def _file_json(found: Tally) -> dict[str, Any]:
    return {
        **{name: _number(found.normalised(profile)) for name, profile in PROFILES.items()},
        "windows": found.windows,
        "found": found.found,
        "false_positives": found.false_positives,
    }


def score_file(config: AnomalyConfig, series: Series) -> Tally:
    """What the operator with `config` earns on one file."""
    order = in_time_order(series)
    return tally(flags_of(config, series)[order], window_rows(series.event_time_s[order], series.windows))


def evaluate(corpus: Sequence[Series], config: AnomalyConfig, *, hold_out: bool = False) -> NabReport:
    """Score every file at the threshold of `config`, and the corpus at those of `THRESHOLD_FACTORS` beside it.

    Raises `DataError` where `hold_out` asks for what the files are too few for.
    """
    thresholds = dict.fromkeys((config.threshold, *(config.threshold * factor for factor in THRESHOLD_FACTORS)))
    tallies = {
        threshold: {series.name: score_file(replace(config, threshold=threshold), series) for series in corpus}
        for threshold in thresholds
    }
    totals = {threshold: sum(files.values(), Tally()) for threshold, files in tallies.items()}
    scores = {
        name: {threshold: total.normalised(profile) for threshold, total in totals.items()}
        for name, profile in PROFILES.items()
    }
    best_threshold = {name: max(found, key=lambda at: np.nan_to_num(found[at])) for name, found in scores.items()}
    best = {name: scores[name][best_threshold[name]] for name in PROFILES}
    estimate = held_out(list(tallies.values())) if hold_out else None
    return NabReport(config.threshold, tallies[config.threshold], best, best_threshold, estimate)


def _table(report: NabReport) -> Table:
    table = Table(title=f"NAB 1.1, shipped threshold {report.threshold:g}; a file's score has its own windows only")
    table.add_column("file", overflow="fold")
    for name in (*PROFILES, "windows", "found", "false positives"):
        table.add_column(name, justify="right")
    for name, found in report.files.items():
        table.add_row(name, *_cells(found))
    table.add_section()
    table.add_row("total", *_cells(report.total))
    table.add_row("best", *(f"{score:.2f}" for score in report.best.values()))
    table.add_row("at threshold", *(f"{threshold:.3g}" for threshold in report.best_threshold.values()))
    if report.held_out is not None:
        table.add_section()
        for label, field in HELD_OUT_ROWS.items():
            table.add_row(label, *(f"{getattr(scores, field):.2f}" for scores in report.held_out.values()))
    return table


def _cells(found: Tally) -> list[str]:
    scores = [found.normalised(profile) for profile in PROFILES.values()]
    counts = (found.windows, found.found, found.false_positives)
    return [*("-" if math.isnan(score) else f"{score:.2f}" for score in scores), *map(str, counts)]


def main(data: Path, *, hold_out: bool, as_json: bool) -> None:
    """Score the folder `data` and print. Raises `DataError`."""
    report = evaluate(list(read_corpus(data)), AnomalyConfig(), hold_out=hold_out)
    if as_json:
        sys.stdout.write(json.dumps(report.as_json()) + "\n")
    else:
        wide_console().print(Narrowable(_table(report)))
