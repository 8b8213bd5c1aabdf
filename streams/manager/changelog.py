"""The manager's memory: the compacted topic ALERTS_CHANGELOG, one partition, JSON by key.

What one step changed goes out as one batch, the position last: a broker takes a batch whole or not at all. Only what is
larger than a batch is written in several; then a step may be decided on again on half of its own state, which finds its
alerts known and tells nobody twice, because its events were acknowledged before.
"""

from __future__ import annotations

from collections.abc import Iterable

from infra.runtime.kafka import AIOKafkaProducer, TopicPartition, consumer
from schemas.catalogue import ALERTS_CHANGELOG

BATCH_BYTES = 4 * 1024 * 1024
PARTITION = TopicPartition(ALERTS_CHANGELOG, 0)
_QUIET_MS = 300


async def write(producer: AIOKafkaProducer, records: Iterable[tuple[str, bytes | None]], now_ms: int) -> None:
    """Write records in their order and wait for the acknowledgement. Raises `KafkaError`."""
    builder = producer.create_batch()
    for key, value in records:
        if builder.append(key=key.encode(), value=value, timestamp=now_ms) is None:
            await _send(producer, builder)
            builder = producer.create_batch()
            builder.append(key=key.encode(), value=value, timestamp=now_ms)
    if builder.record_count():
        await _send(producer, builder)


async def _send(producer: AIOKafkaProducer, builder: object) -> None:
    answer = await producer.send_batch(builder, ALERTS_CHANGELOG, partition=0)
    await answer


async def read(bootstrap: str) -> dict[str, bytes]:
    """The newest value of every key, without tombstones. Raises `KafkaError`.

    Until the end of the log and one empty answer: Tansu reports the base offset of the last batch + 1 as the end.
    """
    reader = consumer(bootstrap)
    found: dict[str, bytes] = {}
    await reader.start()
    try:
        reader.assign([PARTITION])
        await reader.seek_to_beginning(PARTITION)
        end = (await reader.end_offsets([PARTITION]))[PARTITION]
        while True:
            polled = await reader.getmany(PARTITION, timeout_ms=_QUIET_MS)
            for record in polled.get(PARTITION, ()):
                key = (record.key or b"").decode()
                if record.value is None:
                    found.pop(key, None)
                else:
                    found[key] = record.value
            if not polled and await reader.position(PARTITION) >= end:
                return found
    finally:
        await reader.stop()
