"""The lake writer's writing half: buffers into files, offsets committed behind them.

One round, for every partition whose buffer is due:
1. decode, judge duplicates, write temporary files (in threads);
2. send dead letters and await their acknowledgement;
3. commit the offsets that are durable already: a member that has lost its partitions learns it here, before
4. the files get their final names. The next round, or an idle tick, commits what this one made durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from aiokafka.errors import CommitFailedError, IllegalStateError

from infra.runtime.clock import Clock
from infra.runtime.kafka import AIOKafkaConsumer, TopicPartition
from sinks.lake.crash import crash_point
from sinks.lake.letter_post import LetterPost
from sinks.lake.owned import Holdings, Partitions
from sinks.lake.writer import Prepared

_FENCE_WITHIN_S = 10.0


class Tally:
    """What rounds have brought about, for those who watch."""

    def __init__(self) -> None:
        self.latency_s = 0.0
        """How long the last round took from its oldest record's fetch to its files' names."""
        self.rounds = 0
        """Rounds that made files durable."""
        self.idle_turns = 0
        """Turns of the flusher that found all that the broker has durable already."""
        self._ended = asyncio.Event()

    def count(self, latency_s: float) -> None:
        """A round has made its files durable."""
        self.latency_s = latency_s
        self.rounds += 1
        self._ended.set()
        self._ended = asyncio.Event()

    async def round_ended(self) -> None:
        """Wait until a round has made its files durable."""
        await self._ended.wait()


class Rounds:
    """Makes rounds; sets `reassign` when files could not all be named, so that every partition is recovered."""

    def __init__(
        self,
        client: AIOKafkaConsumer,
        holdings: Holdings,
        post: LetterPost,
        tally: Tally,
        pool: ThreadPoolExecutor,
        clock: Clock,
        *,
        reassign: asyncio.Event,
    ) -> None:
        self._client = client
        self._holdings = holdings
        self._post = post
        self._tally = tally
        self._pool = pool
        self._clock = clock
        self._reassign = reassign

    async def make(self, due: Partitions) -> None:
        """One round; see the module. Raises `OSError`, `KafkaError`, `TimeoutError`; buffers are kept then."""
        if not due:
            return
        counts = {tp: len(owned.buffer) for tp, owned in due.items()}
        async with self._holdings.writing:
            due = {tp: owned for tp, owned in due.items() if self._holdings.holds(tp, owned)}
            started_s = min((owned.since_s for owned in due.values()), default=0.0)
            await self._write(due, counts)
            for tp, owned in due.items():
                owned.release(counts[tp])
                owned.since_s = self._clock.monotonic_s()
            latency_s = self._clock.monotonic_s() - started_s
        self._holdings.room.set()
        self._tally.count(latency_s)

    async def _write(self, due: Partitions, counts: Mapping[TopicPartition, int]) -> None:
        loop = asyncio.get_running_loop()
        jobs = [
            loop.run_in_executor(self._pool, owned.writer.prepare, owned.buffer[: counts[tp]], self._clock.now_s())
            for tp, owned in due.items()
        ]
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        prepared = {tp: p for tp, p in zip(due, outcomes, strict=True) if isinstance(p, Prepared)}
        try:
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            await self._post.send(group.letters for group in prepared.values())
            await self.fence(due)
            await self._publish_or_reassign(due, prepared)
        finally:
            for group in prepared.values():
                group.discard()

    async def _publish_or_reassign(self, due: Partitions, prepared: Mapping[TopicPartition, Prepared]) -> None:
        """Name the files; when that fails half-way, have every partition recovered, which removes what is torn."""
        try:
            await asyncio.to_thread(_publish, due, prepared)
        except OSError:
            self._holdings.drop_all()
            self._reassign.set()
            raise

    async def fence(self, partitions: Partitions) -> None:
        """Commit what is durable. Raises `CommitFailedError` when this member no longer owns its partitions."""
        offsets = {tp: owned.writer.position.next_offset for tp, owned in partitions.items()}
        if not offsets:
            return
        async with asyncio.timeout(_FENCE_WITHIN_S):
            try:
                await self._client.commit(offsets)
            except IllegalStateError as error:
                raise CommitFailedError("not assigned any more") from error
        for tp, offset in offsets.items():
            partitions[tp].committed = offset

    async def checkpoint(self, *, all_of_them: bool = False) -> None:
        """Keep the hints of partitions that have moved since the last time, or of all."""
        async with self._holdings.writing:
            for owned in list(self._holdings.partitions.values()):
                if all_of_them or owned.writer.position.folders:
                    await asyncio.to_thread(owned.writer.checkpoint, self._clock.now_s())


def _publish(due: Partitions, prepared: Mapping[TopicPartition, Prepared]) -> None:
    for tp, group in prepared.items():
        due[tp].writer.announce(group)
    crash_point("before_rename")
    for tp, group in prepared.items():
        due[tp].writer.publish(group)
    crash_point("after_rename")
