"""Consume fleet.alerts and deliver each alert at least once, in the order of its partition.

1. Poll. A message that cannot be read goes to fleet.deadletter and counts as done.
2. Deliver one by one. A failure stops its partition: the position goes back to the failed alert and the partition rests
   for a growing pause. Polling goes on meanwhile, so the group does not take a notifier with a slow receiver for dead.
3. Commit what was delivered, and only that.

A group without an offset commits where it begins before it is ready: alerts that come while a new notifier is down are
delivered when it is back, also with `latest`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import ConsumerRecord
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError, KafkaError

from infra.runtime.clock import Clock
from infra.runtime.kafka import (
    SESSION_TIMEOUT_MS,
    AIOKafkaConsumer,
    AIOKafkaProducer,
    TopicPartition,
    consumer,
    producer,
    unreachable,
)
from infra.runtime.logs import get_logger
from schemas.record import UndecodableError, decode_record
from schemas.registry import SchemaBook
from sinks.lake import dead_letters
from sinks.notify.alert import from_record
from sinks.notify.channel import Channel

TOPIC = "fleet.alerts"
_POLL_MS = 300
_BATCH_RECORDS = 100
_log = get_logger("notify")


@dataclass(frozen=True)
class NotifierConfig:
    """`start` is `latest` or `earliest`: where a group without offsets begins. Pauses double with each failure."""

    bootstrap: str
    group: str = "fleetpulse-notify"
    start: str = "latest"
    topic: str = TOPIC
    dead_letter_topic: str = dead_letters.TOPIC
    first_pause_s: float = 0.5
    longest_pause_s: float = 60.0
    session_timeout_ms: int = SESSION_TIMEOUT_MS

    def pause_s(self, failures: int) -> float:
        """How long a partition rests after its n-th failure in a row, n from 1."""
        return float(min(self.longest_pause_s, self.first_pause_s * 2 ** min(failures - 1, 30)))


@dataclass
class Statistics:
    """Counts since the start."""

    delivered: int = 0
    failed: int = 0
    dead_letters: int = 0


@dataclass
class _Rest:
    """A partition that waits after failures; `until_s` by the monotonic clock."""

    failures: int = 0
    until_s: float = 0.0


class Notifier:
    """One consumer of a group, with one channel. `start`, `run`, `stop`; `start` and `stop` are idempotent."""

    def __init__(self, config: NotifierConfig, channel: Channel, clock: Clock) -> None:
        self._config = config
        self._channel = channel
        self._clock = clock
        self._book = SchemaBook("alert")
        self._consumer: AIOKafkaConsumer | None = None
        self._letters: AIOKafkaProducer | None = None
        self._rests: dict[TopicPartition, _Rest] = {}
        self._begun: set[TopicPartition] = set()
        self.statistics = Statistics()

    async def start(self) -> None:
        """Join the group and have a committed beginning. Raises `BrokerUnreachableError`."""
        if self._consumer is not None:
            return
        config = self._config
        joined = consumer(
            config.bootstrap,
            config.topic,
            group_id=config.group,
            auto_offset_reset=config.start,
            metadata_max_age_ms=10_000,
            session_timeout_ms=config.session_timeout_ms,
        )
        try:
            await joined.start()
        except KafkaConnectionError as error:
            await joined.stop()
            raise unreachable(config.bootstrap) from error
        except BaseException:
            await joined.stop()
            raise
        self._consumer = joined
        await self._commit_beginnings(joined)

    async def stop(self) -> None:
        """Leave the group. What was not committed is delivered again by whoever takes over."""
        joined, self._consumer = self._consumer, None
        letters, self._letters = self._letters, None
        for client in (joined, letters):
            if client is not None:
                await client.stop()

    async def run(self, asked_to_stop: asyncio.Event) -> None:
        """Deliver until asked to stop. Raises `KafkaError` for what the client cannot mend itself."""
        while not asked_to_stop.is_set():
            await self.step(asked_to_stop)

    async def step(self, asked_to_stop: asyncio.Event) -> None:
        """One poll and what it brought."""
        joined = self._consumer
        assert joined is not None, "start() comes first"
        await self._commit_beginnings(joined)
        self._wake(joined)
        polled = await joined.getmany(timeout_ms=_POLL_MS, max_records=_BATCH_RECORDS)
        for partition, records in polled.items():
            if asked_to_stop.is_set():
                return
            done = await self._deliver_in_order(joined, partition, records)
            if done:
                await self._commit(joined, {partition: records[done - 1].offset + 1})

    async def _commit_beginnings(self, joined: AIOKafkaConsumer) -> None:
        """Commit the position of partitions that the group never committed, once each."""
        for partition in joined.assignment() - self._begun:
            with contextlib.suppress(IllegalStateError):  # taken away meanwhile: the next owner does it
                if await joined.committed(partition) is None:
                    await self._commit(joined, {partition: await joined.position(partition)})
                self._begun.add(partition)

    async def _commit(self, joined: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        try:
            await joined.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            _log.warning("an offset was not committed, its alerts may come twice", error=repr(error))

    def _wake(self, joined: AIOKafkaConsumer) -> None:
        assigned = joined.assignment()
        for partition in list(self._rests):
            if partition not in assigned:
                del self._rests[partition]
            elif self._rests[partition].until_s <= self._clock.monotonic_s():
                joined.resume(partition)

    async def _deliver_in_order(
        self, joined: AIOKafkaConsumer, partition: TopicPartition, records: Iterable[ConsumerRecord]
    ) -> int:
        """Deliver until the first failure; how many were done."""
        done = 0
        for record in records:
            try:
                await self._handle(record)
            except Exception as error:  # noqa: BLE001  # a channel may raise what it likes; it is logged and tried again
                self._rest(joined, partition, record, error)
                break
            self._rests.pop(partition, None)
            done += 1
        return done

    def _rest(
        self, joined: AIOKafkaConsumer, partition: TopicPartition, record: ConsumerRecord, error: Exception
    ) -> None:
        self.statistics.failed += 1
        rest = self._rests.setdefault(partition, _Rest())
        rest.failures += 1
        pause_s = self._config.pause_s(rest.failures)
        rest.until_s = self._clock.monotonic_s() + pause_s
        _log.warning(
            "an alert was not delivered and will be tried again",
            channel=self._channel.name,
            partition=partition.partition,
            offset=record.offset,
            failures=rest.failures,
            pause_s=pause_s,
            error=repr(error),
        )
        with contextlib.suppress(IllegalStateError):  # taken away meanwhile: the next owner begins at the commit
            joined.seek(partition, record.offset)
            joined.pause(partition)

    async def _handle(self, record: ConsumerRecord) -> None:
        try:
            alert = from_record(decode_record(self._book, record.value))
        except UndecodableError as error:
            await self._bury(record, error)
            return
        await self._channel.deliver(alert)
        self.statistics.delivered += 1

    async def _bury(self, record: ConsumerRecord, error: UndecodableError) -> None:
        """Write a dead letter and have it acknowledged. Raises `KafkaError`."""
        _log.warning("a message is no alert", partition=record.partition, offset=record.offset, error=str(error))
        letter = dead_letters.DeadLetter(
            record.topic, record.partition, record.offset, record.timestamp, record.value, error.error, error.detail
        )
        [(key, value)] = dead_letters.encode([letter])
        sender = await self._letter_producer()
        await sender.send_and_wait(self._config.dead_letter_topic, value, key=key, timestamp_ms=record.timestamp)
        self.statistics.dead_letters += 1

    async def _letter_producer(self) -> AIOKafkaProducer:
        if self._letters is None:
            sender = producer(self._config.bootstrap, idempotent=False)
            try:
                await sender.start()
            except KafkaError:
                await sender.stop()
                raise
            self._letters = sender
        return self._letters
