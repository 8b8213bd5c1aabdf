"""State of a partition: what a recovery gets back."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from stream_world import NOW_S, assert_same_facts, columns, event, pipeline

from streams.state.partition import digest
from streams.state.snapshot import Snapshot, SnapshotFormatError, StoreSnapshot, pack, unpack
from streams.state.stores import BUCKETS, SERIES_SEPARATOR, KeyedStore, bucket_of

METRICS, BEATS = "fleet.metrics", "fleet.heartbeats"


def _metrics(agents: int, at_s: float) -> list[bytes]:
    custom = [{"name": "queue", "value": 3.0}]
    return [
        event(METRICS, f"a{n}", at_s, compliance_rate=0.5, policy_checks=4, cpu_usage=1.0 * n, custom=custom)
        for n in range(agents)
    ]


def test_an_agents_stores_fall_into_one_bucket() -> None:
    assert bucket_of(f"a{SERIES_SEPARATOR}queue") == bucket_of("a")
    store = KeyedStore({})
    store.assign(pl.Series(["a", f"a{SERIES_SEPARATOR}queue", "b"]))
    assert store.buckets.tolist() == [bucket_of("a"), bucket_of("a"), bucket_of("b")]


def test_only_what_changed_is_written_and_all_of_it_comes_back() -> None:
    line = pipeline()
    state = line.restore(2)
    line.apply(state, columns(METRICS, _metrics(30, NOW_S)), NOW_S)
    line.apply(state, columns(BEATS, [event(BEATS, "a1", NOW_S, status="online", host="h1")]), NOW_S)
    written = state.take_dirty_snapshots()
    assert {key for key, _ in written} == {f"2/{bucket_of(f'a{n}')}".encode() for n in range(30)}
    assert state.take_dirty_snapshots() == []

    again = line.restore(2, [raw for _, raw in written])
    assert_same_facts(again, state)
    assert digest(again) == digest(state)
    owners = dict(zip(again.agents.slots.keys, again.owners, strict=True))
    assert owners["a1"].host == "h1"
    assert owners["a2"].user_id == "tenant"


def test_a_later_snapshot_of_one_bucket_says_what_the_partition_has_applied() -> None:
    line = pipeline()
    state = line.restore(0)
    line.apply(state, columns(METRICS, _metrics(30, NOW_S)), NOW_S)
    state.take_dirty_snapshots()
    line.apply(state, columns(METRICS, _metrics(1, NOW_S + 1), first=30), NOW_S + 1)
    [(key, raw)] = state.take_dirty_snapshots()
    assert key == f"0/{bucket_of('a0')}".encode()
    assert unpack(raw).applied == {METRICS: 30}


def test_there_are_no_more_keys_than_buckets() -> None:
    line = pipeline()
    state = line.restore(0)
    line.apply(state, columns(METRICS, _metrics(1000, NOW_S)), NOW_S)
    assert len(state.take_dirty_snapshots()) == BUCKETS


NEWER_FIELDS = {
    "trust": ("factors", "factors_s"),
    "anomaly": ("calm",),
    "heartbeat": ("event_s", "skew_s"),
}
NEWER_ARRAYS = ("forecast", "violations", "heard")
NEWER_STORES = ("learned", "rates", "budgets", "sent")


def _as_first_released(raw: bytes) -> bytes:
    """A snapshot without what later programs added to it."""
    snapshot = unpack(raw)
    stores = {
        name: StoreSnapshot(
            saved.keys,
            {
                array: {field: of for field, of in fields.items() if field not in NEWER_FIELDS.get(array, ())}
                for array, fields in saved.columns.items()
                if array not in NEWER_ARRAYS
            },
        )
        for name, saved in snapshot.stores.items()
        if name not in NEWER_STORES
    }
    extra = {name: snapshot.extra[name] for name in ("bucket", "owners", "silent")}
    extra["owners"] = [owner[:2] for owner in extra["owners"]]
    return pack(Snapshot(snapshot.applied, stores, extra))


def test_a_snapshot_of_the_first_release_is_read_and_what_it_lacks_begins_anew() -> None:
    line = pipeline()
    state = line.restore(0)
    line.apply(state, columns(METRICS, _metrics(30, NOW_S)), NOW_S)
    line.apply(state, columns(BEATS, [event(BEATS, "a1", NOW_S, status="healthy", host="h1")]), NOW_S)
    old = [_as_first_released(raw) for _, raw in state.take_dirty_snapshots()]
    again = line.restore(0, old)
    slot = again.agents.slots.keys.index("a1")
    before = state.agents.slots.keys.index("a1")
    assert again.agents.arrays["trust"]["good"][slot] == state.agents.arrays["trust"]["good"][before] > 0
    assert again.agents.arrays["heartbeat"]["last_s"][slot] == NOW_S
    assert (again.agents.arrays["trust"]["factors"] == 0).all()
    assert np.isnan(again.agents.arrays["forecast"]["last_s"][slot])
    assert again.owners[slot].host is None
    later = line.apply(again, columns(METRICS, _metrics(30, NOW_S + 400), first=30), NOW_S + 400)
    assert "fleet.deadletter" not in later.rows
    assert again.agents.arrays["forecast"]["last_s"][slot] == NOW_S + 400


@pytest.mark.parametrize(
    "snapshot",
    [
        Snapshot({}, {}, {}),
        Snapshot({}, {"unheard_of": StoreSnapshot(["a"], {})}, {"bucket": 1, "owners": [], "silent": {}}),
        Snapshot({METRICS: 1}, {}, {"bucket": BUCKETS, "owners": [], "silent": {}}),
        Snapshot({}, {}, {"bucket": 1, "owners": [[1, 2, 3, 4, 5]], "silent": {}}),
    ],
)
def test_a_snapshot_that_does_not_fit_is_refused(snapshot: Snapshot) -> None:
    with pytest.raises(SnapshotFormatError, match="not of this program"):
        pipeline().restore(0, [pack(snapshot)])
