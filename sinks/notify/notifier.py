"""Consume fleet.alerts and deliver each alert at least once to every channel that is to hear of it.

Each channel is a lane with a consumer group of its own, `GROUP.CHANNEL`; the journal reads in `GROUP`. Notifiers
with the same group share the partitions of each lane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.errors import KafkaConnectionError

from infra.runtime.clock import Clock
from infra.runtime.kafka import SESSION_TIMEOUT_MS, AIOKafkaProducer, producer, supports_idempotence, unreachable
from sinks.lake import dead_letters
from sinks.notify import deliveries
from sinks.notify.alert import AlertReader
from sinks.notify.channel import Channel
from sinks.notify.deliveries import Recorder
from sinks.notify.journal import Journal
from sinks.notify.lane import Lane
from sinks.notify.membership import Membership
from sinks.notify.settings import ChannelSettings
from sinks.notify.statistics import Statistics

TOPIC = "fleet.alerts"
_FETCH_WAIT_MS, _FETCH_WAIT_TANSU_MS = 500, 50


@dataclass(frozen=True)
class NotifierConfig:
    """`start` is `latest` or `earliest`: where a group without offsets begins."""

    bootstrap: str
    group: str = "fleetpulse-notify"
    start: str = "latest"
    topic: str = TOPIC
    dead_letter_topic: str = dead_letters.TOPIC
    delivery_topic: str = deliveries.TOPIC
    old_after_s: float = 3_600.0
    session_timeout_ms: int = SESSION_TIMEOUT_MS


class Notifier:
    """All lanes of a process. `start`, `run`, `stop`; `start` and `stop` are idempotent."""

    def __init__(
        self, config: NotifierConfig, channels: Sequence[tuple[ChannelSettings, Channel]], clock: Clock
    ) -> None:
        self._config = config
        self._channels = channels
        self._clock = clock
        self._memberships: list[Membership] = []
        self._sender: AIOKafkaProducer | None = None
        self._recorder: Recorder | None = None
        self.lanes: dict[str, Lane] = {}
        self.journal: Journal | None = None

    @property
    def statistics(self) -> dict[str, Statistics]:
        """Counts by channel."""
        return {name: lane.statistics for name, lane in self.lanes.items()}

    async def start(self) -> None:
        """Join the groups, each with a committed beginning. Raises `BrokerUnreachableError`."""
        if self._sender is not None:
            return
        config = self._config
        recorder = Recorder(await self._producer(), self._clock, config.delivery_topic, config.dead_letter_topic)
        self._recorder = recorder
        # Tansu (no producer ids) does not answer a waiting fetch when something comes: so it is asked often.
        wait_ms = _FETCH_WAIT_MS if await supports_idempotence(config.bootstrap) else _FETCH_WAIT_TANSU_MS
        reader = AlertReader()
        for settings, channel in self._channels:
            self.lanes[settings.name] = Lane(
                self._membership(f"{config.group}.{settings.name}", wait_ms),
                channel,
                settings,
                recorder,
                self._clock,
                reader,
                old_after_s=config.old_after_s,
            )
        self.journal = Journal(self._membership(config.group, _FETCH_WAIT_MS), recorder, reader, list(self.lanes))
        async with asyncio.TaskGroup() as tasks:
            for membership in self._memberships:
                tasks.create_task(membership.start())

    async def _producer(self) -> AIOKafkaProducer:
        sender = producer(self._config.bootstrap, idempotent=False, linger_ms=0)
        try:
            await sender.start()
        except KafkaConnectionError as error:
            raise unreachable(self._config.bootstrap) from error
        self._sender = sender
        return sender

    def _membership(self, group: str, fetch_wait_ms: int) -> Membership:
        config = self._config
        made = Membership(
            config.bootstrap, group, config.topic, config.start, config.session_timeout_ms, fetch_wait_ms=fetch_wait_ms
        )
        self._memberships.append(made)
        return made

    async def run(self, asked_to_stop: asyncio.Event) -> None:
        """Deliver until asked to stop. Raises `ExceptionGroup` for what the client cannot mend itself."""
        assert self.journal is not None, "start() comes first"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.journal.run(asked_to_stop))
            for lane in self.lanes.values():
                tasks.create_task(lane.run(asked_to_stop))

    async def stop(self) -> None:
        """Leave the groups. What was not committed is delivered again by whoever takes over."""
        await asyncio.gather(*(membership.stop() for membership in self._memberships))
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            await recorder.stop()
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.stop()
        await asyncio.gather(*(channel.close() for _, channel in self._channels))
