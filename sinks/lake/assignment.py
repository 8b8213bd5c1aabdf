"""How the lake writer takes partitions over and gives them up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import IllegalStateError, KafkaError

from infra.runtime.clock import Clock
from infra.runtime.kafka import AIOKafkaConsumer, TopicPartition
from infra.runtime.logs import get_logger
from schemas.catalogue import TOPICS
from schemas.registry import SchemaBook
from sinks.lake.owned import Holdings, Owned
from sinks.lake.patience import Patience
from sinks.lake.recovery import Recovered, recover
from sinks.lake.writer import PartitionWriter

_log = get_logger("lake.service")


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """What the group assigns. aiokafka swallows what a listener raises, so nothing of a listener here can raise."""

    def __init__(
        self,
        client: AIOKafkaConsumer,
        lake: Path,
        holdings: Holdings,
        patience: Patience,
        clock: Clock,
        *,
        topics: Iterable[str],
        cluster_id: str,
        changed: asyncio.Event,
    ) -> None:
        self._client = client
        self._lake = lake
        self._holdings = holdings
        self._patience = patience
        self._clock = clock
        self._cluster_id = cluster_id
        self._books = {name: SchemaBook(TOPICS[name].schema) for name in topics}
        self._expected: set[TopicPartition] = set()
        self.changed = changed
        """Partitions are to be taken over: assigned anew, or given up because their files are not in order."""

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Drop every buffer before another member begins."""
        del revoked
        await self._holdings.give_up_all()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Partitions to take over; they stay paused until their files are in order."""
        self._expected = set(assigned)
        if self._expected:
            self._client.pause(*self._expected)
        self.changed.set()

    async def begin_again(self, error: Exception) -> None:
        """What is fetched cannot be placed: take everything over anew, from the files."""
        await self._holdings.give_up_all()
        await self._patience.wait_after(error, "position")
        self.changed.set()

    async def take_over(self) -> None:
        """Recover every expected partition and fetch from the record before its position."""
        expected = self._expected
        self.changed.clear()
        for tp in sorted(expected):
            try:
                recovered = await self._recover(tp)
            except (OSError, KafkaError) as error:
                await self._patience.wait_after(error, "recovery")
                self.changed.set()
                return
            if self.changed.is_set():
                return  # Reassigned meanwhile; the next call begins anew.
            self._adopt(tp, PartitionWriter.of(self._lake, self._books[tp.topic], recovered))
        self._patience.all_well()
        _log.info("partitions assigned", partitions=len(expected))

    async def _recover(self, tp: TopicPartition) -> Recovered:
        committed = await self._client.committed(tp)
        return await asyncio.to_thread(
            recover, self._lake, tp.topic, tp.partition, committed=committed, cluster_id=self._cluster_id
        )

    def _adopt(self, tp: TopicPartition, writer: PartitionWriter) -> None:
        position = writer.position.next_offset
        start = max(0, position - 1)
        try:
            self._client.seek(tp, start)
            self._client.resume(tp)
        except IllegalStateError:
            return  # Revoked; the listener has been or will be called.
        self._holdings.partitions[tp] = Owned(
            writer, verified=position == 0, assigned_s=self._clock.monotonic_s(), fetched_through=start
        )
