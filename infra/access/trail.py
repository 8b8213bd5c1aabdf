"""The audit trail on its way to the broker: a task of its own, which disturbs nobody and forgets nothing.

    async with auditing(bootstrap, "fleetpulse:gateway:HOST-1") as trail:
        trail.record(AuditEvent("refused", status=401, address="203.0.113.7", detail="expired"))

What waits is sent under the same numbers until it is acknowledged: a row may come twice, the lake keeps one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from aiokafka.errors import KafkaError

from infra.access.audit import TOPIC, AuditEvent, AuditLog, Row
from infra.access.topic import partitions_of
from infra.runtime.batch_send import partition_of, send_records
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.errors import FleetpulseError
from infra.runtime.kafka import AIOKafkaProducer, producer
from infra.runtime.logs import get_logger

_BATCH = 500
_LOOK_S = 0.5
_AGAIN_S = 1.0
_REQUEST_MS = 5_000
_LAST_WITHIN_S = 3.0
_WRITTEN_WITHIN_S = 15.0
"""For who changes nothing that is not told: a broker that is busy for seconds is no reason to refuse."""
_log = get_logger("audit")


class AuditTrail:
    """Events in the name of `agent_id`. Without `run` it only keeps them, bounded, which is what tests look at."""

    def __init__(self, bootstrap: str, agent_id: str, clock: Clock | None = None, topic: str = TOPIC) -> None:
        self._clock = clock or SystemClock()
        self.log = AuditLog(agent_id, self._clock.now_s())
        self._bootstrap = bootstrap
        self._topic = topic
        self._producer: AIOKafkaProducer | None = None
        self._partition = 0
        self._unsent: list[Row] = []
        self._stopping = asyncio.Event()
        self._broken = False
        self.sent = 0
        """Events acknowledged so far."""

    @property
    def dropped(self) -> int:
        """Events that were not written because too many waited."""
        return self.log.dropped

    @property
    def waiting(self) -> int:
        """Events that the broker has not acknowledged."""
        return len(self.log.waiting) + len(self._unsent)

    def record(self, event: AuditEvent) -> None:
        """Have an event written; returns at once, raises nothing."""
        self.log.record(event, self._clock.now_s())

    async def run(self) -> None:
        """Send until `stop`, or until cancelled."""
        try:
            while not self._stopping.is_set():
                self.log.close_window(self._clock.now_s())
                await self._pause(_LOOK_S if await self._send_all() else _AGAIN_S)
            self.log.end(self._clock.now_s())
            await self._send_all()
        finally:
            if self._producer is not None:
                await self._producer.stop()

    def stop(self) -> None:
        """Let `run` send what waits, once, and return."""
        self._stopping.set()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _send_all(self) -> bool:
        """Send all that waits; False where the broker does not take it."""
        while self._unsent or (taken := self.log.take(_BATCH)):
            self._unsent = self._unsent or taken
            if not await self._send():
                return False
            self.sent += len(self._unsent)
            self._unsent = []
        return True

    async def _send(self) -> bool:
        key = self.log.agent_id.encode()
        try:
            ready = await self._connected()
            await send_records(
                ready, self._topic, [(self._partition, key, r.value, r.timestamp_ms) for r in self._unsent]
            )
        except (KafkaError, OSError, TimeoutError, FleetpulseError) as error:
            if not self._broken:
                _log.warning("audit trail cannot be written and is tried again, quietly", error=repr(error))
            self._broken = True
            return False
        if self._broken:
            _log.info("audit trail goes on", waiting=self.waiting, dropped=self.dropped)
        self._broken = False
        return True

    async def _connected(self) -> AIOKafkaProducer:
        """The producer, started. Raises `KafkaError`, `FleetpulseError`."""
        if self._producer is None:
            count = await partitions_of(self._bootstrap, self._topic)
            starting = producer(self._bootstrap, idempotent=False, request_timeout_ms=_REQUEST_MS)
            await starting.start()
            self._partition = partition_of(self.log.agent_id.encode(), count)
            self._producer = starting
        return self._producer


@contextlib.asynccontextmanager
async def auditing(
    bootstrap: str, agent_id: str, clock: Clock | None = None, topic: str = TOPIC, *, last_s: float | None = None
) -> AsyncIterator[AuditTrail]:
    """A trail that is sent while the block runs, and at its end for `last_s` more, three seconds by default."""
    trail = AuditTrail(bootstrap, agent_id, clock, topic)
    running = asyncio.create_task(trail.run(), name="audit-trail")
    try:
        yield trail
    finally:
        trail.stop()
        await asyncio.wait({running}, timeout=_LAST_WITHIN_S if last_s is None else last_s)
        running.cancel()
        await asyncio.wait({running})
        if trail.waiting or trail.dropped:
            _log.error("audit events are lost", waiting=trail.waiting, dropped=trail.dropped)
        if not running.cancelled() and (error := running.exception()) is not None:
            raise error


async def write_down(bootstrap: str, agent_id: str, events: Iterable[AuditEvent], clock: Clock | None = None) -> None:
    """Have events written and acknowledged, in the name of `agent_id`: for who changes nothing that is not told.

    Raises `FleetpulseError` where the trail cannot be written.
    """
    await partitions_of(bootstrap, TOPIC)
    async with auditing(bootstrap, agent_id, clock, last_s=_WRITTEN_WITHIN_S) as trail:
        for event in events:
            trail.record(event)
    if trail.waiting:
        raise FleetpulseError("nothing was changed: the audit trail could not be written", way_out="Try again")
