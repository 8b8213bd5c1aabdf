"""One topic's way to the broker: while one batch is on its way, what arrives collects into the next."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from infra.runtime.batch_send import partition_of, send_records
from producers.gateway.lot import Lot
from producers.sdk.link import BrokerAwayError, BrokerLink, TooLargeError, TopicRefusedError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

ROUND_ROWS = 1_000
"""Rows of a batch: to hand more over at once holds up the loop for longer than a millisecond or two."""
ROUND_BYTES = 1024 * 1024
_AGAIN_S = 0.05
_partition_of = lru_cache(maxsize=100_000)(partition_of)


class Undelivered(Exception):  # noqa: N818  # an answer to a client, not a fault
    """The rows were not acknowledged in time, or the broker does not take them. `final`: to try again is of no use."""

    def __init__(self, detail: str, *, final: bool = False) -> None:
        self.final = final
        super().__init__(detail)


class Lane:
    """Sends lots of one topic in the order in which they came. `settled(lot, acknowledged)` is called once a lot."""

    def __init__(self, topic: str, link: BrokerLink, collect_s: float, settled: Callable[[Lot, bool], None]) -> None:
        self.topic = topic
        self._link = link
        self._collect_s = collect_s
        self._settled = settled
        self._waiting: deque[Lot] = deque()
        self._wake = asyncio.Event()
        self.sending_since_s: float | None = None
        """Loop time since which the current batch has been waiting for its acknowledgement; None: none is."""

    def put(self, lot: Lot) -> None:
        """Queue a lot."""
        self._waiting.append(lot)
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled; then what waits is dropped, and counted."""
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(self._collect_s)
                while batch := self._take():
                    await self._send(batch)
                self._wake.clear()
        finally:
            while batch := self._take():
                self._drop(batch, "the gateway stops")

    def _take(self) -> list[Lot]:
        """The next lots, as many as fit a batch; at least one. Those whose client has given up are dropped."""
        taken: list[Lot] = []
        rows = size = 0
        while self._waiting:
            lot = self._waiting[0]
            if taken and (rows + len(lot.rows) > ROUND_ROWS or size + lot.size_bytes > ROUND_BYTES):
                break
            self._waiting.popleft()
            if lot.receipt.given_up:
                self._drop([lot], "not sent in time")
                continue
            taken.append(lot)
            rows, size = rows + len(lot.rows), size + lot.size_bytes
        return taken

    async def _send(self, lots: list[Lot]) -> None:
        self.sending_since_s = asyncio.get_running_loop().time()
        try:
            while lots:
                try:
                    await self._link.deliver(self.topic, _sender(self.topic, lots))
                except BrokerAwayError:
                    lots = await self._still_wanted(lots)
                except TopicRefusedError as error:
                    return self._drop(lots, f"the broker refuses {self.topic}: {error}"[:300])
                except TooLargeError as error:
                    return await self._send_apart(lots, error)
                else:
                    return self._acknowledged(lots)
        except asyncio.CancelledError:
            self._drop(lots, "the gateway stops")
            raise
        finally:
            self.sending_since_s = None

    async def _send_apart(self, lots: list[Lot], error: TooLargeError) -> None:
        if len(lots) == 1:
            return self._drop(lots, f"too large for the broker: {error}"[:300], final=True)
        for lot in lots:
            await self._send([lot])
        return None

    async def _still_wanted(self, lots: list[Lot]) -> list[Lot]:
        """Wait a little for the broker; those lots that a client still waits for."""
        if self._link.ready.is_set():
            await asyncio.sleep(_AGAIN_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_AGAIN_S):
                await self._link.ready.wait()
        self._drop([lot for lot in lots if lot.receipt.given_up], "not acknowledged in time")
        return [lot for lot in lots if not lot.receipt.given_up]

    def _acknowledged(self, lots: Sequence[Lot]) -> None:
        for lot in lots:
            lot.acknowledged()
            self._settled(lot, True)

    def _drop(self, lots: Sequence[Lot], why: str, *, final: bool = False) -> None:
        for lot in lots:
            lot.dropped(Undelivered(why, final=final))
            self._settled(lot, False)


def _sender(topic: str, lots: Sequence[Lot]) -> Callable[[AIOKafkaProducer, int], Awaitable[None]]:
    async def send(producer: AIOKafkaProducer, partitions: int) -> None:
        await send_records(
            producer,
            topic,
            (
                (_partition_of(row.key, partitions), row.key, row.value, row.timestamp_ms)
                for lot in lots
                for row in lot.rows
            ),
        )

    return send
