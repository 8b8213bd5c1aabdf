"""Records of deliveries go out in batches; one that is refused is sent again under the same numbers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from aiokafka.errors import RequestTimedOutError

from infra.runtime.clock import ManualClock
from infra.runtime.kafka import AIOKafkaProducer
from schemas.record import decode_record
from schemas.registry import SchemaBook
from sinks.notify import deliveries
from sinks.notify.alert import Alert
from sinks.notify.deliveries import Outcome, Recorder
from sinks.notify.in_hand import Item

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Batch:
    def __init__(self) -> None:
        self.values: list[bytes] = []

    def append(self, *, key: bytes, value: bytes, timestamp: int) -> object:
        self.values.append(value)
        return object()

    def record_count(self) -> int:
        return len(self.values)


class Broker:
    """A producer in memory: acknowledges when it is let, refuses as often as it is told to."""

    def __init__(self, refusals: int = 0) -> None:
        self.batches: list[list[bytes]] = []
        self.came, self.let = asyncio.Event(), asyncio.Event()
        self._refusals = refusals

    async def partitions_for(self, topic: str) -> set[int]:
        return {0}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[object]:
        self.batches.append(batch.values)
        self.came.set()
        await self.let.wait()
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if self._refusals:
            self._refusals -= 1
            answer.set_exception(RequestTimedOutError())
        else:
            answer.set_result(None)
        return answer

    def numbers(self) -> list[list[int]]:
        book = SchemaBook("delivery")
        return [[decode_record(book, value)["seq"] for value in batch] for batch in self.batches]


def item(offset: int) -> Item:
    alert = Alert(f"{offset:032x}", 1, "firing", "cpu_high", "warning", "a", "s", NOW, None, None, None, {}, {})
    return Item(0, offset, 0, b"", replace(alert, oldest_source_timestamp=NOW))


def recorder(broker: Broker) -> Recorder:
    return Recorder(cast("AIOKafkaProducer", cast("Any", broker)), ManualClock())


async def test_what_comes_while_a_batch_is_under_way_is_the_next_one() -> None:
    broker = Broker()
    writing = recorder(broker)
    outcome = Outcome("ops", "webhook", "delivered")
    first = asyncio.create_task(writing.write([item(0)], outcome))
    await broker.came.wait()
    others = [asyncio.create_task(writing.write([item(n)], outcome)) for n in range(1, 5)]
    await asyncio.sleep(0)
    assert not first.done()
    broker.let.set()
    await asyncio.gather(first, *others)
    assert broker.numbers() == [[0], [1, 2, 3, 4]]


async def test_what_is_refused_is_sent_again_under_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "_PAUSE_S", 0.0)
    broker = Broker(refusals=2)
    broker.let.set()
    await recorder(broker).write([item(0), item(1)], Outcome("ops", "webhook", "delivered"))
    assert broker.numbers() == [[0, 1]] * 3


async def test_who_waits_when_it_stops_is_cancelled_and_not_told_that_it_is_written() -> None:
    broker = Broker()
    writing = recorder(broker)
    waiting = asyncio.create_task(writing.write([item(0)], Outcome("ops", "webhook", "delivered")))
    await broker.came.wait()
    await writing.stop()
    await writing.stop()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
