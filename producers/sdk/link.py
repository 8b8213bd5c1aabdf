"""The connection to the broker: connect with growing pauses, send, throw the producer away when it fails hard."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from aiokafka.errors import (
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from infra.runtime.batch_send import partition_of, send_records
from infra.runtime.errors import BrokerUnreachableError
from infra.runtime.kafka import producer, supports_idempotence
from producers.sdk.encode import Record
from producers.sdk.transport import BrokerAwayError, TooLargeError, TopicRefusedError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

_log = logging.getLogger("fleetpulse.sdk.link")
_FIRST_PAUSE_S = 0.1
_STOP_S = 1.0
_CONNECT_S = 15.0
_TOPIC_ERRORS = (UnknownTopicOrPartitionError, TopicAuthorizationFailedError, InvalidTopicError)

__all__ = ["BrokerAwayError", "BrokerLink", "LinkSettings", "TooLargeError", "TopicRefusedError"]


class LinkSettings(Protocol):
    """What a link needs to know; `producers.sdk.config.ReporterConfig` has it."""

    @property
    def bootstrap(self) -> str: ...
    @property
    def request_timeout_s(self) -> float: ...
    @property
    def slow_after_s(self) -> float: ...
    @property
    def retry_max_s(self) -> float: ...


class BrokerLink:
    """Keeps one producer connected.

    `ready` is set while sends may be tried. `away` is true from a failure, or a first attempt that takes longer than
    `slow_after_s`, until the broker answers again.
    """

    def __init__(self, config: LinkSettings, *, first_pause_s: float = _FIRST_PAUSE_S, tell_after: int = 1) -> None:
        """`first_pause_s`: after the first attempt that fails; it grows from there. `tell_after`: attempts that fail
        before the log says so.
        """
        self._config = config
        self._first_pause_s = first_pause_s
        self._tell_after = tell_after
        self._producer: AIOKafkaProducer | None = None
        self._idempotent: bool | None = None
        self._broken = asyncio.Event()
        self.away = False
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Connect, wait until a send reports a hard failure, discard the producer, connect again; until cancelled."""
        grace = asyncio.get_running_loop().call_later(self._config.slow_after_s, self._end_grace)
        try:
            while True:
                await self._connect()
                await self._broken.wait()
                await self._discard()
        finally:
            grace.cancel()
            await self._discard()

    def _end_grace(self) -> None:
        self.away = self.away or not self.ready.is_set()

    async def _connect(self) -> None:
        pause_s, failed = self._first_pause_s, 0
        while True:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    await self._start_producer()
            except (BrokerUnreachableError, KafkaError, OSError, TimeoutError) as error:
                await self._discard()
                self.away = True
                failed += 1
                if failed == self._tell_after:
                    _log.warning("no broker at %s, events wait: %r", self._config.bootstrap, error)
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, not a secret
                pause_s = min(pause_s * 2, self._config.retry_max_s)
                continue
            if failed >= self._tell_after:
                _log.warning("the broker at %s answers", self._config.bootstrap)
            self._broken.clear()
            self.away = False
            self.ready.set()
            return

    async def _start_producer(self) -> None:
        bootstrap = self._config.bootstrap
        if not self._idempotent:
            # Asked again after a "no": a broker that hung at the wrong moment looks like one that cannot.
            self._idempotent = await supports_idempotence(bootstrap)
        timeout_ms = int(self._config.request_timeout_s * 1000)
        self._producer = producer(bootstrap, idempotent=self._idempotent, request_timeout_ms=timeout_ms, linger_ms=0)
        await self._producer.start()

    async def _discard(self) -> None:
        """Drop the producer without waiting for what it still holds: that is in the spool or with its lane."""
        self.ready.clear()
        old, self._producer = self._producer, None
        if old is None:
            return
        # Private parts: stop() alone waits for batches that a broker which is away will never answer.
        _fail_batches(old)
        try:
            await _end(old._sender.sender_task)
        finally:  # also where the link is cancelled meanwhile
            try:
                async with asyncio.timeout(_STOP_S):
                    await old.stop()
            except (KafkaError, OSError, TimeoutError) as error:
                _log.info("the old producer did not stop cleanly: %r", error)

    async def send(self, topic: str, records: Sequence[Record]) -> None:
        """Send and wait until the broker has acknowledged all of `records`.

        Raises `BrokerAwayError` (the producer is rebuilt), `TopicRefusedError`, `TooLargeError`; then none of
        the records counts as acknowledged, and some may have arrived.
        """

        async def send(using: AIOKafkaProducer, partitions: int) -> None:
            by_key = {record.key: partition_of(record.key, partitions) for record in records}
            await send_records(using, topic, [(by_key[r.key], r.key, r.value, r.timestamp_ms) for r in records])

        await self.deliver(topic, send)

    async def deliver(self, topic: str, send: Callable[[AIOKafkaProducer, int], Awaitable[object]]) -> None:
        """`send(producer, partitions)`, which raises unless all was acknowledged, under the rules of `send`.

        Raises what `send` raises.
        """
        using = self._producer
        if using is None or not self.ready.is_set():
            raise BrokerAwayError("not connected")
        try:
            partitions = await self._partitions(using, topic)
            async with asyncio.timeout(self._config.request_timeout_s + _STOP_S):
                await send(using, partitions)
        except _TOPIC_ERRORS as error:
            raise TopicRefusedError(repr(error)) from error
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise TooLargeError(repr(error)) from error
        except (KafkaError, OSError, TimeoutError) as error:
            if self._producer is using:
                _log.info("a send to %s failed: %r", topic, error)
                self.ready.clear()
                self.away = True
                self._broken.set()
            raise BrokerAwayError(repr(error)) from error

    async def _partitions(self, using: AIOKafkaProducer, topic: str) -> int:
        """How many partitions a topic has. An unknown topic is the topic's fault only while the broker answers."""
        async with asyncio.timeout(self._config.request_timeout_s + 2 * _STOP_S):
            try:
                return len(await using.partitions_for(topic))
            except UnknownTopicOrPartitionError:
                if await using.client.force_metadata_update():
                    raise
                raise KafkaConnectionError from None


def _fail_batches(old: AIOKafkaProducer) -> None:
    """Have every batch that waits fail, and take note of it: a send that timed out no longer listens to its batches."""
    accumulator = old._message_accumulator
    batches = [
        *accumulator._pending_batches,
        *(batch for waiting in accumulator._batches.values() for batch in waiting),
    ]
    for batch in batches:
        for future in (batch.future, batch._drain_waiter):
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
    # One that goes back to the queue for a retry is not among the pending ones, yet is taken out of them at its end.
    accumulator._pending_batches.update(batches)
    accumulator.fail_all(ProducerClosed())


async def _end(task: asyncio.Task[None] | None) -> None:
    """Cancel a task to its end: aiokafka's takes the first cancellation as a wish to finish what is in flight."""
    for _ in range(2):
        if task is None or task.done():
            break
        task.cancel()
        await asyncio.wait({task}, timeout=_STOP_S / 4)
    if task is not None and task.done() and not task.cancelled() and (error := task.exception()) is not None:
        _log.info("the old producer had failed: %r", error)
