"""The alert manager's changelog on both brokers: whose word counts, and who finds out that it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from manager_processes import create_topics, sender

from infra.broker.interface import Broker
from infra.runtime.kafka import consumer
from streams.manager import changelog
from streams.manager.changelog import Log, ReplacedError, Writer

Make = Callable[[str], Broker]
Write = Callable[[str], Writer]


@pytest.fixture(params=["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
async def broker(request: pytest.FixtureRequest, broker_factory: Make) -> Broker:
    own = broker_factory(request.param)
    await create_topics(own)
    return own


@asynccontextmanager
async def writers(broker: Broker) -> AsyncIterator[Write]:
    """Makes writers by name."""
    async with sender(broker) as client:
        looker = consumer(broker.bootstrap)
        await looker.start()
        try:
            yield lambda name: Writer(client, looker, name)
        finally:
            await looker.stop()


async def test_who_was_replaced_finds_out_and_its_word_does_not_count(broker: Broker) -> None:
    async with writers(broker) as writer:
        first, second, third = writer("first"), writer("second"), writer("third")
        await first.claim(1)
        await first.write([("a/1", b"1"), ("a/2", b"1"), ("a/3", b"1")], 1)
        await first.check()
        await second.claim(2)
        await second.write([("a/1", b"2"), ("a/2", None)], 2)
        await second.check()
        with pytest.raises(ReplacedError):
            await first.check()
        with pytest.raises(ReplacedError):
            await first.write([("a/1", b"stale"), ("a/4", b"stale")], 3)
        with pytest.raises(ReplacedError):
            await second.write([("a/5", b"2")], 3)
        found = await changelog.read_log(broker.bootstrap)
        assert found.records == {"a/1": b"2", "a/3": b"1", "a/5": b"2"}
        assert found.spoilt == {"a/1", "a/4"}
        await third.claim(4)
        await third.write([("a/1", b"2"), ("a/4", None)], 4)
        await third.check()
        healed = await changelog.read_log(broker.bootstrap)
    assert healed.records == found.records
    assert not healed.spoilt
    assert await changelog.read(broker.bootstrap) == healed.records


async def test_more_than_a_batch_is_several_of_the_same_writer(broker: Broker) -> None:
    async with writers(broker) as writer:
        one = writer("one")
        await one.claim(1)
        records = [(f"a/{number}", b"x" * 100_000) for number in range(12)]
        await one.write(records, 1)
        await one.check()
    assert await changelog.read(broker.bootstrap) == dict(records)


def test_records_from_before_there_were_claims_count() -> None:
    log = Log()
    log.take("a/1", b"old", "")
    log.take("owner", b"{}", "new")
    log.take("a/2", b"stale", "")
    assert (log.records, log.spoilt) == ({"a/1": b"old"}, {"a/2"})
