"""A worker that was paused and goes on writing where another has taken over changes nothing."""

from __future__ import annotations

from itertools import chain
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.state.epochs import OF_OLDER_PROGRAMS, ChangelogKeys, Epoch, Place, newest, place_of

BUCKET = b"3/7"


class Log:
    """What a compacted topic keeps, for whoever writes."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}

    def write(self, keys: ChangelogKeys, *snapshots: tuple[bytes, bytes]) -> None:
        for key, raw in chain.from_iterable(keys.records(snapshots)):
            if raw is None:
                self.kept.pop(key, None)
            else:
                self.kept[key] = raw
            keys.wrote(key, raw)

    def owner(self, generation: int) -> ChangelogKeys:
        return ChangelogKeys.taken_over(list(self.kept), generation)


@pytest.mark.parametrize("epoch", [Epoch(1, 5), Epoch(12, 0), Epoch(2, -1)])
def test_a_key_says_bucket_and_epoch(epoch: Epoch) -> None:
    assert place_of(epoch.key(BUCKET)) == Place(3, BUCKET, epoch)


def test_keys_of_older_programs_are_below_all_epochs() -> None:
    assert place_of(BUCKET) == Place(3, BUCKET, OF_OLDER_PROGRAMS)
    assert newest({Epoch(1, 1).key(BUCKET): b"new", BUCKET: b"old"}) == {BUCKET: b"new"}
    assert newest({BUCKET: b"old"}) == {BUCKET: b"old"}


@pytest.mark.parametrize("key", [None, b"", b"3", b"x/1", b"3/x", b"3/1/2", b"3/1/1.2/4", b"3/1/a.b"])
def test_what_is_no_key_of_ours_is_refused(key: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        place_of(key)


def test_a_late_snapshot_of_an_earlier_owner_counts_for_nothing() -> None:
    log = Log()
    paused = log.owner(1)
    log.write(paused, (BUCKET, b"one"))
    owner = log.owner(2)
    log.write(owner, (BUCKET, b"two"))
    log.write(paused, (BUCKET, b"late"))
    assert newest(log.kept) == {BUCKET: b"two"}
    log.write(log.owner(3), (BUCKET, b"three"))
    assert list(log.kept.values()) == [b"three"], "what was late is deleted by who writes the bucket next"


def test_of_two_who_found_the_same_the_later_generation_counts() -> None:
    log = Log()
    paused, owner = log.owner(4), log.owner(5)
    log.write(owner, (BUCKET, b"two"))
    log.write(paused, (BUCKET, b"late"))
    assert newest(log.kept) == {BUCKET: b"two"}


def test_an_owner_writes_over_its_own_and_deletes_nothing_of_it() -> None:
    log = Log()
    owner = log.owner(1)
    log.write(owner, (BUCKET, b"one"), (b"3/8", b"eight"))
    assert owner.records([(BUCKET, b"two")]) == ([(owner.epoch.key(BUCKET), b"two")], [])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=60), st.randoms(use_true_random=False))
def test_whoever_writes_late_each_bucket_has_what_its_newest_owner_wrote(
    writes: list[tuple[int, int]], random: Random
) -> None:
    """(who, bucket); whoever is newer than all before takes over first. All but the newest are paused by then."""
    log, owners, expected = Log(), [Log().owner(0)], {}
    by: dict[bytes, int] = {}
    for number, (anyone, bucket_number) in enumerate(writes):
        if anyone >= len(owners):
            owners.append(log.owner(len(owners)))
        who = min(anyone, len(owners) - 1)
        bucket, raw = b"0/%d" % bucket_number, b"%d" % number
        log.write(owners[who], (bucket, raw))
        if who >= by.get(bucket, 0):
            by[bucket], expected[bucket] = who, raw
        if random.random() < 0.1:
            assert newest(log.kept) == expected
    assert newest(log.kept) == expected
