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
    """Asks the broker: a consumer a group, assigned by hand so that it never joins the group, and one admin client.

    Not by the admin client's list of a group's offsets: the versions that it speaks are misread on Tansu.
    """

    def __init__(self, bootstrap: str, groups: Mapping[str, Sequence[str]]) -> None:
        self._groups = groups
        self._consumers: dict[str, AIOKafkaConsumer] = {g: consumer(bootstrap, group_id=g) for g in groups}
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)

    async def start(self) -> None:
        """Connect. Raises `KafkaError`."""
        await self._admin.start()
        partitions = await self._partitions()
        for group, client in self._consumers.items():
            await client.start()
            client.assign([tp for tp in partitions if tp.topic in self._groups[group]])
            client.pause(*client.assignment())

    async def stop(self) -> None:
        """Disconnect."""
        await asyncio.gather(*(client.stop() for client in self._consumers.values()), return_exceptions=True)
        await self._admin.close()

    async def _partitions(self) -> list[TopicPartition]:
        return [
            TopicPartition(topic["topic"], part["partition"])
            for topic in await self._admin.describe_topics()
            if topic["topic"] in TOPICS
            for part in topic["partitions"]
        ]

    async def read(self) -> Offsets:
        """The present offsets. Raises `KafkaError` when the broker is away."""
        client = next(iter(self._consumers.values()))
        offsets = Offsets(ends=dict(await client.end_offsets(await self._partitions())))
        for group, member in self._consumers.items():
            # One request for all partitions; the public `committed` would send one for each.
            found = await member._coordinator.fetch_committed_offsets(list(member.assignment()))
            offsets.committed[group] = {tp: known.offset for tp, known in found.items() if known.offset >= 0}
        return offsets


async def drained(reader: OffsetReader, group: str, topics: Sequence[str], deadline_s: float) -> bool:
    """Wait until a group has committed all that its topics held at the call; False when it has not by the deadline.

    What comes later does not count: our own processes go on beating until the last of them has stopped. Two readings in
    a row are asked for: Tansu reports the base offset of the last batch + 1 as the end of a log, so a group can be past
    the reported end and still have something to read.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + deadline_s
    ends: dict[TopicPartition, int] | None = None
    complete_before = False
    while loop.time() < end_s:
        try:
            offsets = await reader.read()
        except KafkaError:
            await asyncio.sleep(0.5)
            continue
        ends = ends if ends is not None else {tp: end for tp, end in offsets.ends.items() if tp.topic in topics and end}
        known = offsets.committed.get(group, {})
        complete = all(known.get(tp, 0) >= end for tp, end in ends.items())
        if complete and complete_before:
            return True
        complete_before = complete
        await asyncio.sleep(0.7)
    return False
