"""Where the caller's thread leaves an event: number it, stamp it, append it, return."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from time import time_ns
from typing import Any, NamedTuple


class QueuedEvent(NamedTuple):
    """An event as the caller left it: `time_ns` since the epoch, `fields` without the envelope."""

    seq: int
    time_ns: int
    topic: str
    fields: Mapping[str, Any]


RawEvent = tuple[int, int, str, Mapping[str, Any]]


class EventBuffer:
    """A bounded first-in, first-out queue from any thread to the sender.

    `put` takes no lock on its way in: `deque.append` and `next(count)` are atomic under the interpreter lock, and the
    sender polls, so no call pays for a wake-up. Several threads at once may pass the bound by one event each.
    When it is full the event is dropped, but its number is used up: the hole is what the ledger shows.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._events: deque[RawEvent] = deque()
        self._seq: Iterator[int] = itertools.count()
        self._lock = threading.Lock()
        self._taken = 0
        self._dropped_full = 0
        self._dropped_closed = 0

    def put(self, topic: str, fields: Mapping[str, Any]) -> None:
        """Queue an event that happens now. The caller does not change `fields` afterwards."""
        if len(self._events) < self._capacity:
            self._events.append((next(self._seq), time_ns(), topic, fields))
        else:
            self._refuse()

    def put_at(self, topic: str, fields: Mapping[str, Any], timestamp_us: int) -> None:
        """Queue an event that happened at `timestamp_us`, micros since the epoch."""
        if len(self._events) < self._capacity:
            self._events.append((next(self._seq), timestamp_us * 1000, topic, fields))
        else:
            self._refuse()

    def _refuse(self) -> None:
        with self._lock:
            if next(self._seq) < 0:
                self._dropped_closed += 1
            else:
                self._dropped_full += 1

    def take(self, limit: int) -> list[RawEvent]:
        """The oldest events, at most `limit`. Only the sender calls this."""
        events = self._events
        taken = [events.popleft() for _ in range(min(limit, len(events)))]
        late = sum(1 for event in taken if event[0] < 0)
        if late:
            self._dropped_closed += late
            taken = [event for event in taken if event[0] >= 0]
        self._taken += len(taken)
        return taken

    def close(self) -> int:
        """Accept nothing more; the number that the session's last event takes (counted as taken). Once.

        The counter is swapped for one that answers -1, so a thread in the middle of `put` cannot number an event
        behind the last one.
        """
        with self._lock:
            numbers, self._seq = self._seq, itertools.repeat(-1)
            self._capacity = 0
            self._taken += 1
        return next(numbers)

    def __len__(self) -> int:
        return len(self._events)

    @property
    def issued(self) -> int:
        """How many events were numbered: those taken, waiting and dropped."""
        return self._taken + len(self._events) + self._dropped_full

    @property
    def dropped_full(self) -> int:
        """Events dropped because the buffer was full."""
        return self._dropped_full

    @property
    def refused_closed(self) -> int:
        """Calls after the end of the session; they never had a number."""
        return self._dropped_closed
