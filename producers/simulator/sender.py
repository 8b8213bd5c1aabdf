"""Whole batches to the broker, one in flight a partition, again until acknowledged; counts only what was acknowledged.

One pump a (topic, partition) takes what has gathered while its last batch was under way: batches grow when the broker
is slow, and the order of a session's events in a partition stays that of their numbers.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from numpy.typing import NDArray

from infra.runtime.logs import get_logger
from producers.simulator.wire import Shipment

I64 = NDArray[np.int64]
MAX_PENDING = 200_000
"""Messages that may wait for the broker; above it the generation waits."""
RETRY_PAUSE_S = 0.25
_log = get_logger("sender")


class Sender:
    """Ships to a started producer. `acknowledged` counts by topic, `session_counts` i8[sessions] by session.

    `room` is set while fewer than `MAX_PENDING` messages wait.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._waiting: defaultdict[tuple[str, int], deque[Shipment]] = defaultdict(deque)
        self._pumps: dict[tuple[str, int], asyncio.Task[None]] = {}
        self.room = asyncio.Event()
        self.room.set()
        self._gave_up = False
        self.pending = 0
        self.acknowledged: Counter[str] = Counter()
        self.retries = 0
        self.session_counts: I64 = np.zeros(1024, np.int64)
        self._since_s: dict[tuple[str, int], float] = {}

    def waited_s(self, topic: str, now_s: float) -> float:
        """For how long the oldest message of a topic has waited to be acknowledged, s; `now_s` by the loop's clock."""
        return max((now_s - since_s for place, since_s in self._since_s.items() if place[0] == topic), default=0.0)

    def submit(self, shipment: Shipment) -> None:
        """Queue a shipment. Callers wait for `room` between shipments."""
        place = (shipment.topic, shipment.partition)
        self._waiting[place].append(shipment)
        self._since_s.setdefault(place, asyncio.get_running_loop().time())
        self._count_pending(len(shipment.values))
        pump = self._pumps.get(place)
        if pump is None or pump.done():
            if pump is not None:
                pump.result()
            self._pumps[place] = asyncio.create_task(self._pump(place))

    async def drain(self, deadline_s: float) -> bool:
        """Wait until everything is acknowledged, at most `deadline_s`; then stop trying. Whether everything was."""
        pumps = [pump for pump in self._pumps.values() if not pump.done()]
        if pumps:
            await asyncio.wait(pumps, timeout=deadline_s)
        self._gave_up = True
        late = [pump for pump in self._pumps.values() if not pump.done()]
        for pump in late:
            pump.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for pump in self._pumps.values():
            if not pump.cancelled():
                pump.result()
        return self.pending == 0

    def _count_pending(self, change: int) -> None:
        self.pending += change
        if self.pending < MAX_PENDING:
            self.room.set()
        else:
            self.room.clear()

    async def _pump(self, place: tuple[str, int]) -> None:
        queue = self._waiting[place]
        while queue and not self._gave_up:
            builder, shipments, first_of_next = self._fill(queue)
            filled_s = asyncio.get_running_loop().time()
            if await self._send(place, builder):
                self._acknowledge(place[0], shipments)
                self._note_rest(place, filled_s, whole=first_of_next is None)
                if first_of_next is not None:
                    queue.appendleft(first_of_next)
            else:
                if first_of_next is not None:
                    queue.appendleft(first_of_next)
                queue.extendleft(reversed(shipments))
                await asyncio.sleep(RETRY_PAUSE_S)

    def _note_rest(self, place: tuple[str, int], filled_s: float, *, whole: bool) -> None:
        """What waits now came after the batch was filled, unless it did not hold all."""
        if whole and self._waiting[place]:
            self._since_s[place] = filled_s
        elif whole:
            self._since_s.pop(place, None)

    def _fill(self, queue: deque[Shipment]) -> tuple[BatchBuilder, list[Shipment], Shipment | None]:
        """A batch of as much as fits: the builder, what is in it, and the rest of a shipment that was split."""
        builder = self._producer.create_batch()
        taken: list[Shipment] = []
        while queue:
            shipment = queue.popleft()
            fitted = _append(builder, shipment)
            if fitted == len(shipment.values):
                taken.append(shipment)
                continue
            if fitted:
                taken.append(_cut(shipment, 0, fitted))
            return builder, taken, _cut(shipment, fitted, len(shipment.values))
        return builder, taken, None

    async def _send(self, place: tuple[str, int], builder: BatchBuilder) -> bool:
        try:
            await (await self._producer.send_batch(builder, place[0], partition=place[1]))
        except KafkaError as error:
            self.retries += 1
            _log.warning("batch not acknowledged, sending again", topic=place[0], partition=place[1], error=repr(error))
            return False
        return True

    def _acknowledge(self, topic: str, shipments: list[Shipment]) -> None:
        for shipment in shipments:
            top = int(shipment.sessions.max())
            if top >= self.session_counts.size:
                self.session_counts = np.concatenate((self.session_counts, np.zeros(top + 1, np.int64)))
            np.add.at(self.session_counts, shipment.sessions, 1)
            self.acknowledged[topic] += len(shipment.values)
            self._count_pending(-len(shipment.values))


def _append(builder: BatchBuilder, shipment: Shipment) -> int:
    """Put messages into the batch until it is full; how many went in."""
    append = builder.append
    for number, (key, value, timestamp_ms) in enumerate(
        zip(shipment.keys, shipment.values, shipment.timestamps_ms, strict=True)
    ):
        if append(key=key, value=value, timestamp=timestamp_ms) is None:
            return number
    return len(shipment.values)


def _cut(shipment: Shipment, start: int, end: int) -> Shipment:
    return Shipment(
        shipment.topic,
        shipment.partition,
        shipment.keys[start:end],
        shipment.values[start:end],
        shipment.timestamps_ms[start:end],
        shipment.sessions[start:end],
    )
