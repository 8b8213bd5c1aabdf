"""The topic of the keys, as JSON: under LOOKUP the record, under used/LOOKUP its last use; the newest counts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping

from infra.runtime.errors import FleetpulseError
from infra.runtime.kafka import AIOKafkaConsumer, TopicPartition, consumer, partition_counts, producer
from schemas.catalogue import ACCESS_KEYS

USED = "used/"
_LONGEST_FETCH_MS = 250
"""Tansu does not wake a fetch that waits when something comes, so none may wait for long."""
_POLLS_PER_CHECK = 4
_REQUEST_MS = 5_000


class TopicAbsentError(FleetpulseError):
    """A topic that the doors need is not on the broker."""


async def partitions_of(bootstrap: str, topic: str) -> int:
    """How many partitions a topic has; asks such that none is made by asking.

    Raises `TopicAbsentError`, `BrokerUnreachableError`.
    """
    count = (await partition_counts(bootstrap)).get(topic)
    if count is None:
        raise TopicAbsentError(
            f"the broker at {bootstrap} has no topic {topic}", way_out="Create the topics: fleetpulse topics create"
        )
    return count


class BegunAnewError(Exception):
    """The log is shorter than what was read of it: the broker has lost it, as Tansu does when it ends."""


class KeyReader:
    """Reads the topic from its beginning."""

    def __init__(self, reader: AIOKafkaConsumer, partition: TopicPartition, end: int) -> None:
        self._reader = reader
        self._partition = partition
        self._end = end
        self._empty_polls = 0

    async def caught_up(self) -> bool:
        """Whether all has been read that was there at the start."""
        return bool(await self._reader.position(self._partition) >= self._end)

    async def poll(self) -> list[tuple[str, bytes | None]]:
        """(key, value) of the next records; empty where none came within a quarter of a second.

        Raises `BegunAnewError`, `KafkaError`.
        """
        polled = await self._reader.getmany(self._partition, timeout_ms=_LONGEST_FETCH_MS)
        if not polled:
            await self._check_length()
        return [((r.key or b"").decode("utf-8", "replace"), r.value) for r in polled.get(self._partition, ())]

    async def _check_length(self) -> None:
        """A fetch beyond the end waits for ever on some brokers, and says nothing."""
        self._empty_polls += 1
        if self._empty_polls % _POLLS_PER_CHECK == 0:
            end = (await self._reader.end_offsets([self._partition]))[self._partition]
            if end < await self._reader.position(self._partition):
                raise BegunAnewError(f"{self._partition.topic} ends at {end}")


@contextlib.asynccontextmanager
async def reading(bootstrap: str, topic: str = ACCESS_KEYS) -> AsyncIterator[KeyReader]:
    """A reader of the keys. Raises `KafkaError`, `TopicAbsentError`, `BrokerUnreachableError`."""
    await partitions_of(bootstrap, topic)
    partition = TopicPartition(topic, 0)
    reader = consumer(bootstrap, fetch_max_wait_ms=_LONGEST_FETCH_MS, request_timeout_ms=_REQUEST_MS)
    await reader.start()
    try:
        reader.assign([partition])
        await reader.seek_to_beginning(partition)
        end = (await reader.end_offsets([partition]))[partition]
        yield KeyReader(reader, partition, end)
    finally:
        await reader.stop()


async def write(bootstrap: str, values: Mapping[str, bytes | None], topic: str = ACCESS_KEYS) -> None:
    """Write values by key, None to forget; returns once they are acknowledged.

    One record a batch: of a last batch of several Tansu tells the end as if it had one, and a log that ends before what
    was read of it counts as begun anew. Raises `KafkaError`, `TopicAbsentError`, `BrokerUnreachableError`.
    """
    await partitions_of(bootstrap, topic)
    sender = producer(bootstrap, idempotent=False, request_timeout_ms=_REQUEST_MS)
    await sender.start()
    try:
        for key, value in values.items():
            await sender.send_and_wait(topic, value, key=key.encode(), partition=0)
    finally:
        await sender.stop()
