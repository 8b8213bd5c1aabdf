"""How far topics reach and how far consumer groups have come: rates, lag."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from infra.runtime.kafka import consumer


@dataclass
class Offsets:
    """`ends` and, per group, `committed`: (topic, partition) -> next offset."""

    ends: dict[TopicPartition, int] = field(default_factory=dict)
    committed: dict[str, dict[TopicPartition, int]] = field(default_factory=dict)

    def total(self, topic: str) -> int:
        """Records in a topic so far."""
        return sum(end for tp, end in self.ends.items() if tp.topic == topic)

    def held(self, topics: Collection[str]) -> dict[TopicPartition, int]:
        """The ends of those partitions of `topics` that hold anything."""
        return {tp: end for tp, end in self.ends.items() if tp.topic in topics and end}

    def lag_of(self, group: str, tp: TopicPartition) -> int:
        """Records of one partition that a group has not committed; Tansu's ends can be behind what it has."""
        return max(self.ends[tp] - self.committed.get(group, {}).get(tp, 0), 0)

    def lag(self, group: str, topics: Collection[str]) -> int:
        """Records of `topics` that a group has not committed."""
        return sum(self.lag_of(group, tp) for tp in self.ends if tp.topic in topics)

    def reached(self, group: str, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether a group has committed all before `ends`."""
        known = self.committed.get(group, {})
        return all(known.get(tp, 0) >= end for tp, end in ends.items())


class OffsetReader:
    """Asks the broker: a consumer a group, assigned by hand so that it never joins the group, and one admin client.

    `groups`: the topics that each reads; `topics`: whose ends are told. Not by the admin client's list of a group's
    offsets: the versions that it speaks are misread on Tansu.
    """

    def __init__(self, bootstrap: str, groups: Mapping[str, Sequence[str]], topics: Collection[str]) -> None:
        self.groups = groups
        self._topics = topics
        self._consumers: dict[str, AIOKafkaConsumer] = {g: consumer(bootstrap, group_id=g) for g in groups}
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)

    async def start(self) -> None:
        """Connect, or let go of everything. Raises `KafkaError`."""
        try:
            await self._admin.start()
            partitions = await self._partitions()
            for group, client in self._consumers.items():
                await client.start()
                client.assign([tp for tp in partitions if tp.topic in self.groups[group]])
                client.pause(*client.assignment())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Disconnect."""
        await asyncio.gather(*(client.stop() for client in self._consumers.values()), return_exceptions=True)
        await self._admin.close()

    async def _partitions(self) -> list[TopicPartition]:
        return [
            TopicPartition(topic["topic"], part["partition"])
            for topic in await self._admin.describe_topics()
            if topic["topic"] in self._topics
            for part in topic["partitions"]
        ]

    async def read(self) -> Offsets:
        """The present offsets. Raises `KafkaError` when the broker is away."""
        # The one that knows the most topics: each that it does not know costs the first reading a tenth of a second.
        client = max(self._consumers.values(), key=lambda each: len(each.assignment()))
        offsets = Offsets(ends=dict(await client.end_offsets(await self._partitions())))
        for group, member in self._consumers.items():
            # One request for all partitions; the public `committed` would send one for each.
            found = await member._coordinator.fetch_committed_offsets(list(member.assignment()))
            offsets.committed[group] = {tp: known.offset for tp, known in found.items() if known.offset >= 0}
        return offsets


async def consumer_groups(bootstrap: str) -> list[str]:
    """Names of the groups that the broker knows, in their order. Raises `KafkaError`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        await admin.start()
        return sorted(str(found[0]) for found in await admin.list_consumer_groups())
    finally:
        await admin.close()
