"""Which offsets a bucket contains."""

from __future__ import annotations

import numpy as np

from streams.state.applied import NONE_APPLIED, AppliedThrough

TOPIC = "fleet.metrics"


def _new(applied: AppliedThrough, offsets: list[int], bucket: int) -> list[bool]:
    found: list[bool] = applied.is_new(TOPIC, np.array(offsets), np.full(len(offsets), bucket, np.int32)).tolist()
    return found


def test_nothing_is_a_replay_without_a_recovery() -> None:
    applied = AppliedThrough()
    assert not applied.is_replay(TOPIC, 0)
    applied.advance(TOPIC, 9)
    assert not applied.is_replay(TOPIC, 10)
    assert applied.last(TOPIC) == 9
    assert applied.of_bucket(3) == {TOPIC: 9}


def test_a_flush_cut_short_leaves_buckets_apart() -> None:
    applied = AppliedThrough()
    applied.restore(1, {TOPIC: 50})
    applied.restore(2, {TOPIC: 80})
    assert applied.is_replay(TOPIC, 51)
    assert _new(applied, [50, 51, 80], bucket=1) == [False, True, True]
    assert _new(applied, [50, 80, 81], bucket=2) == [False, False, True]
    assert _new(applied, [0], bucket=3) == [True]
    assert not applied.is_replay(TOPIC, 81)


def test_a_snapshot_in_the_middle_of_a_replay_says_what_its_bucket_contains() -> None:
    applied = AppliedThrough()
    applied.restore(1, {TOPIC: 50})
    applied.restore(2, {TOPIC: 80})
    applied.advance(TOPIC, 60)
    assert applied.of_bucket(1) == {TOPIC: 60}
    assert applied.of_bucket(2) == {TOPIC: 80}
    assert _new(applied, [61, 80, 81], bucket=2) == [False, False, True]


def test_the_replay_ends_when_every_bucket_is_passed() -> None:
    applied = AppliedThrough()
    applied.restore(2, {TOPIC: 80})
    applied.advance(TOPIC, 80)
    assert not applied.is_replay(TOPIC, 0)
    assert applied.of_bucket(1) == {TOPIC: 80}


def test_topics_are_kept_apart() -> None:
    applied = AppliedThrough()
    applied.restore(0, {TOPIC: 5, "fleet.hosts": 7})
    applied.advance("fleet.hosts", 9)
    assert applied.last(TOPIC) == NONE_APPLIED
    assert applied.of_bucket(0) == {TOPIC: 5, "fleet.hosts": 9}
