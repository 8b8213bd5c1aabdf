"""`fleetpulse bench anomaly`: the anomaly operator alone, beside the same formula in plain NumPy.

10,000 agents with 16 metrics (160,000 series) report every ten seconds, each agent once in a batch; one value in a
thousand is ten times its usual one, so that flags and their explanations are part of the time. Both see the same
batches in turn; the median round counts. Plain NumPy has no explanations, no hour-of-day baseline and no cautions, and
takes exactly one value of every series in a batch: it does less than the operator, which is why it can be faster.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from schemas.catalogue import METRICS
from streams.operators import anomaly
from streams.operators.arrays import SlotArrays

EVENTS, WARM_ROUNDS, ROUNDS, STEP_S = 10_000, 20, 15, 10.0
NS_BAR, BYTES_BAR = 80.0, 200.0
_START_S, _SPOILT = 1_790_000_000.0, 1e-3
Doubles = npt.NDArray[np.float64]


@dataclass
class PlainDetector:
    """Trend and record terms over whole columns; state f8[term, series]."""

    mean: Doubles
    averages: Doubles
    variances: Doubles
    smooth: Doubles
    low: Doubles
    high: Doubles
    since: Doubles
    count: int = 1

    @classmethod
    def begin(cls, x: Doubles) -> PlainDetector:
        """State after the first values f8[series]."""
        three = np.zeros((3, x.size))
        ends = np.stack([x, x])
        return cls(x.copy(), three, three.copy(), x.copy(), ends, ends.copy(), np.full(x.size, 61.0))

    def update(self, x: Doubles, pace: float) -> npt.NDArray[np.int64]:
        """Series that are flagged by their next values f8[series]."""
        n = self.count
        h = x - self.mean
        score = np.zeros(x.size)
        for i, (a, q) in enumerate(((0.001, 0.3), (0.003, 0.07), (0.01, 0.03))):
            self.averages[i] += q * (h - self.averages[i])
            score += np.minimum(np.abs(self.averages[i]) / (np.sqrt(self.variances[i]) + 1e-9), 12.0) / 1.5
            self.variances[i] += max(a * pace, 1 / (n + 1)) * (h * h - self.variances[i])
        self.smooth += 0.15 * (x - self.smooth)
        for i, y in enumerate((x, self.smooth)):
            span = self.high[i] - self.low[i]
            over = np.maximum(y - self.high[i], self.low[i] - y) / np.maximum(span, 1e-9)
            score += np.where(over > 0, np.clip(4 + 2 * np.log10(10 * np.clip(over, 1e-4, 10.0)), 0, 8), 0.0)
            inward = 0.5 * (1 - 2 ** (-pace / 50_000)) * span
            self.low[i] = np.minimum(self.low[i] + inward, y)
            self.high[i] = np.maximum(self.high[i] - inward, y)
        self.mean += max(0.003 * pace, 1 / (n + 1)) * h
        flagged = (score >= 4.14 * (1 + 30 / n)) & (self.since > 60) & (n >= 15)
        self.since = np.where(flagged, 1.0, self.since + 1.0)
        self.count += 1
        return np.flatnonzero(flagged)


def _batches() -> Callable[[int], tuple[npt.NDArray[np.int32], Doubles, Doubles]]:
    """Slots i4[n] in the order of arrival, values f8[n, 16] and event times f8[n] of each round."""
    rng = np.random.default_rng(1)
    level = rng.uniform(10, 1000, (EVENTS, len(METRICS)))

    def batch(number: int) -> tuple[npt.NDArray[np.int32], Doubles, Doubles]:
        slots = rng.permutation(EVENTS).astype(np.int32)
        values = level * rng.normal(1.0, 0.05, level.shape)
        values[rng.random(values.shape) < _SPOILT] *= 10
        return slots, values[slots], np.full(EVENTS, _START_S + number * STEP_S)

    return batch


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Nanoseconds a value of both, bytes a series, flags found in the measured rounds."""
    floors = anomaly.floors_for(METRICS)
    config = anomaly.AnomalyConfig(
        floors=tuple(0.0 if floor == np.inf else floor for floor in floors)
    )  # all are scored
    arrays = SlotArrays(anomaly.fields(len(METRICS)), EVENTS)
    batch = _batches()
    plain: PlainDetector | None = None
    ours_ns: list[float] = []
    plain_ns: list[float] = []
    flags = 0
    for number in range(WARM_ROUNDS + rounds):
        slots, values, times = batch(number)
        began = time.perf_counter_ns()
        found = anomaly.update(config, arrays, slots, values, times)
        ours = (time.perf_counter_ns() - began) / values.size
        began = time.perf_counter_ns()
        in_slot_order = np.empty_like(values)
        in_slot_order[slots] = values
        if plain is None:
            plain = PlainDetector.begin(in_slot_order.reshape(-1))
        else:
            plain.update(in_slot_order.reshape(-1), STEP_S / config.step_s)
        by_numpy = (time.perf_counter_ns() - began) / values.size
        if number >= WARM_ROUNDS:
            ours_ns.append(ours)
            plain_ns.append(by_numpy)
            flags += len(found)
    middle, other = statistics.median(ours_ns), statistics.median(plain_ns)
    return {
        "series": EVENTS * len(METRICS),
        "ns_per_value": round(middle, 1),
        "ns_per_value_rounds": [round(one, 1) for one in ours_ns],
        "numpy_ns_per_value": round(other, 1),
        "ratio_to_numpy": round(other / middle, 2),
        "bytes_per_series": round(arrays.bytes_per_slot() / len(METRICS), 1),
        "flags_explained": flags,
    }


def main(json_output: bool) -> None:
    """Print the figures as lines, or as one JSON object."""
    found = measure()
    if json_output:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    console = Console()
    console.print(
        f"{found['series']:,} series: {found['ns_per_value']} ns a value (bar {NS_BAR:g}), "
        f"{found['bytes_per_series']} bytes a series (bar {BYTES_BAR:g}), {found['flags_explained']} flags explained",
        highlight=False,
    )
    console.print(
        f"plain NumPy, without explanations: {found['numpy_ns_per_value']} ns a value, "
        f"{found['ratio_to_numpy']} times the operator's",
        highlight=False,
    )
