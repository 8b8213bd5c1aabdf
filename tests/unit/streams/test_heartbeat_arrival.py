"""Heartbeats in the pipeline: arrival judges, the agent's clock is shown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_world import NOW_S, event, pipeline

from infra.runtime.columnar_fetch import RecordColumns
from schemas.record import encode_single_object
from schemas.registry import topic_schema
from streams.outputs import Row
from streams.state.partition import PartitionState, digest

BEATS = "fleet.heartbeats"
LINE = pipeline()


def _arrived(beats: Sequence[tuple[float, float]], first: int = 0, **more: object) -> RecordColumns:
    """Beats of an agent: (its own time, arrival), both s after `NOW_S`."""
    given_ = {"status": "healthy", "interval_s": 5.0, "host": "h", "gateway": "g"} | more
    values: list[bytes | None] = [event(BEATS, "a", NOW_S + own_s, seq=first, **given_) for own_s, _ in beats]
    arrived_ms = [round((NOW_S + at_s) * 1000) for _, at_s in beats]
    offsets = list(range(first, first + len(beats)))
    return RecordColumns(BEATS, 0, offsets, arrived_ms, values, first + len(beats))


def _tick(state: PartitionState, at_s: float) -> list[str]:
    now_s = NOW_S + at_s
    outputs = LINE.tick(state, now_s, beats_until_s=now_s, steps_until_s=None)
    return [row["status"] for row in outputs.rows["fleet.status"]]


@pytest.mark.parametrize("ahead_s", [-3600.0, 0.0, 3600.0])
def test_a_clock_an_hour_off_neither_alarms_nor_hides(ahead_s: float) -> None:
    state = LINE.restore(0)
    rows: list[Row] = []
    for i in range(20):
        at_s = 5.0 * i
        rows += LINE.apply(state, _arrived([(at_s + ahead_s, at_s)], i), NOW_S + at_s).rows["fleet.status"]
        assert _tick(state, at_s + 4) == []
    [online] = rows
    assert (online["status"], online["host"], online["gateway"]) == ("online", "h", "g")
    assert online["clock_skew_s"] == pytest.approx(-ahead_s, abs=0.01)
    assert online["last_beat"] == int((NOW_S + ahead_s) * 1e6)
    assert online["timestamp"] == int(NOW_S * 1e6)
    assert _tick(state, 95 + 40) == ["offline"]


def test_a_clock_set_back_five_minutes_loses_nobody() -> None:
    state = LINE.restore(0)
    for i in range(60):
        at_s = 5.0 * i
        LINE.apply(state, _arrived([(at_s - (300 if i >= 30 else 0), at_s)], i), NOW_S + at_s)
        assert _tick(state, at_s + 4) == []


def test_a_record_without_arrival_counts_as_of_its_event_time() -> None:
    state = LINE.restore(0)
    batch = _arrived([(0.0, 0.0)])
    batch.timestamps_ms[0] = -1
    LINE.apply(state, batch, NOW_S)
    assert state.agents.arrays["heartbeat"]["last_s"][0] == NOW_S


def test_two_changes_that_arrive_together_are_two_rows() -> None:
    state = LINE.restore(0)
    rows: list[Row] = []
    for i, said in enumerate(("healthy", "degraded", "healthy")):
        rows += LINE.apply(state, _arrived([(5.0 * i, 60.0)], i, status=said), NOW_S + 60).rows["fleet.status"]
    assert [row["status"] for row in rows] == ["online", "degraded", "online"]
    assert len({row["event_id"] for row in rows}) == len({row["seq"] for row in rows}) == 3


def test_rows_of_hostile_times_can_be_written() -> None:
    state = LINE.restore(0)
    for own_us in (-(2**63), 2**63 - 1):
        values: list[bytes | None] = [
            event(BEATS, str(own_us), NOW_S, timestamp=own_us, next_beat_by=2**63 - 1, event_id=bytes(16))
        ]
        first = int(own_us > 0)
        batch = RecordColumns(BEATS, 0, [first], [int(NOW_S * 1000)], values, first + 1)
        for row in LINE.apply(state, batch, NOW_S).rows["fleet.status"]:
            assert encode_single_object(topic_schema("fleet.status"), row)


beats = st.lists(
    st.tuples(st.floats(-4000, 4000), st.floats(0, 30)).map(lambda pair: (round(pair[0], 3), round(pair[1], 3))),
    min_size=2,
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(beats, st.lists(st.integers(1, 29), max_size=5))
def test_splitting_and_replay_change_nothing(found: list[tuple[float, float]], cuts: list[int]) -> None:
    """Whatever the clock says, in however many batches, with a snapshot read back at every cut."""
    arrived, log = 0.0, []
    for own_s, gap_s in found:
        arrived += gap_s
        log.append((own_s, arrived))
    whole, split = LINE.restore(0), LINE.restore(0)
    expected = LINE.apply(whole, _arrived(log), NOW_S).rows["fleet.status"]
    rows: list[Row] = []
    edges = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    snapshots: dict[bytes, bytes] = {}
    for begin, stop in pairwise(edges):
        rows += LINE.apply(split, _arrived(log[begin:stop], begin), NOW_S).rows["fleet.status"]
        snapshots |= dict(split.take_dirty_snapshots())
        split = LINE.restore(0, snapshots.values())
    assert [row["event_id"] for row in rows] == [row["event_id"] for row in expected]
    assert digest(split) == digest(whole)
