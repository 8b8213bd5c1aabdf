"""Requests without a broker: bounded, given up in time, every number counted."""

from __future__ import annotations

import asyncio

import pytest

from producers.gateway.publisher import Parcel, Publisher, PublisherConfig, Unavailable
from producers.gateway.sessions import Session
from producers.sdk.encode import Record

MOST_BYTES = 10_000


def publisher_of() -> Publisher:
    """Nobody answers at its address; it thinks that it is connected."""
    limits = PublisherConfig("127.0.0.1:1", give_up_s=0.3, stalled_after_s=60, max_waiting_bytes=MOST_BYTES)
    publisher = Publisher(limits)
    publisher.link.ready.set()
    return publisher


def parcel_of(session: Session, rows: int = 1) -> Parcel:
    first = session.take(rows)
    return Parcel("fleet.logs", [Record(b"a", bytes(1_000), 1, first + n) for n in range(rows)], [session] * rows)


async def burst(publisher: Publisher, session: Session, taken: list[asyncio.Task[None]]) -> None:
    """A hundred requests at once; those that were let in are added to `taken`."""
    for _ in range(100):
        publisher.admit()
        taken.append(asyncio.create_task(publisher.publish([parcel_of(session)])))
        await asyncio.sleep(0)


async def test_a_burst_is_refused_once_memory_is_taken_and_then_given_up() -> None:
    publisher, session = publisher_of(), Session("gw-1/a", "a")
    taken: list[asyncio.Task[None]] = []
    with pytest.raises(Unavailable, match="memory") as refused:
        await burst(publisher, session, taken)
    assert refused.value.retry_after_s >= 1
    assert len(taken) < 2 * MOST_BYTES / 1_000
    answers = await asyncio.gather(*taken, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}
    assert await publisher.drain(60)
    assert (session.acknowledged, session.dropped, session.issued) == (0, len(taken), len(taken))
    assert publisher.dropped_rows == len(taken)


async def test_a_batch_that_takes_long_means_that_the_broker_is_away() -> None:
    publisher = Publisher(PublisherConfig("127.0.0.1:1", give_up_s=200, stalled_after_s=0.05))
    publisher.link.ready.set()
    waiting = asyncio.create_task(publisher.publish([parcel_of(Session("gw-1/a", "a"))]))
    async with asyncio.timeout(60):
        while publisher.trouble() is None:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.01)
    assert publisher.trouble() == "the broker does not acknowledge"
    waiting.cancel()
    assert await publisher.drain(60)


async def test_a_client_that_goes_leaves_nothing_behind() -> None:
    publisher, session = publisher_of(), Session("gw-1/a", "a")
    waiting = asyncio.create_task(publisher.publish([parcel_of(session, rows=2_500)]))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await publisher.drain(60)
    assert session.dropped == 2_500
    assert publisher.waiting_bytes == 0
