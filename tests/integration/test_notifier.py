"""The notifier on real brokers: at least once, in order, from the right beginning, past bad messages."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from infra.broker.interface import Broker
from infra.provisioning.plan import TopicPlan
from infra.provisioning.topics import provision
from infra.runtime.clock import SystemClock
from infra.runtime.errors import BrokerUnreachableError
from infra.runtime.kafka import SESSION_TIMEOUT_MS, consumer, producer
from schemas.record import decode_record, encode_single_object
from schemas.registry import SchemaBook, topic_schema
from sinks.notify.channel import Notification
from sinks.notify.notifier import Notifier, NotifierConfig
from sinks.notify.settings import ConsoleSettings, Retry

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def alert_bytes(number: int) -> bytes:
    record = {
        "event_id": number.to_bytes(16, "big"), "agent_id": "a", "user_id": "", "timestamp": NOW, "session_id": "s",
        "seq": number,
        "fingerprint": f"{number:032x}", "epoch": 1, "state": "firing", "name": "trust_low", "severity": "warning",
        "summary": str(number), "starts_at": NOW, "oldest_source_timestamp": NOW, "labels": [], "evidence": [],
    }  # fmt: skip
    return encode_single_object(topic_schema("fleet.alerts"), record)


async def publish(bootstrap: str, topic: str, values: Sequence[bytes]) -> None:
    sender = producer(bootstrap, idempotent=False)
    await sender.start()
    try:
        for value in values:
            await sender.send_and_wait(topic, value, key=b"a", partition=0)
    finally:
        await sender.stop()


class Recorder:
    """A channel that remembers, and fails as often as it is told to."""

    name = "recorder"
    kind = "console"

    def __init__(self, failures: int = 0, accepts: int = 0) -> None:
        self.seen: list[int] = []
        self._failures = failures
        self._accepts = accepts
        self._changed = asyncio.Condition()

    async def deliver(self, notification: Notification) -> int | None:
        if self._failures and len(self.seen) >= self._accepts:
            self._failures -= 1
            raise ConnectionError("the receiver is away")
        async with self._changed:
            self.seen += [int(alert.summary) for alert in notification.alerts]
            self._changed.notify_all()
        return None

    async def close(self) -> None:
        pass

    async def wait_for(self, count: int) -> list[int]:
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: len(self.seen) >= count)
        return self.seen


@asynccontextmanager
async def running(config: NotifierConfig, channel: Recorder) -> AsyncIterator[Notifier]:
    settings = ConsoleSettings(
        name="recorder", kind="console", retry=Retry(first_s=0.05, longest_s=0.2), alerts_per_message=1
    )
    notifier, asked = Notifier(config, [(settings, channel)], SystemClock()), asyncio.Event()
    try:
        await notifier.start()
        task = asyncio.create_task(notifier.run(asked))
        yield notifier
        asked.set()
        await task
    finally:
        await notifier.stop()


@pytest.fixture
async def config(any_broker: Broker, fresh_topics: Callable[..., Awaitable[list[str]]]) -> NotifierConfig:
    alerts, letters, deliveries = await fresh_topics(any_broker, "alerts", "deadletter", "deliveries", partitions=2)
    return NotifierConfig(
        any_broker.bootstrap,
        f"group-{uuid4().hex}",
        "earliest",
        alerts,
        letters,
        deliveries,
        # Tansu holds every join for half of it; Apache Kafka refuses less than its default.
        session_timeout_ms=4_000 if any_broker.kind == "tansu" else SESSION_TIMEOUT_MS,
    )


async def test_failures_are_tried_again_in_order(config: NotifierConfig) -> None:
    await publish(config.bootstrap, config.topic, [alert_bytes(n) for n in range(5)])
    channel = Recorder(failures=3)
    async with running(config, channel) as notifier:
        assert await channel.wait_for(5) == [0, 1, 2, 3, 4]
    counts = notifier.statistics["recorder"]
    assert (counts.delivered, counts.failed) == (5, 3)


async def test_a_bad_message_becomes_a_dead_letter_and_the_next_alert_comes(config: NotifierConfig) -> None:
    await publish(config.bootstrap, config.topic, [alert_bytes(0), b"no alert", alert_bytes(2)])
    channel = Recorder()
    async with running(config, channel) as notifier:
        assert await channel.wait_for(2) == [0, 2]
        async with asyncio.timeout(60):
            while not (notifier.journal and notifier.journal.dead_letters):  # noqa: ASYNC110  # counts have no event
                await asyncio.sleep(0.02)
    reader = consumer(config.bootstrap, config.dead_letter_topic)
    await reader.start()
    try:
        async with asyncio.timeout(60):
            letter = decode_record(SchemaBook("deadletter"), (await reader.getone()).value)
    finally:
        await reader.stop()
    assert (letter["session_id"], letter["seq"], letter["raw"]) == (f"{config.topic}/0", 1, b"no alert")
    assert letter["error"] == "unknown_format"


async def test_a_group_begins_at_the_end_and_from_then_on_loses_nothing(config: NotifierConfig) -> None:
    """Joins are slow on the embedded broker, so one group lives through it all."""
    config = replace(config, start="latest")
    await publish(config.bootstrap, config.topic, [alert_bytes(n) for n in range(3)])
    early = Recorder()
    async with running(config, early):
        pass
    assert early.seen == []
    await publish(config.bootstrap, config.topic, [alert_bytes(n) for n in range(3, 6)])
    refusing = Recorder(accepts=1, failures=1_000_000)
    async with running(config, refusing) as notifier, asyncio.timeout(60):
        while notifier.statistics["recorder"].failed < 2:  # noqa: ASYNC110  # statistics have no event to await
            await asyncio.sleep(0.02)
    assert refusing.seen == [3]
    later = Recorder()
    async with running(config, later):
        assert await later.wait_for(2) == [4, 5]


async def test_no_broker_is_one_error(unused_tcp_port: int) -> None:
    notifier = Notifier(NotifierConfig(f"127.0.0.1:{unused_tcp_port}"), [], SystemClock())
    with pytest.raises(BrokerUnreachableError, match=str(unused_tcp_port)):
        await notifier.start()
    await notifier.stop()


async def test_the_command_is_ready_and_stops_cleanly(broker_factory: Callable[[str], Broker]) -> None:
    own = broker_factory("tansu")  # the catalogue's names: no other test may meet them
    await provision(own.bootstrap, [TopicPlan(name, 2, 1, -1, False) for name in ("fleet.alerts", "fleet.deliveries")])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from infra.cli.main import main; main()",
        "notify", "--bootstrap", own.bootstrap, "--group", f"g-{uuid4().hex}", "--json",
        stdout=subprocess.PIPE, env=os.environ | {"FLEETPULSE_LOG_LEVEL": "warning"},
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert json.loads(await process.stdout.readline())["event"] == "ready"
        await publish(own.bootstrap, "fleet.alerts", [alert_bytes(7)])
        assert json.loads(await process.stdout.readline())["summary"] == "7"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
