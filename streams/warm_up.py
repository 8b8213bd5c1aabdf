"""What a first batch would wait for, done before: kernels, Polars' query engine, schemas. One made-up event a topic.

A kernel that is not in Numba's cache yet takes seconds to compile, one that is takes some 50 ms to load.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from infra.runtime.columnar_fetch import RecordColumns
from infra.runtime.ids import event_id, new_session_bits
from schemas.catalogue import METRICS
from schemas.record import encode_single_object
from schemas.registry import topic_schema
from streams.pipeline import SOURCES, Pipeline

OUTPUT_TOPICS = (
    "fleet.trust", "fleet.anomalies", "fleet.forecasts", "fleet.status", "fleet.signals", "fleet.deadletter",
)  # fmt: skip
"""What a worker writes to."""
_PARTITION = -1
_SAID: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "fleet.metrics": dict.fromkeys(METRICS, 1.0) | {"custom": [{"name": "warm_up", "value": 1.0}]},
        "fleet.heartbeats": {"status": "healthy", "version": "1", "uptime_s": 1.0, "interval_s": 1.0},
        "fleet.violations": {
            "type": "t", "policy_id": "p", "policy_name": "p", "severity": "low", "description": "", "action": "logged",
        },
        "fleet.lifecycle": {"kind": "agent_started", "run_id": "r", "thread_id": "t"},
        "fleet.hosts": {
            "host": "h", "cpu_usage": 1.0, "memory_usage": 1.0, "memory_used_bytes": 1, "memory_total_bytes": 1,
            "cpu_cores": 1,
        },
    }
)  # fmt: skip


def _batch(topic: str, now_s: float) -> RecordColumns:
    now_us = int(now_s * 1e6)
    envelope = {
        "event_id": event_id(now_us, new_session_bits(), 0),
        "agent_id": "warm-up",
        "user_id": "warm-up",
        "timestamp": now_us,
        "session_id": "warm-up",
        "seq": 0,
    }
    raw = encode_single_object(topic_schema(topic), {**envelope, **_SAID[topic]})
    return RecordColumns(topic, _PARTITION, [0], [int(now_s * 1000)], [raw], 1)


def warm_up(pipeline: Pipeline, now_s: float) -> None:
    """Take an event of every topic, a tick and a snapshot through `pipeline`, on a state that is thrown away."""
    state = pipeline.restore(_PARTITION)
    for topic in SOURCES:
        pipeline.apply(state, _batch(topic, now_s), now_s)
    pipeline.tick(state, now_s + 1, beats_until_s=now_s, steps_until_s=now_s)
    state.take_dirty_snapshots()
    for topic in OUTPUT_TOPICS:
        topic_schema(topic)
