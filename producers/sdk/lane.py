"""The way of one topic's events: straight to the broker while it keeps up, through the spool when it does not.

One lane per topic, so that a topic which the broker refuses holds up no other. Within a lane events go in order:
those of earlier processes, then this session's spool, then memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from producers.sdk.config import ReporterConfig
from producers.sdk.encode import Record
from producers.sdk.report import Tally
from producers.sdk.spool import Segment, TopicSpool
from producers.sdk.transport import BrokerAwayError, Link, TooLargeError, TopicRefusedError

_log = logging.getLogger("fleetpulse.sdk.lane")
CHUNK_EVENTS = 4_000
CHUNK_BYTES = 1024 * 1024


@dataclass
class Chunk:
    """Events that are sent together, oldest first; `settled` of them are acknowledged or dropped.

    `spool` and `segment` say where they lie; None for memory.
    """

    session_id: str
    records: Sequence[Record]
    spool: TopicSpool | None = None
    segment: Segment | None = None
    settled: int = 0


class Lane:
    """Events of one topic between the encoder and the broker."""

    def __init__(self, topic: str, config: ReporterConfig, link: Link, tally: Tally) -> None:
        self.topic = topic
        self._config = config
        self._link = link
        self._tally = tally
        self._pending: deque[Record] = deque()
        self._inherited: deque[tuple[str, TopicSpool]] = deque()
        self._spool: TopicSpool | None = None
        self._sending: Chunk | None = None
        self._slow = False
        self._refused = False
        self._work = asyncio.Event()
        self._moved = asyncio.Event()
        self.accepted = 0
        self.settled = 0

    def own_spool(self, spool: TopicSpool) -> None:
        """Where this session's events go when the broker is away or slow."""
        self._spool = spool

    def inherit(self, session_id: str, spool: TopicSpool) -> None:
        """Send what an earlier process left, before anything else."""
        self._inherited.append((session_id, spool))
        self._work.set()

    @property
    def _flowing(self) -> bool:
        return not self._link.away and not self._slow and (self._spool is None or self._spool.empty)

    @property
    def congested(self) -> bool:
        """Whether memory holds enough of this lane's events; those on disk do not count."""
        return len(self._pending) >= (CHUNK_EVENTS if self._spool is not None else self._config.buffer_events)

    def accept(self, records: Sequence[Record], *, spill: bool) -> None:
        """Take over this session's newest events: to memory while the broker keeps up, else to disk.

        `spill`: the buffer before this lane fills up, so that what memory should not hold goes to disk. What finds no
        room on disk is dropped.
        """
        self.accepted += len(records)
        self._tally.accept(self.topic, len(records))
        if self._spool is None or (self._flowing and not (spill and self.congested)):
            self._pending.extend(records)
        else:
            self.rescue()
            self._drop("spool_full", len(records) - self._spool.append(records))
        self._work.set()

    def guard(self) -> None:
        """While the broker is away or slow, what waits in memory goes to disk."""
        if self._link.away or self._slow:
            self.rescue()

    def rescue(self) -> None:
        """What waits in memory goes to disk, before what comes now. On a full disk it stays where it is."""
        if self._spool is None or not self._pending:
            return
        waiting = list(self._pending)
        written = self._spool.append(waiting) if self._spool.empty else self._spool.prepend(waiting)
        for _ in range(written):
            self._pending.popleft()

    def _drop(self, reason: str, events: int) -> None:
        if events > 0:
            self._tally.drop(self.topic, reason, events)
            self.settled += events
            self._moved.set()

    @property
    def spooled(self) -> int:
        """This session's events on disk."""
        return self._spool.events if self._spool is not None else 0

    async def run(self) -> None:
        """Send whatever there is until cancelled."""
        while True:
            # Before a chunk is taken: while the broker is away, events belong on disk and not here.
            await self._link.ready.wait()
            self._work.clear()
            chunk = self._next_chunk()
            if chunk is None:
                await self._work.wait()
            else:
                await self._deliver(chunk)

    def _next_chunk(self) -> Chunk | None:
        while self._inherited:
            session_id, spool = self._inherited[0]
            if (found := spool.head()) is not None:
                return Chunk(session_id, found[1], spool, found[0])
            self._inherited.popleft()
        if self._spool is not None and (found := self._spool.head()) is not None:
            return Chunk(self._tally.session_id, found[1], self._spool, found[0])
        if not self._pending:
            return None
        records: list[Record] = []
        size_bytes = 0
        while self._pending and len(records) < CHUNK_EVENTS and size_bytes < CHUNK_BYTES:
            records.append(self._pending.popleft())
            size_bytes += len(records[-1].value)
        return Chunk(self._tally.session_id, records)

    async def _deliver(self, chunk: Chunk) -> None:
        """Send a chunk; what does not get through goes back to where it is safe and first in line."""
        self._sending = chunk
        watch = asyncio.get_running_loop().call_later(self._config.slow_after_s, self._mark_slow)
        pause_s = 0.0
        try:
            await self._send(chunk, chunk.records)
        except BrokerAwayError as error:
            _log.info("%s waits for the broker: %s", self.topic, error)
        except TopicRefusedError as error:
            if not (self._refused or error.told):
                _log.warning("%s is refused, its events wait: %s", self.topic, error)
            self._refused = True
            pause_s = error.pause_s
        else:
            self._refused = False
        finally:
            watch.cancel()
        self._put_back()
        self._slow = pause_s > 0
        await asyncio.sleep(pause_s)
        self._slow = False

    def _mark_slow(self) -> None:
        self._slow = True

    async def _send(self, chunk: Chunk, records: Sequence[Record]) -> None:
        """Send; what is too large for the broker is halved until the one event that it refuses is alone."""
        try:
            await self._link.send(self.topic, records)
        except TooLargeError as error:
            if len(records) > 1:
                middle = len(records) // 2
                await self._send(chunk, records[:middle])
                await self._send(chunk, records[middle:])
                return
            _log.warning("%s seq %d is too large for the broker and is dropped: %s", self.topic, records[0].seq, error)
            self._settle(chunk, 1, acknowledged=False)
        else:
            self._settle(chunk, len(records), acknowledged=True)

    def _settle(self, chunk: Chunk, events: int, *, acknowledged: bool) -> None:
        chunk.settled += events
        if chunk.spool is not None and chunk.segment is not None:
            chunk.spool.settle(chunk.segment, events)
        own = chunk.session_id == self._tally.session_id
        if acknowledged:
            self._tally.acknowledge(self.topic, chunk.session_id, events)
            self.settled += events if own else 0
            self._moved.set()
        elif own:
            self._drop("oversize", events)

    def _put_back(self) -> None:
        """What was not settled, to the front of the spool, or of memory where there is no room on disk."""
        chunk, self._sending = self._sending, None
        if chunk is not None and chunk.spool is None and chunk.settled < len(chunk.records):
            self._pending.extendleft(reversed(chunk.records[chunk.settled :]))
            self.rescue()

    def stow(self) -> None:
        """At the end: what is in memory or was being sent goes to disk as far as there is room. Needs `run` stopped."""
        self._put_back()
        self.rescue()
        if self._spool is not None:
            self._spool.close()

    async def settled_through(self, target: int) -> None:
        """Wait until the first `target` events that this lane accepted are acknowledged or dropped."""
        while self.settled < target:
            self._moved.clear()
            await self._moved.wait()
