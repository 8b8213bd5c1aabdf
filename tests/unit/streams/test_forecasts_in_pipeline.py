"""From metrics to rows of fleet.forecasts, and back from snapshots."""

from __future__ import annotations

import numpy as np
from stream_world import NOW_S, assert_same_facts, columns, event, pipeline

from infra.runtime.columnar_fetch import RecordColumns
from schemas.record import encode_single_object
from schemas.registry import topic_schema
from streams.forecast_rows import bucket_keys
from streams.outputs import Outputs
from streams.pipeline import Pipeline
from streams.state.partition import PartitionState
from streams.state.stores import BUCKETS, bucket_of

METRICS, HOSTS = "fleet.metrics", "fleet.hosts"


def _agents(steps: int, first: int = 0) -> RecordColumns:
    """Two agents, a report each in every five minutes; their memory grows."""
    values = [
        event(METRICS, agent, NOW_S + 300 * i, seq=i, cpu_usage=20.0, memory_usage=40.0 + 0.2 * i, response_time=100.0)
        for i in range(first, first + steps)
        for agent in ("a", "b")
    ]
    return columns(METRICS, values, first=2 * first)


def _apply(line: Pipeline, state: PartitionState, batch: RecordColumns) -> Outputs:
    return line.apply(state, batch, NOW_S + 1e6)


def test_rows_of_agents_fit_their_schema() -> None:
    line = pipeline()
    rows = _apply(line, line.restore(0), _agents(230)).rows["fleet.forecasts"]
    assert {row["metric"] for row in rows} == {"cpu_usage", "memory_usage", "response_time"}
    assert {(row["metric"], row["horizon_s"], row["threshold"]) for row in rows} == {
        ("cpu_usage", 21_600.0, 80.0),
        ("memory_usage", 43_200.0, 85.0),
        ("response_time", 10_800.0, 5000.0),
    }
    growing = [row for row in rows if row["metric"] == "memory_usage" and row["probability"] >= 0.5]
    assert growing
    assert all(row["expected_at"] > row["timestamp"] - 300e6 for row in growing)
    schema = topic_schema("fleet.forecasts")
    assert all(encode_single_object(schema, row) for row in rows)
    assert len({(row["agent_id"], row["event_id"]) for row in rows}) == len(rows)
    assert len({(row["session_id"], row["seq"]) for row in rows}) == len(rows)


def test_hosts_are_forecast_by_their_own_targets() -> None:
    line = pipeline()
    values = [
        event(HOSTS, "host:h", NOW_S + 300 * i, host="h", cpu_usage=20.0, memory_usage=30.0, disk_usage=60.0)
        for i in range(30)
    ]
    rows = _apply(line, line.restore(0), columns(HOSTS, values)).rows["fleet.forecasts"]
    assert {row["metric"] for row in rows} == {"cpu_usage", "memory_usage", "disk_usage"}
    assert {row["agent_id"] for row in rows} == {"host:h"}


def test_a_restored_worker_says_the_same() -> None:
    line = pipeline()
    state = line.restore(0)
    _apply(line, state, _agents(300))
    restored = line.restore(0, [raw for _, raw in state.take_dirty_snapshots()])
    assert_same_facts(restored, state)
    ours, theirs = (_apply(line, s, _agents(60, first=300)).rows["fleet.forecasts"] for s in (state, restored))
    assert ours
    assert ours == theirs


def test_a_replay_of_what_a_snapshot_holds_says_nothing() -> None:
    line = pipeline()
    state = line.restore(0)
    _apply(line, state, _agents(300))
    restored = line.restore(0, [raw for _, raw in state.take_dirty_snapshots()])
    assert not _apply(line, restored, _agents(300)).rows["fleet.forecasts"]
    assert_same_facts(restored, state)


def test_what_is_learned_stands_in_the_snapshot_of_its_bucket() -> None:
    """Another bucket's snapshot, older, does not bring back older weights."""
    assert [bucket_of(key) for key in bucket_keys()] == list(range(BUCKETS))
    line = pipeline()
    state = line.restore(0)
    _apply(line, state, _agents(300))
    learned = state.stores["learned"].arrays["agents"]["learned"]
    touched = np.flatnonzero(learned[:BUCKETS].any(axis=(1, 2, 3)))
    assert sorted(touched.tolist()) == sorted({bucket_of("a"), bucket_of("b")})
