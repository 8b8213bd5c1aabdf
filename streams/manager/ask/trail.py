"""What was written of one alert: its changes in fleet.alerts and the attempts to tell people in fleet.deliveries.

Both topics are keyed by agent, so one partition each is read, from shortly before the alert began; a record that does
not hold the fingerprint is not even decoded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.runtime.batch_send import partition_of
from infra.runtime.kafka import AIOKafkaConsumer, TopicPartition, consumer
from schemas.record import UndecodableError, decode_record
from schemas.registry import SchemaBook
from streams.manager.model import Alert

ALERTS, DELIVERIES = "fleet.alerts", "fleet.deliveries"
_BOOKS = {ALERTS: "alert", DELIVERIES: "delivery"}
_BEFORE_S, _LONGEST_S, _POLL_MS = 60.0, 15.0, 300


@dataclass(frozen=True)
class Trail:
    """Decoded records in the order in which the broker got them; `complete`: the topics were read to their end."""

    changes: list[Mapping[str, Any]] = field(default_factory=list)
    deliveries: list[Mapping[str, Any]] = field(default_factory=list)
    complete: bool = True


def began_s(alert: Alert) -> float:
    """From when on, log time, something may have been written of an alert of late."""
    return min([alert.began_s, alert.starts_us / 1e6, *alert.flips_s]) - _BEFORE_S


async def read_trail(bootstrap: str, alert: Alert, partitions: Mapping[str, int]) -> Trail:
    """The trail of an alert. Raises `KafkaError`."""
    wanted = [
        TopicPartition(topic, partition_of(alert.agent_id.encode(), partitions[topic]))
        for topic in _BOOKS
        if partitions.get(topic)
    ]
    reader = consumer(bootstrap)
    await reader.start()
    try:
        reader.assign(wanted)
        ends = await reader.end_offsets(wanted)
        await _seek(reader, wanted, round(max(began_s(alert), 0.0) * 1000))
        return await _read(reader, ends, alert.fingerprint)
    finally:
        await reader.stop()


async def _seek(reader: AIOKafkaConsumer, wanted: list[TopicPartition], since_ms: int) -> None:
    found = await reader.offsets_for_times(dict.fromkeys(wanted, since_ms))
    for each in wanted:
        # Nothing so new: Kafka answers nothing, Tansu offset 0 without a time; the beginning is right for both.
        if found.get(each) is not None and found[each].timestamp >= 0:
            reader.seek(each, found[each].offset)
        else:
            await reader.seek_to_beginning(each)


async def _read(reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], fingerprint: str) -> Trail:
    books = {topic: SchemaBook(name) for topic, name in _BOOKS.items()}
    found: dict[str, list[Mapping[str, Any]]] = {topic: [] for topic in _BOOKS}
    mark = fingerprint.encode()
    try:
        async with asyncio.timeout(_LONGEST_S):
            # As in the changelog: the end may be that of a batch's first record, but whole batches come.
            while not await _at_end(reader, ends):
                for where, records in (await reader.getmany(timeout_ms=_POLL_MS)).items():
                    book = books[where.topic]
                    raws = [record.value for record in records if mark in (record.value or b"")]
                    found[where.topic] += [row for raw in raws if (row := _row(book, raw, fingerprint)) is not None]
            return Trail(found[ALERTS], found[DELIVERIES])
    except TimeoutError:
        return Trail(found[ALERTS], found[DELIVERIES], complete=False)


async def _at_end(reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    return all([await reader.position(each) >= end for each, end in ends.items()])


def _row(book: SchemaBook, raw: bytes, fingerprint: str) -> Mapping[str, Any] | None:
    """The record if it is of this alert; the fingerprint may also stand in it as another's member or root."""
    try:
        row = decode_record(book, raw)
    except UndecodableError:
        # The lake writer tells of what cannot be read; here it is not this alert's.
        return None
    return row if row["fingerprint"] == fingerprint else None
