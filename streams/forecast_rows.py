"""Rows of fleet.forecasts, and the store of what forecasts have learned: one slot for every bucket of a partition."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import numpy as np
import polars as pl

from infra.runtime.ids import derived_id
from streams.operators.arrays import Field, SlotArrays
from streams.operators.forecast import Forecasts, Target, learned_fields
from streams.outputs import Row
from streams.state.stores import BUCKETS, KeyedStore, bucket_of

_KINDS = 2


def bucket_keys() -> list[str]:
    """For every bucket, in order, a key that falls into it: what is keyed so stands in the snapshot of that bucket."""
    found: dict[int, str] = {}
    for number in count():
        if len(found) == BUCKETS:
            break
        found.setdefault(bucket_of(f"bucket:{number}"), f"bucket:{number}")
    return [found[bucket] for bucket in range(BUCKETS)]


def learned_store(targets: dict[str, Sequence[Target]]) -> KeyedStore:
    """Weights of each named set of targets; the slot of a bucket is its number."""
    fields: dict[str, dict[str, Field]] = {name: learned_fields(of) for name, of in targets.items()}
    store = KeyedStore({name: SlotArrays(of) for name, of in fields.items()})
    store.assign(pl.Series(bucket_keys()))
    return store


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def forecast_rows(frame: pl.DataFrame, forecasts: Forecasts, targets: Sequence[Target]) -> list[Row]:
    """fleet.forecasts for what the operator told over rows of `frame`.

    Identifiers follow from the event that ended the step, the metric and the horizon, so that a replay gives the same.
    """
    if not len(forecasts):
        return []
    sources = frame.select(
        "event_id", "agent_id", "user_id", "deployment_id", pl.col("timestamp").dt.epoch("us"), "session_id", "seq"
    )[forecasts.row]
    rows: list[Row] = []
    for i, (source_id, agent, user, deployment, timestamp, session, seq) in enumerate(sources.iter_rows()):
        target, leak = int(forecasts.target[i]), bool(forecasts.leak[i])
        metric, horizon_s = targets[target].metric, float(forecasts.horizon_s[i])
        kind, expected_at_s = "leak" if leak else "threshold", float(forecasts.expected_at_s[i])
        rows.append(
            {
                "event_id": derived_id(timestamp, source_id.hex(), "forecast", metric, horizon_s, kind),
                "agent_id": agent,
                "user_id": user,
                "deployment_id": deployment,
                "timestamp": timestamp,
                "session_id": f"{session}/forecasts",
                "seq": (seq * len(targets) + target) * _KINDS + leak,
                "metric": metric,
                "horizon_s": horizon_s,
                "threshold": float(forecasts.threshold[i]),
                "probability": float(forecasts.probability[i]),
                "value": float(forecasts.value[i]),
                "expected_at": None if np.isnan(expected_at_s) else int(expected_at_s * 1e6),
                "kind": kind,
                "p_walk": _or_none(float(forecasts.p_walk[i])),
                "p_trend": _or_none(float(forecasts.p_trend[i])),
                "p_exceed": _or_none(float(forecasts.p_exceed[i])),
                "slope_per_hour": float(forecasts.slope_per_hour[i]),
            }
        )
    return rows
