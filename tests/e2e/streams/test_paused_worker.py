"""Fault 15: a worker that was paused for longer than its session, and goes on, changes nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from stream_world import PARTITIONS, Fleet, caught_up, create_topics, read_topics, rebuild, worker

from infra.broker.interface import Broker
from infra.runtime.kafka import producer
from schemas.catalogue import STREAMS_CHANGELOG

pytestmark = [pytest.mark.fault, pytest.mark.timeout(480)]
BROKERS = ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)]


@pytest.fixture(params=BROKERS)
async def bootstrap(request: pytest.FixtureRequest, broker_factory: Callable[[str], Broker]) -> str:
    broker = broker_factory(request.param)
    await create_topics(broker.bootstrap)
    return broker.bootstrap


async def snapshots(bootstrap: str) -> list[tuple[int, bytes, bytes]]:
    """(partition, key, value) of what the changelog has kept."""
    records = await read_topics(bootstrap, STREAMS_CHANGELOG)
    latest = {(number, each.key): each.value for (_, number), some in records.items() for each in some}
    return [(number, key, raw) for (number, key), raw in latest.items() if raw is not None]


async def write(bootstrap: str, records: list[tuple[int, bytes, bytes]]) -> None:
    client = producer(bootstrap, idempotent=False)
    await client.start()
    try:
        for number, key, raw in records:
            await client.send_and_wait(STREAMS_CHANGELOG, raw, key=key, partition=number)
    finally:
        await client.stop()


async def test_snapshots_that_an_earlier_owner_writes_late_change_nothing(bootstrap: str, tmp_path: Path) -> None:
    """What it had at hand when it was paused, byte for byte, written after the next owner's."""
    fleet = Fleet(bootstrap)
    async with worker(bootstrap, tmp_path) as paused:
        await paused.ready()
        await fleet.publish(5)
        await caught_up(bootstrap, fleet)
        await paused.kill()
    late = await snapshots(bootstrap)
    assert len(late) >= PARTITIONS
    async with worker(bootstrap, tmp_path) as owner:
        await owner.ready()
        await fleet.publish(5)
        await caught_up(bootstrap, fleet)
        assert await owner.stop() == 0, owner.said()
    await write(bootstrap, late)
    (await rebuild(bootstrap)).assert_equal()

    async with worker(bootstrap, tmp_path) as last:
        await last.ready()
        await fleet.publish(5)
        await caught_up(bootstrap, fleet)
        assert await last.stop() == 0, last.said()
    (await rebuild(bootstrap)).assert_equal()


async def test_paused_past_its_session_and_continued(bootstrap: str, tmp_path: Path) -> None:
    """SIGSTOP while it works, SIGCONT once another has taken over and gone on; nothing is lost or counted twice."""
    fleet = Fleet(bootstrap)
    async with worker(bootstrap, tmp_path) as paused:
        await paused.ready()
        await fleet.publish(10, pause_s=0.1)
        paused.process.send_signal(signal.SIGSTOP)
        try:
            await fleet.publish(30)
            async with worker(bootstrap, tmp_path) as owner:
                await owner.ready()
                await caught_up(bootstrap, fleet)
                paused.process.send_signal(signal.SIGCONT)
                await fleet.publish(10, pause_s=0.1)
                await caught_up(bootstrap, fleet)
                assert await owner.stop() == 0, owner.said()
        finally:
            if paused.process.returncode is None:  # it may have gone on and ended by itself
                paused.process.send_signal(signal.SIGCONT)
        await fleet.publish(5)
        async with worker(bootstrap, tmp_path) as last:
            await last.ready()
            await caught_up(bootstrap, fleet)
            assert await last.stop() == 0, last.said()
        if paused.process.returncode is None:
            await paused.kill()
    found = await rebuild(bootstrap)
    found.assert_equal()
    assert sum(found.ends.values()) == fleet.published
