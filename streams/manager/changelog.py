"""The manager's memory: the compacted topic ALERTS_CHANGELOG, one partition, JSON by key.

What one step changed goes out as one batch, the position last: a broker takes a batch whole or not at all. Only what is
larger than a batch is written in several; then a step may be decided on again on half of its own state, which finds its
alerts known and tells nobody twice, because its events were acknowledged before.

The log itself says whose word counts. Who takes over writes a claim first, under the key `owner`, and marks every
record of its own with that name; what another writes after the claim is not read. A writer looks whether the log has
grown behind its back before it says anything, and counts offsets when it has written: so it finds out that it was
replaced, or that one who was replaced wrote between, which the next claim repairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from infra.runtime.kafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, consumer
from schemas.catalogue import ALERTS_CHANGELOG

BATCH_BYTES = 4 * 1024 * 1024
PARTITION = TopicPartition(ALERTS_CHANGELOG, 0)
OWNER = "owner"
"""Key of a claim, and header of every record that says who wrote it."""
_POLL_MS = 300


class ReplacedError(Exception):
    """Somebody else wrote to the changelog since the claim."""


@dataclass
class Log:
    """The newest value of every key, and keys that one wrote whose word does not count: they hold what is not true."""

    records: dict[str, bytes] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)
    _owner: str | None = None

    def take(self, key: str, value: bytes | None, owner: str) -> None:
        """One record, in the order of the log; `owner` is empty where nobody put a name."""
        if key == OWNER:
            self._owner = owner
        elif self._owner is not None and owner != self._owner:
            self.spoilt.add(key)
        elif value is None:
            self.records.pop(key, None)
            self.spoilt.discard(key)
        else:
            self.records[key] = value
            self.spoilt.discard(key)


class Writer:
    """Writes as `owner`, a name that nobody had before; `claim` comes first.

    `looker` should have nothing else to do: a broker answers one connection in order, and a waiting fetch would hold up
    every look.
    """

    def __init__(self, producer: AIOKafkaProducer, looker: AIOKafkaConsumer, owner: str) -> None:
        self._producer = producer
        self._looker = looker
        self._owner = owner
        self._end: int | None = None

    async def claim(self, now_ms: int) -> None:
        """From here on only this writer's word counts. Raises `KafkaError`."""
        self._end = None
        await self.write([(OWNER, b"{}")], now_ms)

    async def check(self) -> None:
        """Raises `ReplacedError` when the log has grown since this one wrote, `KafkaError`."""
        end = (await self._looker.end_offsets([PARTITION]))[PARTITION]
        if self._end is None or end > self._end:
            raise ReplacedError(f"the changelog ends at {end}, not at {self._end}")

    async def write(self, records: Iterable[tuple[str, bytes | None]], now_ms: int) -> None:
        """Write records in their order and wait for the acknowledgement. Raises `KafkaError`, `ReplacedError`."""
        headers = [(OWNER, self._owner.encode())]
        builder = self._producer.create_batch()
        for key, value in records:
            if builder.append(key=key.encode(), value=value, timestamp=now_ms, headers=headers) is None:
                await self._send(builder)
                builder = self._producer.create_batch()
                builder.append(key=key.encode(), value=value, timestamp=now_ms, headers=headers)
        if builder.record_count():
            await self._send(builder)

    async def _send(self, builder: object) -> None:
        count: int = builder.record_count()  # type: ignore[attr-defined]  # aiokafka ships no usable types
        begin: int = (await (await self._producer.send_batch(builder, ALERTS_CHANGELOG, partition=0))).offset
        expected, self._end = self._end, begin + count
        if expected is not None and begin != expected:
            raise ReplacedError(f"written at {begin} of the changelog, not at {expected}")


async def read_log(bootstrap: str) -> Log:
    """All that the changelog says. Raises `KafkaError`.

    Up to where the log ends when this begins: beside a manager at work it never falls quiet. Tansu reports the base
    offset of the last batch + 1 as the end; a fetch gives whole batches, so none is left half read.
    """
    reader = consumer(bootstrap)
    found = Log()
    await reader.start()
    try:
        reader.assign([PARTITION])
        await reader.seek_to_beginning(PARTITION)
        end = (await reader.end_offsets([PARTITION]))[PARTITION]
        while await reader.position(PARTITION) < end:
            polled = await reader.getmany(PARTITION, timeout_ms=_POLL_MS)
            for record in polled.get(PARTITION, ()):
                owner = dict(record.headers).get(OWNER, b"").decode()
                found.take((record.key or b"").decode(), record.value, owner)
        return found
    finally:
        await reader.stop()


async def read(bootstrap: str) -> dict[str, bytes]:
    """The newest value of every key, without tombstones. Raises `KafkaError`."""
    return (await read_log(bootstrap)).records
