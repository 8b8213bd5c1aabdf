"""The alert manager on real brokers: signals in, alerts out, quickly, past bad messages, over restarts."""

from __future__ import annotations

import asyncio
import json
import os
import signal as signals_of_unix
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from manager_world import encoded, fingerprint, settings, signal

from infra.broker.interface import Broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.clock import SystemClock
from infra.runtime.errors import BrokerUnreachableError, TopicMismatchError
from infra.runtime.kafka import SESSION_TIMEOUT_MS, AIOKafkaProducer, consumer, producer
from infra.runtime.settings import load_settings
from schemas.record import decode_record
from schemas.registry import SchemaBook
from streams.manager.config import ManagerConfig
from streams.manager.service import AlertManager
from streams.manager.signals import command

Make = Callable[[str], Broker]


@pytest.fixture(params=["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
async def broker(request: pytest.FixtureRequest, broker_factory: Make) -> Broker:
    own = broker_factory(request.param)
    await provision(own.bootstrap, plan_topics(load_settings(partitions=2)))
    return own


@asynccontextmanager
async def sender(broker: Broker) -> AsyncIterator[AIOKafkaProducer]:
    client = producer(broker.bootstrap, idempotent=False, linger_ms=0)
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def publish(client: AIOKafkaProducer, values: Sequence[bytes]) -> None:
    for value in values:
        await client.send_and_wait("fleet.signals", value, key=b"k", partition=0)


def manager(broker: Broker, config: ManagerConfig | None = None) -> AlertManager:
    found = config or settings()
    # Tansu holds every join for half of it; Apache Kafka refuses less than its default.
    session_ms = 1_500 if broker.kind == "tansu" else SESSION_TIMEOUT_MS
    return AlertManager(broker.bootstrap, lambda: found, SystemClock(), session_ms)


@asynccontextmanager
async def running(one: AlertManager) -> AsyncIterator[AlertManager]:
    asked = asyncio.Event()
    try:
        await one.start()
        task = asyncio.create_task(one.run(asked))
        async with asyncio.timeout(30):
            await one.settled.wait()
        yield one
        asked.set()
        await task
    finally:
        await one.stop()


class Alerts:
    """Reads fleet.alerts from its beginning."""

    def __init__(self, broker: Broker) -> None:
        self._client = consumer(broker.bootstrap, "fleet.alerts", fetch_max_wait_ms=20)
        self._book = SchemaBook("alert")
        self.seen: list[dict[str, Any]] = []
        self.stamps: list[int] = []

    async def __aenter__(self) -> Alerts:
        await self._client.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.stop()

    async def until(self, enough: Callable[[list[dict[str, Any]]], bool], within_s: float = 30) -> list[dict[str, Any]]:
        async with asyncio.timeout(within_s):
            while not enough(self.seen):
                for records in (await self._client.getmany(timeout_ms=200)).values():
                    self.seen += [decode_record(self._book, record.value) for record in records]
                    self.stamps += [record.timestamp for record in records]
        return self.seen

    async def count(self, number: int) -> list[dict[str, Any]]:
        return await self.until(lambda seen: len(seen) >= number)


async def test_signals_become_alerts_over_restarts(broker: Broker) -> None:
    now_s = time.time()
    first, end = signal("firing", now_s), signal("resolved", now_s + 1, epoch=round(now_s * 1e6) // 1000)
    silenced = {"id": "s", "matchers": [["agent_id", "=", "quiet"]], "until_s": now_s + 3600}
    async with sender(broker) as client, Alerts(broker) as alerts:
        await publish(client, [encoded(first), b"no signal", command("silence", "ann", silenced)])
        async with running(manager(broker)) as one:
            await alerts.count(1)
            await publish(client, [encoded(signal("firing", now_s, "quiet"))])
            [began, quiet] = await alerts.count(2)
        assert (one.statistics.dead_letters, one.statistics.problems) == (1, 0)
        assert (began["cause"], began["suppressed_by"]) == ("began", None)
        assert quiet["suppressed_by"] == "silence:s"
        ack = command("acknowledge", "ann", {"fingerprint": fingerprint("a", "cpu_high")})
        await publish(client, [ack, encoded(end)])
        async with running(manager(broker)) as two:
            seen = await alerts.count(4)
            assert two.state is not None
            assert list(two.state.silences) == ["s"]
        assert [e["cause"] for e in seen[2:]] == ["acknowledged", "recovered"]
        assert two.statistics.signals == 2


async def test_latency_is_small_and_timers_fire_on_time(broker: Broker) -> None:
    routes = "routes: [{steps: [{after: 0s, channels: [chat]}, {after: 300ms, channels: [pager]}]}]"
    async with sender(broker) as client, Alerts(broker) as alerts, running(manager(broker, settings(routes))):
        waits = []
        for number in range(10):
            await publish(client, [encoded(signal("firing", time.time(), f"a{number}", f"name{number}"))])
            sent_s = time.perf_counter()
            await alerts.until(lambda seen, n=number: any(e["agent_id"] == f"a{n}" for e in seen))
            waits.append(time.perf_counter() - sent_s)
        seen = await alerts.count(20)
    assert sorted(waits)[5] < 0.2
    by_agent: dict[str, list[int]] = {}
    for event, stamp in zip(seen, alerts.stamps, strict=True):
        by_agent.setdefault(event["agent_id"], []).append(stamp)
    late_ms = sorted(stamps[1] - stamps[0] - 300 for stamps in by_agent.values())
    # The step counts from the signal's arrival, the first stamp from the alert's.
    assert late_ms[0] >= -1000 * max(waits)
    assert late_ms[5] < 300


@pytest.mark.parametrize("broker", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
async def test_a_second_one_stands_by_and_takes_over(broker: Broker) -> None:
    async with sender(broker) as client, Alerts(broker) as alerts:
        async with running(manager(broker)) as one:
            await publish(client, [encoded(signal("firing", time.time(), "x"))])
            await alerts.count(1)
            async with running(manager(broker)) as two:
                async with asyncio.timeout(30):
                    while (one.state is None) == (two.state is None):  # noqa: ASYNC110  # a state has no event
                        await asyncio.sleep(0.02)
                await publish(client, [encoded(signal("firing", time.time(), "y"))])
                await alerts.count(2)
        async with running(manager(broker)) as three:
            assert three.state is not None
            assert {alert.agent_id for alert in three.state.alerts.values()} == {"x", "y"}
    assert [e["agent_id"] for e in alerts.seen] == ["x", "y"]


async def test_topics_that_do_not_fit_are_one_error(broker_factory: Make) -> None:
    own = broker_factory("tansu")
    with pytest.raises(TopicMismatchError, match=r"fleet\.signals"):
        await manager(own).start()


async def test_no_broker_is_one_error(unused_tcp_port: int) -> None:
    with pytest.raises(BrokerUnreachableError, match=str(unused_tcp_port)):
        await AlertManager(f"127.0.0.1:{unused_tcp_port}", settings, SystemClock()).start()


async def test_the_command_is_ready_and_stops_cleanly(broker_factory: Make) -> None:
    own = broker_factory("tansu")
    await provision(own.bootstrap, plan_topics(load_settings(partitions=2)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from infra.cli.main import main; main()", "alert-manager", "--bootstrap", own.bootstrap,
        stdout=subprocess.PIPE, env=os.environ | {"FLEETPULSE_LOG_LEVEL": "warning"},
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(40):
        assert json.loads(await process.stdout.readline())["works"] is True
        process.send_signal(signals_of_unix.SIGTERM)
        assert await process.wait() == 0
