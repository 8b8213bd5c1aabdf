"""Local brokers: what is promised of their start, end, and data."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from infra.broker.handshake import answers
from infra.broker.interface import Broker
from infra.broker.local import LocalBroker
from infra.broker.resolve import resolve_broker
from infra.broker.tansu import Tansu
from infra.provisioning.plan import TopicPlan, plan_topics
from infra.provisioning.topics import list_topics, provision
from infra.runtime.errors import BrokerStartError
from infra.runtime.kafka import MAX_MESSAGE_BYTES, consumer, producer, supports_idempotence
from infra.runtime.settings import load_settings

BrokerFactory = Callable[[str], Broker]
FreshTopics = Callable[..., Awaitable[list[str]]]
KINDS = ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)]


async def _send(bootstrap: str, topic: str, value: bytes, *, idempotent: bool) -> None:
    client = producer(bootstrap, idempotent=idempotent)
    await client.start()
    try:
        await client.send_and_wait(topic, value, partition=0)
    finally:
        await client.stop()


async def _first(bootstrap: str, topic: str) -> bytes | None:
    client = consumer(bootstrap, topic, max_partition_fetch_bytes=MAX_MESSAGE_BYTES)
    await client.start()
    try:
        async with asyncio.timeout(60):
            return (await client.getone()).value
    finally:
        await client.stop()


async def test_it_is_what_it_says_and_listens_only_here(any_broker: Broker) -> None:
    assert any_broker.bootstrap.startswith("127.0.0.1:")
    assert any_broker.pid is not None
    assert any_broker.why
    assert await supports_idempotence(any_broker.bootstrap) == (any_broker.kind == "kafka")
    assert _listens_on(any_broker.pid) == {"127.0.0.1"}


def _listens_on(pid: int) -> set[str]:
    """The addresses of the listening TCP sockets of a process, IPv4 and IPv6."""
    listening = [c for c in psutil.Process(pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    # Java listens on IPv4 addresses through IPv6 sockets.
    return {c.laddr.ip.removeprefix("::ffff:") for c in listening}


async def test_large_messages_pass(any_broker: Broker, fresh_topics: FreshTopics) -> None:
    (topic,) = await fresh_topics(any_broker, "large", partitions=1)
    body = bytes(range(256)) * (4 * 1024 * 3)  # 3 MiB, three times Kafka's default
    await _send(any_broker.bootstrap, topic, body, idempotent=any_broker.kind == "kafka")
    assert await _first(any_broker.bootstrap, topic) == body


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stopped_broker_starts_again_on_its_port(broker_factory: BrokerFactory, kind: str) -> None:
    """And Kafka's topics, the whole catalogue, are as they were."""
    broker = broker_factory(kind)
    bootstrap = broker.bootstrap
    plans = plan_topics(load_settings(partitions=2), [TopicPlan("extra", 3, 1, compacted=True)])
    assert await provision(bootstrap, plans) == sorted(plan.name for plan in plans)
    broker.start()  # nothing: it runs
    broker.stop()
    broker.stop()  # nothing: it does not
    assert broker.pid is None
    assert not answers(bootstrap)
    broker.restart()
    assert broker.bootstrap == bootstrap
    assert await list_topics(bootstrap) == ({p.name: p.partitions for p in plans} if broker.durable else {})


@pytest.mark.fault
@pytest.mark.kafka
async def test_acknowledged_records_outlive_kill_9(broker_factory: BrokerFactory) -> None:
    broker = broker_factory("kafka")
    await provision(broker.bootstrap, [TopicPlan("kept", 1, 1)])
    await _send(broker.bootstrap, "kept", b"acknowledged", idempotent=True)
    for _ in range(2):
        broker.kill()
        assert not answers(broker.bootstrap)
        broker.restart()
    assert await _first(broker.bootstrap, "kept") == b"acknowledged"


@pytest.mark.fault
async def test_a_killed_tansu_comes_back_empty(broker_factory: BrokerFactory) -> None:
    broker = broker_factory("tansu")
    await provision(broker.bootstrap, [TopicPlan("lost", 1, 1)])
    broker.kill()
    broker.restart()
    assert await list_topics(broker.bootstrap) == {}


@pytest.mark.fault
@pytest.mark.kafka
def test_a_second_kafka_in_one_folder_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    first, second = (resolve_broker("kafka", load_settings(data_dir=tmp_path)) for _ in range(2))
    first.start()
    try:
        first.wait_ready()
        files = {p: p.stat().st_ino for p in (tmp_path / "kafka").iterdir()}
        with pytest.raises(BrokerStartError, match=rf"another Kafka runs on {tmp_path}.*--data-dir"):
            second.start()
        assert {p: p.stat().st_ino for p in (tmp_path / "kafka").iterdir()} == files
        assert answers(first.bootstrap, timeout_s=60)
    finally:
        first.stop()


def test_a_program_that_ends_at_once_is_told_with_its_words(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho no room on this machine; exit 4\n")
    program.chmod(0o755)
    broker = LocalBroker(Tansu(tmp_path, binary=program), why="test")
    broker.start()
    with pytest.raises(BrokerStartError, match="ended with code 4: no room on this machine"):
        broker.wait_ready()


def test_a_program_that_never_answers_is_told_after_the_deadline(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    broker = LocalBroker(Tansu(tmp_path, binary=program), why="test")
    broker.start()
    try:
        with pytest.raises(BrokerStartError, match=r"did not answer in 0\.2 s: it said nothing"):
            broker.wait_ready(0.2)
    finally:
        broker.stop(deadline_s=5)


def test_waiting_for_what_was_not_started(tmp_path: Path) -> None:
    with pytest.raises(BrokerStartError, match="was not started"):
        resolve_broker("tansu", load_settings(data_dir=tmp_path)).wait_ready()


def test_a_broker_of_somebody_else_is_used_and_not_ended(tansu: Broker, tmp_path: Path) -> None:
    external = resolve_broker(tansu.bootstrap, load_settings(data_dir=tmp_path))
    external.start()
    external.wait_ready()
    external.stop()
    assert (external.kind, external.pid) == ("external", None)
    for end in (external.kill, external.restart):
        with pytest.raises(BrokerStartError, match="not ours"):
            end()
    assert answers(tansu.bootstrap, timeout_s=60)
