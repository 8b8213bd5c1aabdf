"""`fleetpulse eval forecasts`: how well the production operator's probabilities hold, on a made-up fleet and files.

Judged are the forecasts made while the value was below its threshold and whose window was seen to its end or to a
crossing. All series share their learned weights, as the agents of one bucket do.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from infra.runtime.narrow import Narrowable, wide_console
from streams.eval import forecast_fleet
from streams.eval.corpus import DataError, read_corpus
from streams.eval.forecast_scores import Judged, climatology, join
from streams.eval.replay import in_time_order
from streams.operators import forecast
from streams.operators.arrays import SlotArrays

Doubles = npt.NDArray[np.float64]
HORIZONS_S = (3 * 3600.0, 6 * 3600.0, 12 * 3600.0)
TARGETS = tuple(forecast.Target("value", horizon_s, 1.0, leak=i == 0) for i, horizon_s in enumerate(HORIZONS_S))
WARM_UP_SHARE, WARM_UP_ROWS, PERCENTILE = 0.15, 750, 95.0
BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Measured:
    """A series in units of its threshold, oldest first; judged from row `judged_from` on. `leaks`: None = not known."""

    name: str
    event_time_s: Doubles
    value: Doubles
    judged_from: int
    leaks: bool | None = None


def synthetic(seed: int) -> list[Measured]:
    """The synthetic fleet, judged from its third day on."""
    members = forecast_fleet.fleet(seed)
    times: Doubles = forecast_fleet.START_S + forecast_fleet.STEP_S * np.arange(members[0].value.size, dtype=np.float64)
    begin = 2 * forecast_fleet.DAY_STEPS
    return [Measured(m.name, times, m.value / forecast_fleet.THRESHOLD, begin, m.leaks) for m in members]


def files(data: Path) -> list[Measured]:
    """Series of a folder laid out as NAB's.

    The threshold of each is the 95th percentile of its first 15 % (750 rows at most), which are not judged. Those whose
    threshold is not above 0 are left out. Raises `DataError`.
    """
    found = []
    for series in read_corpus(data):
        order = in_time_order(series)
        times, values = series.event_time_s[order], series.value[order]
        begin = min(int(WARM_UP_SHARE * values.size), WARM_UP_ROWS)
        head = values[:begin][np.isfinite(values[:begin])]
        threshold = float(np.percentile(head, PERCENTILE)) if head.size else 0.0
        if threshold > 0:
            found.append(Measured(series.name, times, values / threshold, begin))
    if not found:
        raise DataError(f"no series in {data} has a threshold above 0", setting="--data")
    return found


def run(series: Sequence[Measured]) -> list[forecast.Forecasts]:
    """What the operator tells of all series, fed in time order in micro-batches; `row` counts within each series."""
    config = forecast.ForecastConfig(targets=TARGETS, change=0.0)
    arrays = SlotArrays(forecast.fields(TARGETS), len(series))
    learned = SlotArrays(forecast.learned_fields(TARGETS), 1)
    slots = np.repeat(np.arange(len(series), dtype=np.int32), [one.value.size for one in series])
    own_row = np.concatenate([np.arange(one.value.size) for one in series])
    times = np.concatenate([one.event_time_s for one in series])
    values = np.concatenate([one.value for one in series])
    order = np.argsort(times, kind="stable")
    columns, parts = np.zeros(len(TARGETS), np.int32), []
    for begin in range(0, order.size, BATCH_ROWS):
        rows = order[begin : begin + BATCH_ROWS]
        zero = np.zeros(rows.size, np.int32)
        told = forecast.update(config, arrays, learned, slots[rows], zero, values[rows, None], columns, times[rows])
        parts.append((told, own_row[rows][told.row]))
    names = [name for name in forecast.Forecasts.__dataclass_fields__ if name != "row"]
    joined = {name: np.concatenate([getattr(told, name) for told, _ in parts]) for name in names}
    joined["row"] = np.concatenate([row for _, row in parts])
    return [_of_slot(joined, slot) for slot in range(len(series))]


def _of_slot(joined: dict[str, npt.NDArray[Any]], slot: int) -> forecast.Forecasts:
    mine = joined["slots"] == slot
    return forecast.Forecasts(**{name: column[mine] for name, column in joined.items()})


def _means(one: Measured) -> tuple[npt.NDArray[np.int64], Doubles]:
    """Steps with values and their means."""
    here = np.isfinite(one.value)
    steps, place = np.unique((one.event_time_s[here] // 300.0).astype(np.int64), return_inverse=True)
    return steps, np.bincount(place, one.value[here]) / np.bincount(place)


def judge(one: Measured, told: forecast.Forecasts, target: int) -> Judged:
    """Forecasts of one series and horizon against what came."""
    horizon = round(HORIZONS_S[target] / 300.0)
    steps, means = _means(one)
    mine = (told.target == target) & ~told.leak & (told.value < 1.0) & (told.row > one.judged_from)
    ended = (one.event_time_s[told.row[mine]] // 300.0).astype(np.int64)
    made_at = steps[np.searchsorted(steps, ended) - 1]  # a forecast is told with the first value after its step
    crossings = np.append(steps[means >= 1.0], np.iinfo(np.int64).max)
    happened = crossings[np.searchsorted(crossings, made_at, side="right")] - made_at <= horizon
    known = happened | (made_at + horizon <= steps[-1])
    usual = climatology(made_at[known], happened[known], horizon)
    return Judged(told.probability[mine][known], told.p_walk[mine][known], usual, happened[known])


def _leaks(series: Sequence[Measured], told: Sequence[forecast.Forecasts]) -> dict[str, Any]:
    said = [bool((found.leak & (found.probability >= 0.5)).any()) for found in told]
    known = [(one.leaks, alarm) for one, alarm in zip(series, said, strict=True) if one.leaks is not None]
    return {
        "series": sum(bool(leaks) for leaks, _ in known),
        "found": sum(bool(leaks) and alarm for leaks, alarm in known),
        "without": sum(not leaks for leaks, _ in known),
        "false": sum(not leaks and alarm for leaks, alarm in known),
        "said": sum(said),
    }


def report(series: Sequence[Measured]) -> dict[str, Any]:
    """Scores by horizon and leaks, as numbers."""
    told = run(series)
    horizons = [
        join([judge(one, found, target) for one, found in zip(series, told, strict=True)]).report(HORIZONS_S[target])
        for target in range(len(TARGETS))
    ]
    return {"series": len(series), "horizons": horizons, "leaks": _leaks(series, told)}


def _table(title: str, found: dict[str, Any]) -> Table:
    table = Table(title=f"{title}: {found['series']} series")
    for name in ("horizon", "forecasts", "happened", "Brier", "walk", "climatology", "AUC", "walk", "climatology"):
        table.add_column(name, justify="right")
    for one in found["horizons"]:
        scores = [one[f"{kind}{of}"] for kind in ("brier", "auc") for of in ("", "_walk", "_climatology")]
        hours, share = f"{one['horizon_s'] / 3600:g} h", f"{one['base_rate']:.1%}"
        table.add_row(hours, f"{one['count']:,}", share, *(f"{score:.3f}" for score in scores))
    return table


def _reliability(found: dict[str, Any]) -> Table:
    table = Table(title="Reliability: mean forecast > observed share (forecasts)")
    for one in found["horizons"]:
        table.add_column(f"{one['horizon_s'] / 3600:g} h", justify="right")
    columns = [
        [f"{b['forecast']:.2f} > {b['observed']:.2f} ({b['count']:,})" for b in one["reliability"]]
        for one in found["horizons"]
    ]
    for i in range(max(map(len, columns))):
        table.add_row(*(column[i] if i < len(column) else "" for column in columns))
    return table


def _finite(found: Any) -> Any:  # noqa: ANN401  # any part of a report
    """The same with null for what is not a number."""
    if isinstance(found, dict):
        return {name: _finite(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_finite(value) for value in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found


def main(data: Path | None, *, seed: int, as_json: bool) -> None:
    """Judge on the synthetic fleet, and on the files of `data` if given; print. Raises `DataError`."""
    found = {"synthetic": report(synthetic(seed))}
    if data is not None:
        found["files"] = report(files(data))
    if as_json:
        sys.stdout.write(json.dumps(_finite(found)) + "\n")
        return
    console = wide_console()
    for title, part in found.items():
        console.print(Narrowable(_table(title, part)))
        console.print(Narrowable(_reliability(part)))
    leaks = found["synthetic"]["leaks"]
    console.print(
        f"Leaks: {leaks['found']} of {leaks['series']} found; said of {leaks['false']} of {leaks['without']} without."
    )
