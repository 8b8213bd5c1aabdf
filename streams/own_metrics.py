"""Anomalies of metrics that an agent's author or a host's owner defined: one series each, keyed by agent and name.

Whether such a metric is a level or a counter is told by what it does. Of a counter the rate is looked at, as a series
of its own, `NAME.per_second`: what is expected of it, and its bounds, are rates as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.operators import anomaly, counters, trust
from streams.outputs import Row
from streams.rows import METRICS_AN_EVENT, anomaly_rows
from streams.rules.model import CUSTOM, RATE
from streams.state.stores import SERIES_SEPARATOR, KeyedStore

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OwnFlag:
    """One flag of the metric `name`; its row is one of the frame that it was found in. `row`: of fleet.anomalies."""

    name: str
    flag: anomaly.Flags
    row: Row


def own_flags(
    config: anomaly.AnomalyConfig, store: KeyedStore, frame: pl.DataFrame, values: Doubles, first_seq: int
) -> Iterator[OwnFlag]:
    """Flags of `values` f8[n], one a row of `frame`, whose metric is its column `name`.

    `store` is keyed by agent and metric. The flags of an event are numbered after those of the schema's `first_seq`
    metrics.
    """
    names = [f"{CUSTOM}{name}" for name in frame["name"].to_list()]
    keys = (frame["agent_id"] + SERIES_SEPARATOR + frame["name"]).rename("key")
    times_s = trust.event_times_s(frame)
    slots = store.assign(keys)
    rates = counters.update(store.arrays["counter"], slots, values, times_s, config.late_s)
    levels = anomaly.update(config, store.arrays["anomaly"], slots, values.reshape(-1, 1), times_s)
    found = [(names[flag.row[0]], flag) for flag in _single(levels) if not rates.counts[flag.row[0]]]
    known = np.flatnonzero(np.isfinite(rates.per_s)).astype(np.int32)
    if known.size:
        of_rates = store.assign(keys.gather(known) + SERIES_SEPARATOR + RATE)
        per_s = rates.per_s[known].reshape(-1, 1)
        changed = anomaly.update(config, store.arrays["anomaly"], of_rates, per_s, times_s[known])
        changed = replace(changed, row=known[changed.row])
        found += [(f"{names[flag.row[0]]}.{RATE}", flag) for flag in _single(changed)]
    for name, flag in found:
        # Numbered by its name, not by its place in the batch: a replay is split differently.
        number = first_seq + zlib.crc32(name.encode()) % (METRICS_AN_EVENT - first_seq)
        [row] = anomaly_rows(frame, flag, [name], config.threshold, first_seq=number)
        yield OwnFlag(name, flag, row)


def _single(flags: anomaly.Flags) -> Iterator[anomaly.Flags]:
    for i in range(len(flags)):
        yield anomaly.Flags(*(getattr(flags, each.name)[i : i + 1] for each in fields(anomaly.Flags)))
