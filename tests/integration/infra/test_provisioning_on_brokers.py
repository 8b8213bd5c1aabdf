"""Topics on real brokers of both kinds."""

from __future__ import annotations

import asyncio
import os
import signal
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from broker_fixtures import BrokerFactory

from infra.broker.interface import Broker
from infra.broker.ports import LOOPBACK, free_port
from infra.provisioning.plan import TopicPlan
from infra.provisioning.topics import ProvisioningError, inspect, list_topics, provision, verify
from infra.runtime.errors import BrokerUnreachableError, TopicMismatchError


def _plans(*partitions: int) -> list[TopicPlan]:
    mark = uuid4().hex[:12]
    return [TopicPlan(f"test-{mark}-{i}", count, 1) for i, count in enumerate(partitions)]


async def test_created_once_and_then_verified(any_broker: Broker) -> None:
    plans = _plans(1, 3, 16)
    assert [f.state for f in await inspect(any_broker.bootstrap, plans)] == ["missing"] * 3
    assert await provision(any_broker.bootstrap, plans) == [p.name for p in plans]
    assert await provision(any_broker.bootstrap, plans) == []
    assert [f.state for f in await verify(any_broker.bootstrap, plans)] == ["ok"] * 3
    there = await list_topics(any_broker.bootstrap)
    assert [there[p.name] for p in plans] == [1, 3, 16]


async def test_looking_creates_nothing(any_broker: Broker) -> None:
    plans = _plans(2)
    await inspect(any_broker.bootstrap, plans)
    assert plans[0].name not in await list_topics(any_broker.bootstrap)


async def test_other_partition_counts_are_refused_and_nothing_is_created(any_broker: Broker) -> None:
    """Fault 17."""
    was, new = _plans(2, 2)
    await provision(any_broker.bootstrap, [was])
    wanted = [TopicPlan(was.name, 3, 1), TopicPlan(new.name, 3, 1)]
    with pytest.raises(TopicMismatchError, match=rf"{was.name} has 2 partitions instead of 3.*FLEETPULSE_PARTITIONS"):
        await provision(any_broker.bootstrap, wanted)
    assert new.name not in await list_topics(any_broker.bootstrap)
    with pytest.raises(TopicMismatchError):
        await verify(any_broker.bootstrap, wanted)


async def test_two_who_provision_at_once_do_no_harm(any_broker: Broker) -> None:
    plans = _plans(4, 4, 4)
    created = await asyncio.gather(*(provision(any_broker.bootstrap, plans) for _ in range(4)))
    assert {name for names in created for name in names} == {p.name for p in plans}
    assert {f.state for f in await verify(any_broker.bootstrap, plans)} == {"ok"}


@pytest.mark.kafka
async def test_kafka_keeps_what_the_plan_says(kafka: Broker) -> None:
    plan = TopicPlan(_plans(1)[0].name, 2, 1, retention_ms=3_600_000, broker_time=True)
    await provision(kafka.bootstrap, [plan])
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, plan.name)])
    finally:
        await admin.close()
    found = {entry[0]: entry[1] for entry in answers[0].resources[0][4]}
    assert {key: found[key] for key in plan.configs} == dict(plan.configs)


@pytest.mark.kafka
async def test_more_replicas_than_brokers_is_refused_with_the_brokers_words(kafka: Broker) -> None:
    plan = TopicPlan(_plans(1)[0].name, 1, 3)
    with pytest.raises(ProvisioningError, match=rf"did not create topic {plan.name}: .*[Rr]eplication"):
        await provision(kafka.bootstrap, [plan])


async def test_a_broker_that_is_busy_for_seconds_is_not_away(broker_factory: BrokerFactory) -> None:
    broker, plans = broker_factory("tansu"), _plans(1)
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        working = asyncio.create_task(provision(broker.bootstrap, plans))
        await asyncio.sleep(3)  # as long as it is busy
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    assert await working == [plans[0].name]


async def test_nobody_there() -> None:
    with pytest.raises(BrokerUnreachableError, match="no broker answers"):
        await provision(f"{LOOPBACK}:{free_port()}", _plans(1))
