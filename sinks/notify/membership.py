"""One consumer of one group: which partitions it owns, what it fetched, up to where it may commit.

A group without an offset commits where it begins before it is ready: alerts that come while a new notifier is down are
delivered when it is back, also with `latest`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence, Set

from aiokafka import ConsumerRecord
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError

from infra.runtime.kafka import SESSION_TIMEOUT_MS, AIOKafkaConsumer, TopicPartition, consumer, unreachable
from infra.runtime.logs import get_logger
from sinks.notify.progress import Progress

_QUIET_S = 5.0
_log = get_logger("notify")


class Membership:
    """`start` and `stop` are idempotent."""

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        start: str,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
        *,
        fetch_wait_ms: int = 500,
    ) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self.topic = topic
        self._start_at = start
        self._session_timeout_ms = session_timeout_ms
        self._fetch_wait_ms = fetch_wait_ms
        self._consumer: AIOKafkaConsumer | None = None
        self._progress: dict[TopicPartition, Progress] = {}
        self._begun: set[TopicPartition] = set()

    async def start(self) -> None:
        """Join the group and have a committed beginning. Raises `BrokerUnreachableError`."""
        if self._consumer is not None:
            return
        joined = consumer(
            self._bootstrap,
            self.topic,
            group_id=self._group,
            auto_offset_reset=self._start_at,
            metadata_max_age_ms=10_000,
            session_timeout_ms=self._session_timeout_ms,
            fetch_max_wait_ms=self._fetch_wait_ms,
        )
        try:
            await joined.start()
        except KafkaConnectionError as error:
            raise unreachable(self._bootstrap) from error
        self._consumer = joined
        await self.follow()

    async def stop(self) -> None:
        """Leave the group. What was not committed is delivered again by whoever takes over."""
        joined, self._consumer = self._consumer, None
        if joined is not None:
            await joined.stop()

    def _joined(self) -> AIOKafkaConsumer:
        assert self._consumer is not None, "start() comes first"
        return self._consumer

    def owned(self) -> Set[TopicPartition]:
        """What this member may read now."""
        return frozenset(self._joined().assignment())

    async def follow(self) -> list[int]:
        """Take note of a rebalance: numbers of the partitions that are no longer ours."""
        joined = self._joined()
        assigned = joined.assignment()
        gone = [partition for partition in self._progress if partition not in assigned]
        for partition in gone:
            del self._progress[partition]
        self._begun &= assigned
        for partition in assigned - self._begun:
            with contextlib.suppress(IllegalStateError):  # taken away meanwhile: the next owner does it
                if await joined.committed(partition) is None:
                    await self._commit({partition: await joined.position(partition)})
                self._begun.add(partition)
        return [partition.partition for partition in gone]

    def hold(self, full: bool) -> None:
        """Fetch nothing more while there is enough; polling goes on, so the group does not take us for dead."""
        joined = self._joined()
        paused = joined.paused()
        if full and not paused:
            joined.pause(*joined.assignment())
        elif paused and not full:
            joined.resume(*paused)

    async def poll(self, timeout_ms: int, most: int) -> dict[TopicPartition, Sequence[ConsumerRecord]]:
        """What comes within `timeout_ms`, in order."""
        found: dict[TopicPartition, Sequence[ConsumerRecord]] = await self._joined().getmany(
            timeout_ms=timeout_ms, max_records=most
        )
        return found

    def begin(self, partition: int, offset: int) -> bool:
        """Whether it is new; it then counts as not done."""
        place = TopicPartition(self.topic, partition)
        progress = self._progress.setdefault(place, Progress())
        if progress.seen(offset):
            return False
        if progress.is_behind(offset):
            progress = self._progress[place] = Progress()
        progress.begin(offset)
        return True

    def end(self, partition: int, offset: int) -> None:
        """It is done."""
        progress = self._progress.get(TopicPartition(self.topic, partition))
        if progress is not None:
            progress.end(offset)

    def behind(self) -> int:
        """Records that the broker had at the last fetch and that did not come yet, of partitions that brought any."""
        joined = self._joined()
        ends = {place: joined.highwater(place) for place in self._progress if place in joined.assignment()}
        return sum(max(end - self._progress[place].next_offset(), 0) for place, end in ends.items() if end is not None)

    async def commit(self) -> None:
        """Commit up to the first that is not done, where that is news."""
        news = {partition: at for partition, p in self._progress.items() if (at := p.committable()) is not None}
        if news and await self._commit(news):
            for partition, at in news.items():
                if partition in self._progress:
                    self._progress[partition].committed(at)

    async def _commit(self, offsets: dict[TopicPartition, int]) -> bool:
        try:
            await self._joined().commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            _log.warning("an offset was not committed, its alerts may come twice", error=repr(error))
            return False
        return True

    async def past(self, partitions: Set[int]) -> AsyncIterator[tuple[int, ConsumerRecord]]:
        """All records before the group's position, of partitions that are ours, with a reader of its own."""
        ends: dict[TopicPartition, int] = {}
        for partition in partitions:
            place = TopicPartition(self.topic, partition)
            with contextlib.suppress(IllegalStateError):  # taken away meanwhile
                ends[place] = await self._joined().committed(place) or 0
        ends = {place: end for place, end in ends.items() if end > 0}
        if not ends:
            return
        reader = consumer(self._bootstrap)
        await reader.start()
        try:
            reader.assign(list(ends))
            await reader.seek_to_beginning(*ends)
            async for record in _until(reader, ends):
                yield record.partition, record
        finally:
            await reader.stop()


async def _until(reader: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> AsyncIterator[ConsumerRecord]:
    """Records before `ends`. Also ends when nothing comes for a while: the log may have lost its end to retention."""
    loop = asyncio.get_running_loop()
    last_s = loop.time()
    open_ends = dict(ends)
    while open_ends and loop.time() - last_s < _QUIET_S:
        polled = await reader.getmany(timeout_ms=500, max_records=2_000)
        for place, records in polled.items():
            last_s = loop.time()
            for record in records:
                if record.offset < ends[place]:
                    yield record
            if records[-1].offset + 1 >= ends[place]:
                open_ends.pop(place, None)
