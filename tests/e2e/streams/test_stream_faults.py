"""Faults 11 to 13, 19, 22 and SIGKILL between the steps of a commit: nothing lost, nothing counted twice.

The oracle is `stream_world.rebuild`: state from the topics alone against snapshots plus what follows the committed
offsets. Crash points are those of `infra.runtime.crash` in `streams.app`.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from stream_world import PARTITIONS, Fleet, caught_up, create_topics, read_rows, rebuild, worker

from infra.broker.interface import Broker
from infra.runtime.kafka import producer
from schemas.catalogue import STREAMS_CHANGELOG

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]
BROKERS = ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)]
BrokerFactory = Callable[[str], Broker]


@pytest.fixture(params=BROKERS)
async def bootstrap(request: pytest.FixtureRequest, broker_factory: BrokerFactory) -> str:
    broker = broker_factory(request.param)
    await create_topics(broker.bootstrap)
    return broker.bootstrap


@pytest.fixture
async def tansu_bootstrap(broker_factory: BrokerFactory) -> str:
    broker = broker_factory("tansu")
    await create_topics(broker.bootstrap)
    return broker.bootstrap


async def assert_whole(bootstrap: str, fleet: Fleet, *, all_committed: bool = True) -> None:
    """The oracle over state, offsets, alerts and dead letters."""
    found = await rebuild(bootstrap)
    found.assert_equal()
    assert found.all_committed or not all_committed
    assert sum(found.ends.values()) == fleet.published + len(fleet.bad)
    await assert_alerts(bootstrap, fleet)
    letters = Counter((r["topic"], r["partition"], r["offset"]) for r in await read_rows(bootstrap, "fleet.deadletter"))
    assert letters.keys() == fleet.bad


async def assert_alerts(bootstrap: str, fleet: Fleet) -> None:
    """The cause that was injected fired, and doubles are the same firing by fingerprint and epoch."""
    signals = await read_rows(bootstrap, "fleet.signals")
    assert any(s["agent_id"] == fleet.name(0) and s["name"] == "trust_low" and s["kind"] == "firing" for s in signals)
    told: dict[tuple[str, str, str], set[int]] = {}
    for row in signals:
        if row["name"] == "trust_low":
            told.setdefault((row["fingerprint"], row["kind"], row["severity"]), set()).add(row["epoch"])
    assert {firing: epochs for firing, epochs in told.items() if len(epochs) != 1} == {}


async def _finish(bootstrap: str, folder: Path, fleet: Fleet) -> None:
    """A worker without faults takes over, catches up and stops cleanly."""
    async with worker(bootstrap, folder) as last:
        await last.ready()
        await caught_up(bootstrap, fleet)
        assert await last.stop() == 0, last.said()
    await assert_whole(bootstrap, fleet)


async def test_killed_again_and_again(bootstrap: str, tmp_path: Path) -> None:
    """11: SIGKILL at any moment, three times; after each the state can be recovered whole."""
    fleet = Fleet(bootstrap)
    for number in range(3):
        async with worker(bootstrap, tmp_path) as victim:
            await victim.ready()
            publishing = asyncio.create_task(fleet.publish(15, pause_s=0.05, poison=(None, b"", b"noise")))
            await asyncio.sleep(0.4 + 0.3 * number)
            await victim.kill()
            await publishing
    (await rebuild(bootstrap)).assert_equal()
    await _finish(bootstrap, tmp_path, fleet)


@pytest.mark.parametrize(
    "points",
    [
        ["before_apply:4", "before_finish:3"],  # outputs are there, the offset is not
        ["before_snapshots", "between_snapshots:2", "between_snapshots:9"],  # some buckets contain more than others
        ["before_commit", "before_commit:3"],  # all snapshots are there, the offset is not
    ],
    ids=lambda points: points[0].partition(":")[0],
)
async def test_killed_between_two_steps(tansu_bootstrap: str, tmp_path: Path, points: list[str]) -> None:
    fleet = Fleet(tansu_bootstrap)
    for point in points:
        async with worker(tansu_bootstrap, tmp_path, crash_at=point) as victim:
            publishing = asyncio.create_task(fleet.publish(30, pause_s=0.05, poison=(b"noise",)))
            assert await victim.died() == -signal.SIGKILL, victim.said()
            await publishing
        (await rebuild(tansu_bootstrap)).assert_equal()
    await _finish(tansu_bootstrap, tmp_path, fleet)


async def test_workers_join_and_leave_in_every_order(bootstrap: str, tmp_path: Path) -> None:
    """12: one, two, three workers under load; the first leaves cleanly, the second is killed, the third remains."""
    fleet = Fleet(bootstrap)
    async with (
        worker(bootstrap, tmp_path) as one,
        worker(bootstrap, tmp_path) as two,
    ):
        await asyncio.gather(one.ready(), two.ready())
        publishing = asyncio.create_task(fleet.publish(150, pause_s=0.1))
        async with worker(bootstrap, tmp_path) as three:
            await three.ready()
            assert await one.stop() == 0, one.said()
            async with worker(bootstrap, tmp_path) as four:
                await four.ready()
                await two.kill()
                await asyncio.sleep(1)
                assert await four.stop() == 0, four.said()
            await publishing
            await caught_up(bootstrap, fleet)
            assert await three.stop() == 0, three.said()
    await assert_whole(bootstrap, fleet)


async def test_more_workers_than_partitions(tansu_bootstrap: str, tmp_path: Path) -> None:
    """A worker without a partition is ready, idle, takes over when another dies, and stops cleanly."""
    fleet = Fleet(tansu_bootstrap)
    async with contextlib.AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(worker(tansu_bootstrap, tmp_path)) for _ in range(PARTITIONS + 1)]
        await asyncio.gather(*(w.ready() for w in workers))
        await fleet.publish(10)
        await caught_up(tansu_bootstrap, fleet)
        await workers[0].kill()
        await fleet.publish(10)
        await caught_up(tansu_bootstrap, fleet)
        assert await asyncio.gather(*(w.stop() for w in workers[1:])) == [0] * PARTITIONS
    await assert_whole(tansu_bootstrap, fleet)


async def test_a_storm_of_kills(tansu_bootstrap: str, tmp_path: Path) -> None:
    """13: SIGKILLs within a minute, as many as starting allows; at most three workers live at a time."""
    fleet = Fleet(tansu_bootstrap)
    kills = 0
    end = time.monotonic() + 45

    async def victims(delay_s: float) -> None:
        nonlocal kills
        await asyncio.sleep(delay_s)
        while time.monotonic() < end:
            async with worker(tansu_bootstrap, tmp_path) as victim:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(3.0 + delay_s):
                        await victim.ready()
                        await asyncio.sleep(0.5)
                await victim.kill()
                kills += 1

    publishing = asyncio.create_task(fleet.publish(150, pause_s=0.25))
    await asyncio.gather(*(victims(0.8 * number) for number in range(3)))
    await publishing
    assert kills >= 10
    (await rebuild(tansu_bootstrap)).assert_equal()
    await _finish(tansu_bootstrap, tmp_path, fleet)


@pytest.mark.parametrize("point", ["raise@before_apply:3", "raise@before_snapshots:2"])
async def test_an_error_in_the_work_ends_the_process(tansu_bootstrap: str, tmp_path: Path, point: str) -> None:
    """22: never alive and idle; nothing half done is written."""
    fleet = Fleet(tansu_bootstrap)
    async with worker(tansu_bootstrap, tmp_path, crash_at=point) as broken:
        await broken.ready()
        publishing = asyncio.create_task(fleet.publish(30, pause_s=0.05))
        assert await broken.died() not in {0, -signal.SIGKILL}
        assert "InjectedError" in broken.log.read_text()
        await publishing
    (await rebuild(tansu_bootstrap)).assert_equal()
    await _finish(tansu_bootstrap, tmp_path, fleet)


@pytest.mark.parametrize(
    ("key", "value"), [(b"0/1", b"garbage"), (b"no number", b"x"), (None, b"x")], ids=["value", "key", "null"]
)
async def test_an_unreadable_changelog_ends_the_process(
    tansu_bootstrap: str, tmp_path: Path, key: bytes | None, value: bytes
) -> None:
    """A record that is no snapshot: one clear line and an exit code, not a recovery that never ends."""
    client: AIOKafkaProducer = producer(tansu_bootstrap, idempotent=False)
    await client.start()
    await client.send_and_wait(STREAMS_CHANGELOG, value, key=key, partition=0)
    await client.stop()
    async with worker(tansu_bootstrap, tmp_path) as broken:
        assert await broken.died() == 2
        [line] = [line for line in broken.log.read_text().splitlines() if line.startswith("fleetpulse: ")]
        assert "changelog" in line
