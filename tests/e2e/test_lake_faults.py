"""Faults 28 to 31, 34, 38, 40 and zombies: the writer is killed where it hurts, and every event still lands once.

Crash points are those of `sinks.lake.crash`: the process kills itself with SIGKILL between two steps.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from lake_world import Source, assert_exactly_once, compact, create_catalogue, landed, landed_all, rows, until, writer

from infra.broker.interface import Broker
from sinks.lake.check import check_lake
from sinks.lake.naming import list_folders, list_names, visible_files
from sinks.lake.storage import POSITIONS

pytestmark = pytest.mark.fault
BROKERS = ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)]
BrokerFactory = Callable[[str], Broker]


@pytest.fixture(params=BROKERS)
async def bootstrap(request: pytest.FixtureRequest, broker_factory: BrokerFactory) -> str:
    broker = broker_factory(request.param)
    await create_catalogue(broker.bootstrap)
    return broker.bootstrap


async def _die_then_finish(bootstrap: str, lake: Path, points: list[str]) -> Source:
    """A writer dies at each point in turn while events come; one without a crash point finishes."""
    source = Source(bootstrap)
    for point in points:
        async with writer(bootstrap, lake, crash_at=point) as process:
            publishing = asyncio.create_task(source.publish(10, twice_every=9, bad_every=13))
            assert await process.died() == -signal.SIGKILL, process.log.read_text()[-2000:]
            await publishing
    async with writer(bootstrap, lake) as process:
        await process.ready()
        await source.publish(2)
        await landed_all(lake, source)
        await until(lambda: len(rows(lake, "deadletter")) >= source.bad, "the dead letters")
        assert await process.stop() == 0
    return source


@pytest.mark.parametrize(
    "points",
    [
        ["before_rename", "before_rename:2"],  # 28
        ["between_files", "between_files:3"],  # 29
        ["after_rename", "after_rename:2"],  # 30, 31: the files are already there when their records come again
        ["after_dead_letters", "after_rename", "before_checkpoint", "between_checkpoint_files"],
    ],
    ids=lambda points: points[0],
)
@pytest.mark.timeout(480)
async def test_killed_between_two_steps(bootstrap: str, tmp_path: Path, points: list[str]) -> None:
    lake = tmp_path / "lake"
    source = await _die_then_finish(bootstrap, lake, points)
    assert_exactly_once(lake, source)
    assert len(rows(lake, "deadletter")) == source.bad
    assert check_lake(lake)["problems"] == []


@pytest.mark.timeout(480)
async def test_partitions_move_while_files_are_open(bootstrap: str, tmp_path: Path) -> None:
    """34: a second writer joins under load, then the first is killed."""
    lake = tmp_path / "lake"
    source = Source(bootstrap)
    async with writer(bootstrap, lake, interval="1s") as first:
        await first.ready()
        publishing = asyncio.create_task(source.publish(200, twice_every=50))
        await until(lambda: bool(landed(lake)), "the first file")
        async with writer(bootstrap, lake, interval="1s") as second:
            shared = await second.ready()
            assert 0 < int(str(shared["partitions"])) < 26
            await source_moves(source, publishing)
            first.process.kill()
            await first.died()
            await source.publish(20)
            await landed_all(lake, source)
            assert await second.stop() == 0
    assert_exactly_once(lake, source)
    assert check_lake(lake)["problems"] == []


async def source_moves(source: Source, publishing: asyncio.Task[None]) -> None:
    await publishing
    await source.publish(20)


@pytest.mark.kafka
@pytest.mark.timeout(480)
async def test_a_zombie_names_no_file(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    """15, 39: stopped past its session while it holds a buffer, woken after another has written the same records."""
    bootstrap = broker_factory("kafka").bootstrap
    await create_catalogue(bootstrap)
    lake = tmp_path / "lake"
    source = Source(bootstrap)
    async with writer(bootstrap, lake, interval="3s") as zombie, writer(bootstrap, lake, interval="200ms") as heir:
        await asyncio.gather(zombie.ready(), heir.ready())
        await source.publish(5)
        zombie.process.send_signal(signal.SIGSTOP)
        await landed_all(lake, source)
        zombie.process.send_signal(signal.SIGCONT)
        await source.publish(5)
        await landed_all(lake, source)
        assert await zombie.stop() == 0
        assert await heir.stop() == 0
    assert_exactly_once(lake, source)
    assert check_lake(lake)["problems"] == []


@pytest.mark.timeout(480)
async def test_killed_in_compaction_while_others_read(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    """40: at each step every reader sees each event once."""
    bootstrap = broker_factory("tansu").bootstrap
    await create_catalogue(bootstrap)
    lake = tmp_path / "lake"
    source = Source(bootstrap)
    async with writer(bootstrap, lake, more=("--no-compact",)) as process:
        await process.ready()
        for _ in range(5):
            await source.publish(4, twice_every=9)
            await landed_all(lake, source)
        assert await process.stop() == 0
    points = [
        "compact_before_rename",
        "compact_after_rename",
        "compact_after_rename:3",
        "compact_between_removals",
        "compact_between_removals:3",
    ]
    for point in points:
        assert await compact(lake, crash_at=point) == -signal.SIGKILL
        assert_exactly_once(lake, source)
    assert await compact(lake) == 0
    assert_exactly_once(lake, source)
    names = [n for folder in list_folders(lake, "metrics") for n in list_names(lake, folder)]
    assert len(names) == len(visible_files(lake, "metrics")), "nothing that a compacted file stands for is left"
    async with writer(bootstrap, lake) as process:
        await process.ready()
        await source.publish(2)
        await landed_all(lake, source)
        assert await process.stop() == 0
    assert_exactly_once(lake, source)


@pytest.mark.timeout(480)
async def test_lost_or_stale_hints_lose_and_double_nothing(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    bootstrap = broker_factory("tansu").bootstrap
    await create_catalogue(bootstrap)
    lake = tmp_path / "lake"
    source = Source(bootstrap)
    async with writer(bootstrap, lake) as process:
        await process.ready()
        await source.publish(3)
        await landed_all(lake, source)
        await process.stop()
    stale = {path: path.read_bytes() for path in (lake / POSITIONS).iterdir()}
    for damage in ("stale", "gone", "garbage"):
        async with writer(bootstrap, lake) as process:
            await process.ready()
            await source.publish(3, twice_every=5)
            await landed_all(lake, source)
            await process.stop()
        assert_exactly_once(lake, source)
        for path in (lake / POSITIONS).iterdir():
            if damage == "gone":
                path.unlink()
            else:
                path.write_bytes(stale.get(path, b"") if damage == "stale" else b"\0garbage")
    async with writer(bootstrap, lake) as process:
        await process.ready()
        await source.publish(2)
        await landed_all(lake, source)
        await process.stop()
    assert_exactly_once(lake, source)


@pytest.mark.timeout(480)
async def test_a_broker_that_lost_its_memory_begins_a_new_epoch(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    broker = broker_factory("tansu")
    await create_catalogue(broker.bootstrap)
    lake = tmp_path / "lake"
    source = Source(broker.bootstrap)
    async with writer(broker.bootstrap, lake) as process:
        await process.ready()
        await source.publish(6)
        await landed_all(lake, source)
        await process.stop()
    await asyncio.to_thread(broker.restart)
    await create_catalogue(broker.bootstrap)
    async with writer(broker.bootstrap, lake) as process:
        await process.ready()
        await source.publish(2)
        await landed_all(lake, source)
        await process.stop()
        assert "another broker incarnation" in process.log.read_text()
    assert_exactly_once(lake, source)
    assert len(landed(lake)) == 8 * 20
