"""The lake writer's reading half: records into buffers, and whether they are of the log that the lake knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka.errors import KafkaError

from infra.runtime.clock import Clock
from infra.runtime.columnar_fetch import RecordColumns, fetch_columns
from infra.runtime.kafka import AIOKafkaConsumer, TopicPartition
from schemas.catalogue import TOPICS
from sinks.lake.assignment import Assignment
from sinks.lake.options import LakeOptions
from sinks.lake.owned import Holdings, Owned
from sinks.lake.patience import Patience, wait_at_most
from sinks.lake.schedule import due_at_s

_VERIFY_WITHIN_S = 5.0
_FETCH_WAIT_S = 0.2
_FETCH_RECORDS = 20_000
_SMALL_RECORDS = 2_000
_LINGER_S = 0.05


class Reader:
    """Fetches what is assigned, as long as there is room for it; sets `flush_wanted` when a buffer is due."""

    def __init__(
        self,
        client: AIOKafkaConsumer,
        options: LakeOptions,
        holdings: Holdings,
        assignment: Assignment,
        patience: Patience,
        clock: Clock,
        *,
        flush_wanted: asyncio.Event,
        stopping: asyncio.Event,
    ) -> None:
        self._client = client
        self._options = options
        self._holdings = holdings
        self._assignment = assignment
        self._patience = patience
        self._clock = clock
        self._flush_wanted = flush_wanted
        self._stopping = stopping
        self._few = False

    async def run(self, on_ready: Callable[[int], None]) -> None:
        """Read until `stopping`. `on_ready` hears the number of partitions, once the first are taken over."""
        ready = False
        await self._assignment.changed.wait()
        while not self._stopping.is_set():
            if self._assignment.changed.is_set():
                await self._assignment.take_over()
                if not ready and not self._assignment.changed.is_set():
                    on_ready(len(self._holdings.partitions))
                    ready = True
                continue
            await self._wait_for_room()
            if not self._holdings.partitions:
                await wait_at_most(self._assignment.changed, 1.0)
                continue
            await self._linger()
            await self._fetch()

    async def _linger(self) -> None:
        """After few records, let more come: a fetch costs the broker and us the same however few it brings, and what
        is read waits in a buffer for a second anyway."""
        if self._few:
            await wait_at_most(self._stopping, _LINGER_S)

    async def _wait_for_room(self) -> None:
        """Fetch nothing while the buffer is full; the group's heartbeat goes on by itself."""
        while self._holdings.is_full() and not self._assignment.changed.is_set() and not self._stopping.is_set():
            self._holdings.room.clear()
            self._flush_wanted.set()
            await wait_at_most(self._holdings.room, 1.0)

    async def _fetch(self) -> None:
        partitions = self._holdings.partitions
        try:
            fetched = await fetch_columns(
                self._client, list(partitions), timeout_s=_FETCH_WAIT_S, max_records=_FETCH_RECORDS
            )
        except KafkaError as error:
            await self._patience.wait_after(error, "fetch")
            return
        self._few = 0 < max(map(len, fetched.values()), default=0) < _SMALL_RECORDS
        now_s = self._clock.monotonic_s()
        try:
            for tp, columns in fetched.items():
                owned = partitions.get(tp)
                if owned is not None and await self._belongs(tp, owned, columns):
                    owned.take(columns, now_s)
            for tp, owned in list(partitions.items()):
                if not owned.verified and now_s - owned.assigned_s > _VERIFY_WITHIN_S:
                    await self._verify_silence(tp, owned)
        except (OSError, KafkaError) as error:
            await self._assignment.begin_again(error)
            return
        due = (due_at_s(self._options, owned) <= now_s for owned in partitions.values() if owned.buffer)
        if self._holdings.is_full() or any(due):
            self._flush_wanted.set()

    async def _belongs(self, tp: TopicPartition, owned: Owned, columns: RecordColumns) -> bool:
        """Whether records go on where the lake ends; if they are of another log, a new epoch begins."""
        position = owned.writer.position
        if columns.first_offset < owned.fetched_through:
            await self._begin_epoch(tp, owned, "the stored offset is beyond the end of the log")
            return False
        if owned.verified:
            return True
        if columns.first_offset == position.next_offset - 1:
            known_ms = position.last_timestamp_ms
            if known_ms is not None and columns.timestamps_ms[0] != known_ms:
                await self._begin_epoch(tp, owned, "the record before the stored offset is another")
                return False
        elif columns.first_offset > position.next_offset and not TOPICS[tp.topic].compacted:
            owned.writer.skip_gap(columns.first_offset)
        owned.verified = True
        return columns.last_offset >= position.next_offset

    async def _verify_silence(self, tp: TopicPartition, owned: Owned) -> None:
        """The record before the position does not come: the log is shorter than the lake, or its records are gone.

        Tansu answers nothing at all past the end, Kafka sends the consumer to the beginning.
        """
        end = (await self._client.end_offsets([tp]))[tp]
        if not self._holdings.holds(tp, owned) or owned.verified:
            return
        if end < owned.writer.position.next_offset:
            await self._begin_epoch(tp, owned, f"the log ends at {end}")
        else:
            owned.verified = True

    async def _begin_epoch(self, tp: TopicPartition, owned: Owned, why: str) -> None:
        async with self._holdings.writing:
            if not self._holdings.holds(tp, owned):
                return
            await asyncio.to_thread(owned.writer.begin_epoch, why)
            owned.release(len(owned.buffer))
            owned.fetched_through, owned.verified, owned.committed = 0, True, -1
            self._client.seek(tp, 0)
