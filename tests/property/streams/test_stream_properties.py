"""What holds for every way to cut, finish, snapshot and replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_world import NOW_S, assert_same_facts, columns, event, pipeline

from schemas.catalogue import METRICS
from streams.outputs import Row
from streams.pipeline import Pipeline
from streams.state.partition import PartitionState, digest
from streams.transport.batch import Batch, InFlight

LINE = pipeline()
"""The operators hold no state, so one serves all examples."""
AGENTS = 12
EVENTS = 80


def _log(topic: str) -> list[bytes | None]:
    """A log of a topic: several agents, a flagged jump, bad messages in between."""
    rng = np.random.default_rng(5)
    found: list[bytes | None] = []
    for number in range(EVENTS):
        agent = f"agent-{rng.integers(AGENTS)}"
        values = dict(zip(METRICS, rng.normal(10, 1, len(METRICS)).tolist(), strict=True))
        more: dict[str, object] = {"seq": number}
        if topic == "fleet.metrics":
            more |= values | {"compliance_rate": 0.75, "policy_checks": 4}
            noise, counter = {"name": "q", "value": values["cpu_usage"]}, {"name": "total", "value": float(number)}
            more["custom"] = [counter] + ([noise] if number % 3 == 0 else [])
        elif topic == "fleet.violations":
            more["severity"] = ("low", "high", "critical")[number % 3]
        else:
            more |= {"status": ("online", "busy", "error")[number % 17 % 3], "interval_s": 5.0}
        found.append(None if number % 23 == 7 else event(topic, agent, NOW_S + number, **more))
    return found


LOGS = {topic: _log(topic) for topic in ("fleet.metrics", "fleet.violations", "fleet.heartbeats")}


def _pieces(cuts: Sequence[int], first: int = 0, end: int = EVENTS) -> Iterator[tuple[int, int]]:
    return pairwise(sorted({first, end, *(cut for cut in cuts if first < cut < end)}))


def _run(line: Pipeline, state: PartitionState, cuts: Sequence[int], first: int = 0, end: int = EVENTS) -> list[Row]:
    """Apply the logs from `first` to `end` in pieces; the rows of all derived topics."""
    rows: list[Row] = []
    for topic, log in LOGS.items():
        for begin, stop in _pieces(cuts, first, end):
            outputs = line.apply(state, columns(topic, log[begin:stop], first=begin), NOW_S + EVENTS)
            rows += [row for of_topic in outputs.rows.values() for row in of_topic]
    return rows


def _ids(rows: Sequence[Row]) -> list[bytes]:
    return sorted(row["event_id"] for row in rows)


WHOLE = LINE.restore(0)
WHOLE_IDS = _ids(_run(LINE, WHOLE, []))
CUTS = st.lists(st.integers(1, EVENTS - 1), max_size=8)


@settings(max_examples=25, deadline=None)
@given(CUTS)
def test_splitting_a_batch_changes_nothing(cuts: list[int]) -> None:
    state = LINE.restore(0)
    assert _ids(_run(LINE, state, cuts)) == WHOLE_IDS
    assert_same_facts(state, WHOLE)


@settings(max_examples=25, deadline=None)
@given(CUTS, st.integers(1, EVENTS - 1), st.integers(0, EVENTS), st.integers(0, 2**32 - 1))
def test_any_replay_point_counts_each_record_once(cuts: list[int], crash: int, committed: int, flushed: int) -> None:
    """Killed after any record, some buckets flushed then and the others earlier, replayed from any earlier offset."""
    committed = min(committed, crash)
    keep = np.random.default_rng(flushed)
    first = LINE.restore(0)
    _run(LINE, first, cuts, end=committed) if committed else None
    written = dict(first.take_dirty_snapshots())
    _run(LINE, first, cuts, first=committed, end=crash) if crash > committed else None
    written |= {key: raw for key, raw in first.take_dirty_snapshots() if keep.random() < 0.5}
    second = LINE.restore(0, written.values())
    _run(LINE, second, cuts, first=committed)
    assert_same_facts(second, WHOLE)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, EVENTS))
def test_snapshots_round_trip(end: int) -> None:
    state = LINE.restore(0)
    _run(LINE, state, [], end=end)
    again = LINE.restore(0, [raw for _, raw in state.take_dirty_snapshots()])
    assert digest(again) == digest(state)
    owners = dict(zip(state.agents.slots.keys, state.owners, strict=True))
    assert dict(zip(again.agents.slots.keys, again.owners, strict=True)) == owners
    assert again.silent == state.silent


@given(st.permutations(range(6)), st.lists(st.booleans(), min_size=6, max_size=6))
def test_only_the_contiguous_prefix_is_committed(order: list[int], commits: list[bool]) -> None:
    in_flight, batches = InFlight(), [Batch(columns("t", [b"x"] * 3, first=3 * n)) for n in range(6)]
    for batch in batches:
        in_flight.add(batch)
    committed = 0
    for number, commit in zip(order, commits, strict=True):
        batches[number].finish()
        prefix = next((n for n, batch in enumerate(batches) if not batch.finished), 6) * 3
        if commit:
            offset = in_flight.take_committable()
            assert offset == (prefix if prefix > committed else None)
            committed = prefix
    assert (in_flight.take_committable() or committed) == 18


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(["good", "cut", "none", "empty", "noise"]), min_size=1, max_size=60), CUTS)
def test_each_bad_message_is_one_dead_letter_however_batches_fall(kinds: list[str], cuts: list[int]) -> None:
    log = LOGS["fleet.metrics"]
    good = next(value for value in log if value is not None)
    bodies: dict[str, bytes | None] = {
        "good": good,
        "cut": good[:-1],
        "none": None,
        "empty": b"",
        "noise": b"\xc3\x01noise",
    }
    values = [bodies[kind] for kind in kinds]
    state = LINE.restore(0)
    letters: list[int] = []
    for begin, stop in _pieces(cuts, 0, len(values)):
        outputs = LINE.apply(state, columns("fleet.metrics", values[begin:stop], first=begin), NOW_S)
        letters += [row["offset"] for row in outputs.rows["fleet.deadletter"]]
    assert letters == [offset for offset, kind in enumerate(kinds) if kind != "good"]
