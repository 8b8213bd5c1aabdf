"""Alive means that records which are there get processed."""

from __future__ import annotations

from stream_world import columns

from infra.runtime.clock import ManualClock
from streams.progress import Progress, StallWatch

TOPIC = "fleet.metrics"


def test_progress_counts_and_forgets_what_was_taken_away() -> None:
    progress, clock = Progress(), ManualClock()
    progress.processed(columns(TOPIC, [b"x"] * 3, partition=0), clock)
    progress.processed(columns(TOPIC, [b"x"] * 2, first=5, partition=1), clock)
    assert progress.total == 5
    assert progress.position == {(TOPIC, 0): 3, (TOPIC, 1): 7}
    progress.forget({1})
    assert progress.position == {(TOPIC, 0): 3}
    assert progress.arrived_ms.keys() == {(TOPIC, 0)}
    assert progress.records == {TOPIC: 5}


def test_waiting_records_and_no_batch_is_a_stall() -> None:
    watch = StallWatch(60)
    assert not watch.is_stalled(lag=10, batches=5, now_s=0)
    assert not watch.is_stalled(lag=10, batches=5, now_s=60)
    assert watch.is_stalled(lag=10, batches=5, now_s=61)


def test_progress_starts_the_patience_anew() -> None:
    watch = StallWatch(60)
    watch.is_stalled(lag=10, batches=5, now_s=0)
    assert not watch.is_stalled(lag=10, batches=6, now_s=59)
    assert not watch.is_stalled(lag=10, batches=6, now_s=118)
    assert watch.is_stalled(lag=10, batches=6, now_s=120)


def test_records_after_an_hour_of_silence_are_no_stall() -> None:
    watch = StallWatch(60)
    watch.is_stalled(lag=0, batches=5, now_s=0)
    watch.is_stalled(lag=0, batches=5, now_s=3600)
    assert not watch.is_stalled(lag=10, batches=5, now_s=3605)
