"""What no channel answers for: messages that are no alerts, and alerts for channels that do not exist."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from aiokafka import ConsumerRecord

from infra.runtime.logs import get_logger
from schemas.record import UndecodableError
from sinks.lake.dead_letters import DeadLetter
from sinks.notify.alert import AlertReader
from sinks.notify.deliveries import Outcome, Recorder
from sinks.notify.in_hand import Item
from sinks.notify.membership import Membership

_POLL_MS = 300
_BATCH_RECORDS = 500
_log = get_logger("notify")


class Journal:
    """Reads all alerts once more, in the group without a channel's name, and tells nobody."""

    def __init__(
        self, membership: Membership, recorder: Recorder, reader: AlertReader, channels: Collection[str]
    ) -> None:
        self._membership = membership
        self._recorder = recorder
        self._channels = frozenset(channels)
        self._reader = reader
        self.dead_letters = 0
        self.unknown = 0

    async def run(self, asked: asyncio.Event) -> None:
        """Until asked to stop. Raises `KafkaError` for what the client cannot mend itself."""
        while not asked.is_set():
            await self._membership.follow()
            polled = await self._membership.poll(_POLL_MS, _BATCH_RECORDS)
            for partition, records in polled.items():
                await self._read(partition.partition, records)
            await self._membership.commit()

    async def _read(self, partition: int, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            if self._membership.begin(partition, record.offset):
                await self._look_at(record)
                self._membership.end(partition, record.offset)

    async def _look_at(self, record: ConsumerRecord) -> None:
        try:
            alert = self._reader.read(record.value)
        except UndecodableError as error:
            await self._bury(record, error)
            return
        item = Item(record.partition, record.offset, record.timestamp, record.value, alert)
        for name in alert.receivers:
            if name not in self._channels:
                await self._miss(item, name)

    async def _bury(self, record: ConsumerRecord, error: UndecodableError) -> None:
        _log.warning("a message is no alert", partition=record.partition, offset=record.offset, error=str(error))
        place = (record.topic, record.partition, record.offset)
        await self._recorder.bury([DeadLetter(*place, record.timestamp, record.value, error.error, error.detail)])
        self.dead_letters += 1

    async def _miss(self, item: Item, name: str) -> None:
        _log.warning("an alert names a channel that does not exist", channel=name, alert=item.alert.name)
        await self._recorder.write([item], Outcome(name, "", "unknown_channel", error="there is no such channel"))
        self.unknown += 1
