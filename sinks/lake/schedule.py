"""When a partition's buffer is to be written. Times are those of the monotonic clock, s."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Protocol, TypeVar

from sinks.lake.options import LakeOptions

Key = TypeVar("Key")


class Buffered(Protocol):
    """What of a buffer decides: fetches, rows and bytes in it, and since when there are any."""

    rows: int
    bytes: int
    since_s: float

    @property
    def buffer(self) -> Sized:
        """Fetches, rows or not: one without rows has offsets to commit."""


Buffer = TypeVar("Buffer", bound=Buffered)


def due_at_s(options: LakeOptions, buffered: Buffered) -> float:
    """When a buffer is due: after an interval, shorter in the measure in which it is full."""
    fill = max(buffered.rows / options.flush_rows, buffered.bytes / options.flush_bytes)
    return buffered.since_s + options.flush_interval_s * max(0.0, 1.0 - fill)


def until_due_s(options: LakeOptions, buffers: Mapping[Key, Buffer], now_s: float) -> float:
    """Until the next buffer is due; a quarter of an interval at most, so that new buffers are seen in time."""
    most_s = options.flush_interval_s / 4
    first_s = min((due_at_s(options, one) for one in buffers.values() if one.buffer), default=None)
    return most_s if first_s is None else min(max(0.0, first_s - now_s), most_s)


def due(options: LakeOptions, buffers: Mapping[Key, Buffer], now_s: float) -> dict[Key, Buffer]:
    """What to write now: once one is due, all that will be within half an interval go with it."""
    at_s = {key: due_at_s(options, one) for key, one in buffers.items() if one.buffer}
    if all(one_s > now_s for one_s in at_s.values()):
        return {}
    soon_s = now_s + options.flush_interval_s / 2
    return {key: buffers[key] for key, one_s in at_s.items() if one_s <= soon_s}
