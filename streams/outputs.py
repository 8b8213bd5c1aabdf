"""What a batch leads to: rows of the derived topics, collected as columns, encoded and sent in batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer

from infra.runtime.batch_send import partition_of, send_columns, send_records
from schemas.catalogue import TOPICS
from schemas.record import encode_single_object
from schemas.registry import topic_schema

Row = Mapping[str, Any]
DEADLETTER = "fleet.deadletter"


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages that are encoded already: keys and values side by side."""

    topic: str
    keys: list[bytes]
    values: list[bytes]


class Outputs:
    """Rows by derived topic, in the order in which they came to be, and messages that were encoded by columns."""

    def __init__(self) -> None:
        self.rows: defaultdict[str, list[Row]] = defaultdict(list)
        self.messages: list[Messages] = []

    def add(self, topic: str, rows: Iterable[Row]) -> None:
        """Append rows of one topic; each has the fields of the topic's schema."""
        self.rows[topic].extend(rows)

    def merge(self, other: Outputs) -> None:
        """Append all of another collection."""
        for topic, rows in other.rows.items():
            self.rows[topic].extend(rows)
        self.messages += other.messages

    def __bool__(self) -> bool:
        return bool(self.messages) or any(self.rows.values())


async def send(producer: AIOKafkaProducer, outputs: Outputs, partition: int, timestamp_ms: int) -> int:
    """Encode and send; return how many records were acknowledged.

    Rows go to `partition`, the one that their agents live in, so that derived topics are partitioned as their sources
    are, or to the only one of a topic that has one; dead letters go where their key says, so that all who meet the same
    bad message write to the same partition.
    Raises `aiokafka.errors.KafkaError` when a batch was not acknowledged.
    """
    sent = 0
    for topic, rows in outputs.rows.items():
        schema = topic_schema(topic)
        home = 0 if TOPICS[topic].partitions == 1 else partition
        letters = len(await producer.partitions_for(topic)) if topic == DEADLETTER else 0
        records = []
        for row in rows:
            key = str(row["agent_id"]).encode()
            to = partition_of(key, letters) if letters else home
            records.append((to, key, encode_single_object(schema, row), timestamp_ms))
        sent += await send_records(producer, topic, records)
    for batch in outputs.messages:
        sent += await send_columns(producer, batch.topic, partition, batch.keys, batch.values, timestamp_ms)
    return sent
