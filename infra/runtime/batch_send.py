"""Whole batches to a partition: aiokafka's `send_batch`, with the partition computed as Kafka's own producers do."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

BATCH_BYTES = 512 * 1024


def partition_of(key: bytes, partitions: int) -> int:
    """Kafka's default: murmur2 of the key, sign bit cleared, modulo the number of partitions."""
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % partitions


async def send_records(
    producer: AIOKafkaProducer, topic: str, records: Iterable[tuple[int, bytes | None, bytes | None, int]]
) -> int:
    """Send (partition, key, value, timestamp_ms) records in as few batches as fit; return how many were acknowledged.
    A value None deletes the key of a compacted topic.

    One future a batch instead of one a record. Raises the first `KafkaError`; then none of the failed batch is
    claimed and the caller sends again what it cannot do without.
    """
    by_partition: defaultdict[int, list[tuple[bytes | None, bytes | None, int]]] = defaultdict(list)
    for partition, key, value, timestamp_ms in records:
        by_partition[partition].append((key, value, timestamp_ms))
    futures: list[asyncio.Future[object]] = []
    count = 0
    for partition, rows in by_partition.items():
        builder = producer.create_batch()
        for key, value, timestamp_ms in rows:
            if builder.append(key=key, value=value, timestamp=timestamp_ms) is None:
                futures.append(await producer.send_batch(builder, topic, partition=partition))
                builder = producer.create_batch()
                if builder.append(key=key, value=value, timestamp=timestamp_ms) is None:
                    # Larger than a batch: alone, so that only the request limit bounds it.
                    futures.append(
                        await producer.send(topic, value, key=key, partition=partition, timestamp_ms=timestamp_ms)
                    )
        if builder.record_count():
            futures.append(await producer.send_batch(builder, topic, partition=partition))
        count += len(rows)
    if futures:
        await asyncio.gather(*futures)
    return count


async def send_columns(
    producer: AIOKafkaProducer,
    topic: str,
    partition: int,
    keys: Sequence[bytes],
    values: Sequence[bytes],
    timestamp_ms: int,
) -> int:
    """Send records of one partition that share a timestamp; as `send_records`, without a tuple a record.

    Raises the first `KafkaError` of a batch that was not acknowledged.
    """
    futures: list[asyncio.Future[object]] = []
    builder = producer.create_batch()
    for key, value in zip(keys, values, strict=True):
        if builder.append(key=key, value=value, timestamp=timestamp_ms) is None:
            futures.append(await producer.send_batch(builder, topic, partition=partition))
            builder = producer.create_batch()
            builder.append(key=key, value=value, timestamp=timestamp_ms)
    if builder.record_count():
        futures.append(await producer.send_batch(builder, topic, partition=partition))
    await asyncio.gather(*futures)
    return len(values)
