"""How far the topics reach and how far the consumer groups have come: rates, lag, and when a run has drained."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from infra.runtime.kafka import consumer
from schemas.catalogue import TOPICS


@dataclass
class Offsets:
    """`ends` and, per group, `committed`: (topic, partition) -> next offset."""

    ends: dict[TopicPartition, int] = field(default_factory=dict)
    committed: dict[str, dict[TopicPartition, int]] = field(default_factory=dict)

    def total(self, topic: str) -> int:
        """Records in a topic so far."""
        return sum(end for tp, end in self.ends.items() if tp.topic == topic)

    def lag(self, group: str, topics: Collection[str]) -> int:
        """Records of `topics` that a group has not committed."""
        known = self.committed.get(group, {})
        return sum(max(end - known.get(tp, 0), 0) for tp, end in self.ends.items() if tp.topic in topics)


class OffsetReader:
    """Asks the broker; one consumer without a group and one admin client."""

    def __init__(self, bootstrap: str, groups: Mapping[str, Sequence[str]]) -> None:
        self._bootstrap = bootstrap
        self._groups = groups
        self._consumer: AIOKafkaConsumer = consumer(bootstrap)
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)

    async def start(self) -> None:
        """Connect. Raises `KafkaError`."""
        await self._consumer.start()
        await self._admin.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()
        await self._admin.close()

    async def read(self) -> Offsets:
        """The present offsets. Raises `KafkaError` when the broker is away."""
        described = await self._admin.describe_topics()
        tps = [
            TopicPartition(topic["topic"], part["partition"])
            for topic in described
            if topic["topic"] in TOPICS
            for part in topic["partitions"]
        ]
        offsets = Offsets(ends=dict(await self._consumer.end_offsets(tps)))
        for group, topics in self._groups.items():
            committed = await self._admin.list_consumer_group_offsets(group)
            offsets.committed[group] = {
                TopicPartition(tp.topic, tp.partition): found.offset
                for tp, found in committed.items()
                if tp.topic in topics and found.offset >= 0
            }
        return offsets


async def drained(reader: OffsetReader, group: str, topics: Sequence[str], deadline_s: float) -> bool:
    """Wait until a group has committed all that its topics hold; False when it has not by the deadline.

    Two equal readings in a row are asked for: Tansu reports the base offset of the last batch + 1 as the end of a log,
    so a group can be past the reported end and still have something to read.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + deadline_s
    before: dict[TopicPartition, int] | None = None
    while loop.time() < end_s:
        try:
            offsets = await reader.read()
        except KafkaError:
            await asyncio.sleep(0.5)
            continue
        known = offsets.committed.get(group, {})
        complete = all(known.get(tp, 0) >= end for tp, end in offsets.ends.items() if tp.topic in topics and end)
        if complete and known == before:
            return True
        before = known
        await asyncio.sleep(0.7)
    return False
