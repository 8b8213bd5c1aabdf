"""Publishes a component's heartbeats and metrics from the event loop of its own process.

A beat counts only from the process's own loop: a thread, or a process beside, would go on beating for a loop that hangs
(and a beat that others refresh hides a wedged agent). So a stopped process and a blocked loop end the beats, a loop
that turns without getting anything done shows by a progress that stands still.

It never disturbs: one task, one round of events in memory, sent again under the same numbers until they are
acknowledged, so a session has no holes; what cannot be sent is told once, and once when it goes again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version

from aiokafka.errors import KafkaError

from infra.health.component import Health, HealthStatus, MonitorableComponent
from infra.health.events import RESTARTS, Event, EventMaker
from infra.health.instance import claim_instance
from infra.health.pulse import pulsing
from infra.health.registry import health_of
from infra.runtime.batch_send import partition_of
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.errors import FleetpulseError
from infra.runtime.kafka import AIOKafkaProducer, partition_counts, producer
from infra.runtime.logs import get_logger
from infra.runtime.settings import Settings, load_settings

LOOK_S = 1.0
"""How often a component that tells no observer is asked for its health."""
_TOPICS = ("fleet.metrics", "fleet.heartbeats")
_REQUEST_MS = 5_000
_LAST_BEAT_WITHIN_S = 3.0
_CLOSE_WITHIN_S = 2.0
_log = get_logger("health")


class TopicsAbsentError(FleetpulseError):
    """The broker has no topics for heartbeats and metrics; to ask Tansu for one by name would create it."""


def _version() -> str:
    try:
        return version("fleetpulse")
    except PackageNotFoundError:
        return "unknown"


class Publisher:
    """Publishes one component as agent `fleetpulse:PROCESS:INSTANCE`."""

    def __init__(
        self,
        component: MonitorableComponent,
        bootstrap: str,
        agent_id: str,
        *,
        interval_s: float,
        restarts: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._component = component
        self._bootstrap = bootstrap
        self._clock = clock or SystemClock()
        self._interval_s = interval_s
        self._events = EventMaker(agent_id, socket.gethostname(), _version(), interval_s, self._clock.now_s())
        self._incarnation = {} if restarts is None else {RESTARTS: float(restarts)}
        self._producer: AIOKafkaProducer | None = None
        self._partitions: dict[str, int] = {}
        self._unsent: list[Event] = []
        self._said: HealthStatus | None = None
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._broken = False
        self.published = 0
        """Events acknowledged so far."""

    async def run(self) -> None:
        """Publish until `stop`. Raises nothing but cancellation: whatever else happens is logged, once."""
        self._component.add_observer(self._heard)
        try:
            await self._publish_until_stopped()
        except Exception as error:  # noqa: BLE001  # the process that is watched goes on whatever happens here
            _log.error("self-audit ended", error=repr(error))
        finally:
            self._component.remove_observer(self._heard)

    async def _publish_until_stopped(self) -> None:
        due_s = self._clock.monotonic_s()
        while not self._stopping:
            if self._clock.monotonic_s() >= due_s or health_of(self._component).status != self._said:
                was_waiting = bool(self._unsent)
                sent = await self._round()
                # What waited is old by now: the next round says how things are.
                due_s = self._clock.monotonic_s() + (0.0 if sent and was_waiting else self._interval_s)
            await self._wait(min(LOOK_S, max(due_s - self._clock.monotonic_s(), 0.0)))
        if not self._broken and await self._send_unsent():
            self._unsent = [self._beat(stopping=True)]
            await self._send_unsent()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    def _heard(self, name: str, health: Health) -> None:
        """The component's health changed; observers may be called in any thread."""
        del name, health  # it is asked anew
        self._loop.call_soon_threadsafe(self._wake.set)

    def _beat(self, *, stopping: bool = False) -> Event:
        health = health_of(self._component)
        self._said = health.status
        return self._events.beat(health, self._component.progress(), self._clock.now_s(), stopping=stopping)

    async def _round(self) -> bool:
        """Send what waits, or else a beat and metrics made now; whether it was acknowledged."""
        if not self._unsent:
            told = self._incarnation | dict(self._component.metrics())
            self._unsent = [self._events.metrics(told, self._clock.now_s()), self._beat()]
        return await self._send_unsent()

    async def _send_unsent(self) -> bool:
        try:
            ready = await self._connected()
            for event in self._unsent:
                partition = partition_of(event.key, self._partitions[event.topic])
                await ready.send_and_wait(
                    event.topic, event.value, key=event.key, partition=partition, timestamp_ms=event.timestamp_ms
                )
                self.published += 1
        except (KafkaError, OSError, TimeoutError, FleetpulseError) as error:
            self._note_failure(error)
            return False
        if self._broken:
            self._broken = False
            _log.info("self-audit goes on")
        self._unsent = []
        return True

    def _note_failure(self, error: BaseException) -> None:
        if not self._broken:
            self._broken = True
            _log.warning("self-audit cannot be published and is tried again, quietly", error=repr(error))
        self._said = health_of(self._component).status  # tried again at the next interval, not at every look

    async def _connected(self) -> AIOKafkaProducer:
        """The producer, started. Raises `KafkaError`, `FleetpulseError`."""
        if self._producer is None:
            counts = await partition_counts(self._bootstrap)
            if missing := [topic for topic in _TOPICS if topic not in counts]:
                raise TopicsAbsentError(f"the broker at {self._bootstrap} has no topic {', '.join(missing)}")
            starting = producer(self._bootstrap, idempotent=False, request_timeout_ms=_REQUEST_MS)
            await starting.start()
            self._partitions, self._producer = counts, starting
        return self._producer

    async def stop(self, running: asyncio.Task[None]) -> None:
        """Let `running`, the task of `run`, send the last beat, for a few seconds; then leave the broker."""
        self._stopping = True
        self._wake.set()
        await asyncio.wait({running}, timeout=_LAST_BEAT_WITHIN_S)
        running.cancel()
        await asyncio.wait({running})
        if self._producer is not None:
            closing = asyncio.create_task(self._producer.stop())
            await asyncio.wait({closing}, timeout=_CLOSE_WITHIN_S)
            if not closing.cancel() and closing.exception() is not None:
                _log.info("self-audit left without a goodbye", error=repr(closing.exception()))


@contextlib.asynccontextmanager
async def publishing(
    component: MonitorableComponent,
    bootstrap: str,
    *,
    process: str,
    instance: str | None = None,
    interval_s: float | None = None,
) -> AsyncIterator[None]:
    """Publish `component` as agent `fleetpulse:PROCESS:INSTANCE` while the block runs; see the package.

    Returns at once, also when no broker answers; nothing that happens to the publishing is raised in the block.
    `instance` is by default this host's name and the lowest number that no other such process has; `interval_s` the
    setting FLEETPULSE_SELF_AUDIT_INTERVAL_S, 5 s. Where FLEETPULSE_PULSE_FILE names a file, a sign of life is there.
    """
    settings = load_settings()
    async with contextlib.AsyncExitStack() as signs:
        if settings.pulse_file is not None:
            await signs.enter_async_context(pulsing(component, settings.pulse_file))
        if settings.self_audit:
            await signs.enter_async_context(_published(component, bootstrap, process, instance, interval_s, settings))
        yield


@contextlib.asynccontextmanager
async def _published(
    component: MonitorableComponent,
    bootstrap: str,
    process: str,
    instance: str | None,
    interval_s: float | None,
    settings: Settings,
) -> AsyncIterator[None]:
    claimed = claim_instance(process, bootstrap) if instance is None else None
    name = claimed.name if claimed is not None else instance
    every_s = settings.self_audit_interval_s if interval_s is None else interval_s
    publisher = Publisher(
        component, bootstrap, f"fleetpulse:{process}:{name}", interval_s=every_s, restarts=settings.restarts
    )
    running = asyncio.create_task(publisher.run(), name="self-audit")
    try:
        yield
    finally:
        try:
            await publisher.stop(running)
        finally:
            if claimed is not None:
                claimed.close()
