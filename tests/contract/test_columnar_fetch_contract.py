"""`fetch_columns` reads private parts of aiokafka: it must give what `getmany` gives, on every broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import ConsumerStoppedError

from infra.broker.interface import Broker
from infra.runtime.columnar_fetch import fetch_columns
from infra.runtime.kafka import consumer, producer

FreshTopics = Callable[..., Awaitable[list[str]]]
Record = tuple[int, int, bytes | None]
PARTITIONS = 2
BIG = 3 * 1024 * 1024


@pytest.fixture
async def topic(any_broker: Broker, fresh_topics: FreshTopics) -> str:
    [name] = await fresh_topics(any_broker, "columns", partitions=PARTITIONS)
    return name


@pytest.fixture
async def reader(any_broker: Broker, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    client = consumer(any_broker.bootstrap)
    await client.start()
    client.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
    yield client
    await client.stop()


async def _fill(bootstrap: str, topic: str, batches: list[list[bytes | None]], compression: str | None) -> int:
    """Write batches of records, alternately to the two partitions; returns the number of records."""
    client: AIOKafkaProducer = producer(bootstrap, idempotent=False, compression_type=compression)
    await client.start()
    try:
        for number, values in enumerate(batches):
            builder = client.create_batch()
            for at, value in enumerate(values):
                assert builder.append(key=b"k" if at % 2 else None, value=value, timestamp=1_000 + number * 100 + at)
            await (await client.send_batch(builder, topic, partition=number % PARTITIONS))
    finally:
        await client.stop()
    return sum(map(len, batches))


def _batches() -> list[list[bytes | None]]:
    return [[b"v%d-%d" % (number, at) if at % 5 else None for at in range(17 + number)] for number in range(8)]


async def _by_getmany(reader: AIOKafkaConsumer, count: int) -> dict[TopicPartition, list[Record]]:
    found: dict[TopicPartition, list[Record]] = {tp: [] for tp in reader.assignment()}
    async with asyncio.timeout(60):
        while sum(map(len, found.values())) < count:
            for tp, records in (await reader.getmany(timeout_ms=200)).items():
                found[tp] += [(r.offset, r.timestamp, r.value) for r in records]
    return found


async def _by_columns(
    reader: AIOKafkaConsumer, count: int, max_records: int = 20_000
) -> dict[TopicPartition, list[Record]]:
    found: dict[TopicPartition, list[Record]] = {tp: [] for tp in reader.assignment()}
    async with asyncio.timeout(60):
        while sum(map(len, found.values())) < count:
            for tp, batch in (await fetch_columns(reader, max_records=max_records)).items():
                assert (batch.topic, batch.partition) == (tp.topic, tp.partition)
                found[tp] += list(zip(batch.offsets, batch.timestamps_ms, batch.values, strict=True))
                assert await reader.position(tp) == batch.next_offset
    return found


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_the_same_records_as_getmany(
    any_broker: Broker, topic: str, reader: AIOKafkaConsumer, compression: str | None
) -> None:
    count = await _fill(any_broker.bootstrap, topic, _batches(), compression)
    expected = await _by_getmany(reader, count)
    for tp in reader.assignment():
        reader.seek(tp, 0)
    assert await _by_columns(reader, count) == expected


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_from_the_middle_of_a_batch(
    any_broker: Broker, topic: str, reader: AIOKafkaConsumer, compression: str | None
) -> None:
    await _fill(any_broker.bootstrap, topic, [[b"%d" % n for n in range(50)]] * PARTITIONS, compression)
    for start in (0, 1, 25, 49):
        for tp in reader.assignment():
            reader.seek(tp, start)
        found = await _by_columns(reader, (50 - start) * PARTITIONS)
        for records in found.values():
            assert [offset for offset, _, _ in records] == list(range(start, 50))
            assert records[0][2] == b"%d" % start


async def test_a_bound_is_rounded_up_to_whole_batches_and_nothing_is_left_out(
    any_broker: Broker, topic: str, reader: AIOKafkaConsumer
) -> None:
    count = await _fill(any_broker.bootstrap, topic, _batches(), None)
    expected = await _by_getmany(reader, count)
    for tp in reader.assignment():
        reader.seek(tp, 0)
    assert await _by_columns(reader, count, max_records=1) == expected


async def test_a_message_larger_than_a_fetch(any_broker: Broker, topic: str) -> None:
    client = producer(any_broker.bootstrap, idempotent=False)
    await client.start()
    for value in (b"before", b"x" * BIG, b"after"):
        await client.send_and_wait(topic, value, partition=0)
    await client.stop()
    reader = consumer(any_broker.bootstrap, max_partition_fetch_bytes=64 * 1024)
    await reader.start()
    try:
        reader.assign([TopicPartition(topic, 0)])
        [records] = (await _by_columns(reader, 3)).values()
        assert [len(value or b"") for _, _, value in records] == [6, BIG, 5]
    finally:
        await reader.stop()


async def test_only_the_partitions_that_were_asked_for(
    any_broker: Broker, topic: str, reader: AIOKafkaConsumer
) -> None:
    await _fill(any_broker.bootstrap, topic, [[b"zero"], [b"one"]], None)
    wanted = TopicPartition(topic, 1)
    async with asyncio.timeout(60):
        while not (found := await fetch_columns(reader, [wanted])):
            pass
    assert found[wanted].values == [b"one"]
    [other] = (await _by_columns(reader, 1))[TopicPartition(topic, 0)]
    assert other[2] == b"zero"


async def test_nothing_there_takes_no_longer_than_allowed(reader: AIOKafkaConsumer) -> None:
    async with asyncio.timeout(60):
        assert await fetch_columns(reader, timeout_s=0.2) == {}


async def test_a_stopped_consumer_says_so(any_broker: Broker, topic: str) -> None:
    reader = consumer(any_broker.bootstrap)
    await reader.start()
    reader.assign([TopicPartition(topic, 0)])
    assert await fetch_columns(reader, timeout_s=0.1) == {}
    await reader.stop()
    with pytest.raises(ConsumerStoppedError):
        await fetch_columns(reader)
