"""Fetched records as columns: one `RecordColumns` per partition instead of one object per record.

aiokafka's own `getmany` builds a `ConsumerRecord` for every record (2.6 to 2.9 us each, the largest cost of a raw
consumer); the bytes below it are already batches. This reads the fetcher's buffered batches directly and keeps only
offsets, timestamps and values. It uses private parts of aiokafka 0.14 (`_fetcher._records`,
`FetchResult._partition_records`), so `pyproject.toml` bounds the version and a contract test compares the result with
`getmany` on real brokers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException

_LOG_APPEND_TIME = 1


@dataclass(slots=True)
class RecordColumns:
    """Consecutive records of one partition, at least one.

    `offsets`: ascending, gaps only where the log was compacted or transactions left markers; `timestamps_ms`:
    Kafka's record timestamps; `values`: raw bodies, None for a tombstone; `next_offset`: where the fetch goes on.
    """

    topic: str
    partition: int
    offsets: list[int]
    timestamps_ms: list[int]
    values: list[bytes | None]
    next_offset: int

    @property
    def first_offset(self) -> int:
        """Offset of the first record."""
        return self.offsets[0]

    @property
    def last_offset(self) -> int:
        """Offset of the last record."""
        return self.offsets[-1]

    def __len__(self) -> int:
        return len(self.values)


def _offsets(records: list[Any]) -> list[int]:
    """Offsets of the records of a Kafka batch; without looking at each where none is missing."""
    if records and records[-1].offset - records[0].offset == len(records) - 1:
        return list(range(records[0].offset, records[-1].offset + 1))
    return [record.offset for record in records]


def _timestamps(batch: Any, records: list[Any]) -> list[int]:  # noqa: ANN401  # aiokafka ships no types
    """Timestamps of the records in ms; a batch that the broker stamped on arrival has one for all."""
    if batch.timestamp_type == _LOG_APPEND_TIME:
        return [batch.max_timestamp] * len(records)
    return [record.timestamp for record in records]


def _drain(result: Any, tp: TopicPartition, max_records: int) -> RecordColumns | None:  # noqa: ANN401  # aiokafka ships no types
    """Take up to about `max_records` records (whole Kafka batches) out of a fetch result, advancing its position."""
    if not result.check_assignment(tp) or not result.has_more():
        return None
    fetched = result._partition_records  # see the module's docstring
    source = fetched._records
    offsets: list[int] = []
    timestamps: list[int] = []
    values: list[bytes | None] = []
    position = fetched.next_fetch_offset
    while len(values) < max_records and source.has_next():
        batch = source.next_batch()
        if fetched._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {tp}")
        if not batch.is_control_batch:
            records = list(batch)
            if records and records[0].offset < position:
                records = [r for r in records if r.offset >= position]
            offsets += _offsets(records)
            timestamps += _timestamps(batch, records)
            values += [r.value for r in records]
        position = max(position, batch.next_offset)
    fetched.next_fetch_offset = position
    result._update_position()
    if not source.has_next():
        result._partition_records = None
        # Its iterator, which nobody runs here, refers back to it: without this the fetched megabyte waits for the
        # garbage collector.
        fetched._records_iterator = None
    if not values:
        return None
    return RecordColumns(tp.topic, tp.partition, offsets, timestamps, values, position)


def _drain_all(
    fetcher: Any,  # noqa: ANN401  # aiokafka ships no types
    partitions: Collection[TopicPartition],
    max_records: int,
) -> dict[TopicPartition, RecordColumns]:
    """What lies fetched of `partitions` (empty: of all); raises what a fetch met once no records come before it."""
    drained: dict[TopicPartition, RecordColumns] = {}
    for tp in list(fetcher._records):
        if partitions and tp not in partitions:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        result = fetcher._records[tp]
        if not isinstance(result, FetchResult):
            if drained:
                return drained
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
            result.check_raise()
            continue
        columns = _drain(result, tp, max_records)
        if not result.has_more():
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
        if columns is not None:
            drained[tp] = columns
    return drained


async def fetch_columns(
    consumer: AIOKafkaConsumer,
    partitions: Collection[TopicPartition] = (),
    *,
    timeout_s: float = 0.2,
    max_records: int = 20_000,
) -> dict[TopicPartition, RecordColumns]:
    """What the consumer has fetched, as columns per partition; waits up to `timeout_s` for the first of it.

    `partitions` limits the answer (empty: all assigned); `max_records` bounds each partition, rounded up to whole
    Kafka batches. Raises what the fetch met: `OffsetOutOfRangeError`, `CorruptRecordException`, authorization
    errors, `ConsumerStoppedError`.
    """
    fetcher = consumer._fetcher  # see the module's docstring
    if consumer._closed or fetcher._closed:
        raise ConsumerStoppedError
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    subscriptions = fetcher._subscriptions
    with subscriptions.fetch_context():
        while True:
            if subscriptions.reassignment_in_progress:
                await subscriptions.wait_for_assignment()
            drained = _drain_all(fetcher, partitions, max_records)
            left_s = end - loop.time()
            if drained or left_s <= 0:
                return drained
            waiter = fetcher._create_fetch_waiter()
            done, pending = await asyncio.wait([waiter], timeout=left_s)
            if not done or fetcher._closed:
                for future in pending:
                    future.cancel()
                return {}
            waiter.result()
