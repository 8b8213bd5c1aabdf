"""Whose snapshot of a bucket counts: the newest owner's, whatever an earlier one still writes.

A worker that was paused for longer than its session may go on writing where another has taken over, and a broker cannot
refuse it. So owners do not share keys: a snapshot stands under `PARTITION/BUCKET/NUMBER.GENERATION`. Who takes over
takes a number above all that it finds; of two that found the same, since the first had written nothing, the later
generation of the group counts. A recovery believes the highest epoch of each bucket. What stands under lower ones is
deleted by who writes the bucket next. `PARTITION/BUCKET`, as older programs wrote, is below all epochs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Record = tuple[bytes, bytes | None]
"""Key and value in the changelog; None deletes the key."""


class Epoch(NamedTuple):
    """A time of ownership of one partition; the higher is the newer."""

    number: int
    generation: int

    def key(self, bucket: bytes) -> bytes:
        """Where snapshots of a bucket (`PARTITION/BUCKET`) stand in this epoch."""
        return b"%b/%d.%d" % (bucket, self.number, self.generation)


OF_OLDER_PROGRAMS = Epoch(0, 0)


class Place(NamedTuple):
    """What the key of a snapshot says; `bucket` is `PARTITION/BUCKET`."""

    partition: int
    bucket: bytes
    epoch: Epoch


def place_of(key: object) -> Place:
    """Read a key of the changelog. Raises `ValueError` or `TypeError` for what is none of ours."""
    partition, bucket, *rest = bytes(key).split(b"/")  # type: ignore[call-overload]  # anything may stand there
    if len(rest) > 1:
        raise ValueError("too many parts")
    epoch = Epoch(*map(int, rest[0].split(b"."))) if rest else OF_OLDER_PROGRAMS
    return Place(int(partition), b"%d/%d" % (int(partition), int(bucket)), epoch)


def newest(snapshots: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Of snapshots by key those that count, one a bucket, by bucket. Raises as `place_of`."""
    by_epoch = sorted((place_of(key), raw) for key, raw in snapshots.items())
    return {place.bucket: raw for place, raw in by_epoch}


@dataclass
class ChangelogKeys:
    """The keys of one partition: `epoch` of its owner, and which keys of each bucket hold a snapshot."""

    epoch: Epoch = OF_OLDER_PROGRAMS
    _of_bucket: dict[bytes, set[bytes]] = field(default_factory=dict)

    @classmethod
    def taken_over(cls, keys: Iterable[bytes], generation: int) -> ChangelogKeys:
        """Those of a new owner, who found `keys`, in a generation of its group. Raises as `place_of`."""
        places = {key: place_of(key) for key in keys}
        number = 1 + max((place.epoch.number for place in places.values()), default=OF_OLDER_PROGRAMS.number)
        found = cls(Epoch(number, generation))
        for key, place in places.items():
            found._of_bucket.setdefault(place.bucket, set()).add(key)
        return found

    def records(self, snapshots: Iterable[tuple[bytes, bytes]]) -> tuple[list[Record], list[Record]]:
        """What to write for snapshots by bucket: each under its own key; then None for the keys that they replace.

        The second only once all of the first is acknowledged: a bucket must not lose one before it has the other.
        """
        written: list[Record] = []
        replaced: list[Record] = []
        for bucket, raw in snapshots:
            own = self.epoch.key(bucket)
            written.append((own, raw))
            replaced += [(old, None) for old in sorted(self._of_bucket.get(bucket, set()) - {own})]
        return written, replaced

    def wrote(self, key: bytes, raw: bytes | None) -> None:
        """One of the `records` has been acknowledged."""
        keys = self._of_bucket.setdefault(place_of(key).bucket, set())
        if raw is None:
            keys.discard(key)
        else:
            keys.add(key)
