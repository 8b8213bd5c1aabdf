"""`fleetpulse stream-worker` on real brokers: bad messages, a clean stop, a restart, topics that do not match."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from stream_world import PARTITIONS, Fleet, caught_up, create_topics, event, read_rows, rebuild, worker

from infra.broker.interface import Broker
from infra.runtime.kafka import producer

BrokerFactory = Callable[[str], Broker]
GOOD = event("fleet.metrics", "somebody", 1_790_000_000.0, compliance_rate=1.0)
POISON = (
    None,  # 27: a tombstone; the others have null keys
    b"",
    b"noise",
    GOOD[:-5],  # 23
    GOOD + b"more",
    b"\xc3\x01" + b"\xaa" * 8 + GOOD[10:],  # 26: a schema that nobody knows
    b"\x00\x00\x00\x00\x63" + GOOD[10:],  # 26: the registry's id 99, and no registry
)


async def _whole_batch_of(bootstrap: str, fleet: Fleet, value: bytes, count: int) -> None:
    """25: nothing but bad messages, in one Kafka batch."""
    client = producer(bootstrap, idempotent=False)
    await client.start()
    builder = client.create_batch()
    for _ in range(count):
        builder.append(key=None, value=value, timestamp=None)
    sent = await (await client.send_batch(builder, "fleet.heartbeats", partition=0))
    await client.stop()
    fleet.bad |= {("fleet.heartbeats", 0, sent.offset + number) for number in range(count)}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["tansu", pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.fault])])
async def test_bad_messages_a_clean_stop_and_a_restart(
    broker_factory: BrokerFactory, tmp_path: Path, kind: str
) -> None:
    bootstrap = broker_factory(kind).bootstrap
    await create_topics(bootstrap)
    fleet = Fleet(bootstrap)
    await fleet.publish(5, poison=POISON)
    await _whole_batch_of(bootstrap, fleet, b"noise", 200)
    async with worker(bootstrap, tmp_path, commit_interval_s=600) as first:
        assert (await first.ready())["partitions"] == list(range(PARTITIONS))
        await fleet.publish(5, poison=POISON)  # 24
        # The commit is ten minutes away: what is committed and written below is the work of the stop.
        async with asyncio.timeout(240):
            while len(await read_rows(bootstrap, "fleet.deadletter")) < len(fleet.bad):
                pass
        begun_s = time.monotonic()
        assert await first.stop() == 0, first.said()
        assert time.monotonic() - begun_s < 120
    (await rebuild(bootstrap)).assert_equal()
    async with worker(bootstrap, tmp_path) as second:
        await second.ready()
        await fleet.publish(5)
        await caught_up(bootstrap, fleet)
        assert await second.stop() == 0, second.said()
    found = await rebuild(bootstrap)
    found.assert_equal()
    assert found.all_committed
    letters = Counter((r["topic"], r["partition"], r["offset"]) for r in await read_rows(bootstrap, "fleet.deadletter"))
    assert letters == Counter(dict.fromkeys(fleet.bad, 1))
    signals = await read_rows(bootstrap, "fleet.signals")
    assert [s for s in signals if s["name"] == "trust_low" and s["kind"] == "firing"]


@pytest.mark.kafka
async def test_topics_with_different_partitions_are_refused(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    """17: an agent's topics would be processed by different workers."""
    bootstrap = broker_factory("kafka").bootstrap
    await create_topics(bootstrap)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_partitions({"fleet.violations": NewPartitions(PARTITIONS + 1)})
    await admin.close()
    async with worker(bootstrap, tmp_path) as process:
        assert await process.died() == 2
        line = process.said().splitlines()[-1]  # the only one, unless the broker told of the fifth partition late
        assert "fleet.violations has 5" in line
        assert "FLEETPULSE_PARTITIONS" in line


async def test_missing_topics_are_refused(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    bootstrap = broker_factory("tansu").bootstrap
    async with worker(bootstrap, tmp_path) as process:
        assert await process.died() == 2
        [line] = process.said().splitlines()
        assert "fleetpulse topics create" in line
