"""Ends, commits, lag and draining, as real brokers tell them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.broker.interface import Broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.kafka import consumer, producer
from infra.runtime.offsets import OffsetReader, Offsets
from infra.runtime.settings import load_settings
from infra.supervisor.offsets import drained
from schemas.catalogue import TOPICS

GROUP, TOPIC = "a-group", "fleet.logs"


@pytest.fixture(params=["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
async def fresh_broker(request: pytest.FixtureRequest, broker_factory: Callable[[str], Broker]) -> Broker:
    """A broker of its own: the reader knows the catalogue's topics alone."""
    broker = broker_factory(request.param)
    await provision(broker.bootstrap, plan_topics(load_settings(partitions=2)))
    return broker


@pytest.fixture
async def reader(fresh_broker: Broker) -> AsyncIterator[OffsetReader]:
    found = OffsetReader(fresh_broker.bootstrap, {GROUP: [TOPIC], "another": tuple(TOPICS)}, TOPICS)
    await found.start()
    yield found
    await found.stop()


async def publish(broker: Broker, counts: dict[int, int]) -> None:
    """Send that many records to each partition, one by one: Tansu counts a batch as one."""
    async with producer(broker.bootstrap, idempotent=False) as client:
        for partition, count in counts.items():
            for n in range(count):
                await client.send_and_wait(TOPIC, str(n).encode(), partition=partition)


async def commit(broker: Broker, offsets: dict[int, int]) -> None:
    client: AIOKafkaConsumer = consumer(broker.bootstrap, group_id=GROUP)
    await client.start()
    client.assign([TopicPartition(TOPIC, partition) for partition in offsets])
    await client.commit({TopicPartition(TOPIC, partition): offset for partition, offset in offsets.items()})
    await client.stop()


async def test_what_is_committed_is_no_lag(fresh_broker: Broker, reader: OffsetReader) -> None:
    assert await drained(reader, [GROUP], 60)  # nothing is there to be read
    await publish(fresh_broker, {0: 3, 1: 5})
    offsets = await reader.read()
    assert offsets.total(TOPIC) == 8
    assert offsets.total("fleet.runs") == 0
    assert offsets.lag(GROUP, [TOPIC]) == offsets.lag("another", TOPICS) == 8
    await commit(fresh_broker, {0: 3, 1: 4})
    offsets = await reader.read()
    assert offsets.lag(GROUP, [TOPIC]) == 1
    assert offsets.lag("another", TOPICS) == 8
    assert not await drained(reader, [GROUP], 1.6)
    waiting = asyncio.create_task(drained(reader, [GROUP], 60))
    await commit(fresh_broker, {1: 5})
    assert await waiting
    assert (await reader.read()).lag(GROUP, [TOPIC]) == 0


def test_lag_is_never_negative() -> None:
    """Tansu's ends can be behind what a group has committed."""
    tp = TopicPartition(TOPIC, 0)
    assert Offsets({tp: 3}, {GROUP: {tp: 9}}).lag(GROUP, [TOPIC]) == 0
    assert Offsets({tp: 3}).lag("unknown", [TOPIC]) == 3
