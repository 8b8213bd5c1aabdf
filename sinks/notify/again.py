"""Tells a channel again and again what fires, for receivers that forget what is not repeated (Alertmanager)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import ConsumerRecord

from infra.runtime.logs import get_logger
from sinks.notify.alert import Alert
from sinks.notify.channel import DeliveryError, Notification
from sinks.notify.firing import Firing
from sinks.notify.in_hand import Item
from sinks.notify.membership import Membership
from sinks.notify.settings import ChannelSettings

Give = Callable[[Notification], Awaitable[tuple[DeliveryError | None, int | None]]]
Understand = Callable[[ConsumerRecord], Item | None]
_log = get_logger("notify")


class Again:
    """`give` tells, `understand` is the alert of a message if the channel is to hear of it."""

    def __init__(self, membership: Membership, settings: ChannelSettings, give: Give, understand: Understand) -> None:
        self._membership = membership
        self._settings = settings
        self._give = give
        self._understand = understand
        self._firing = Firing()
        self._learned: set[int] = set()

    def note(self, partition: int, alert: Alert) -> None:
        """Its state is known to the channel now, or nobody is to be told of it any more."""
        if self._settings.again_after_s is not None:
            self._firing.note(partition, alert)

    def forget(self, partition: int) -> None:
        """Another notifier tells of it now."""
        self._firing.forget(partition)
        self._learned.discard(partition)

    async def run(self, asked: asyncio.Event) -> None:
        """Until asked to stop; nothing for a channel that remembers. Failures are logged; only news is recorded."""
        every_s = self._settings.again_after_s
        while every_s is not None and not asked.is_set():
            await self._learn_what_fires()
            await self._tell()
            try:
                async with asyncio.timeout(every_s):
                    await asked.wait()
            except TimeoutError:
                continue

    async def _learn_what_fires(self) -> None:
        """Read what an earlier process, or another notifier, told of partitions that are new here."""
        new = {partition.partition for partition in self._membership.owned()} - self._learned
        self._learned |= new
        with self._firing.learning():
            async for partition, record in self._membership.past(new):
                item = self._understand(record)
                if item is not None and partition in self._learned:
                    self._firing.learn(partition, item.alert)

    async def _tell(self) -> None:
        alerts = self._firing.alerts()
        size = self._settings.alerts_per_message
        for first in range(0, len(alerts), size):
            error, _ = await self._give(Notification(alerts[first : first + size], "again"))
            if error is not None:
                _log.warning("what fires was not told again", channel=self._settings.name, error=str(error))
                return
