"""Keys while the broker is away: what is known counts on, what changed is known soon after it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest

from infra.access import AuditEvent, KeyDirectory, Principal, Refusal, auditing, make_key, verify
from infra.access.desk import KeyDesk, Wanted
from infra.broker.interface import Broker
from infra.provisioning.plan import TopicPlan, plan_topics
from infra.provisioning.topics import provision
from infra.runtime.errors import TopicMismatchError
from infra.runtime.settings import load_settings

SECRET = b"s" * 32
pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]


async def until(holds: Callable[[], bool], within_s: float = 120) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110  # what holds is a state of the directory, which tells nobody of changes
            await asyncio.sleep(0.05)


@pytest.mark.kafka
async def test_a_broker_that_is_killed_and_comes_back(broker_factory: Callable[[str], Broker]) -> None:
    broker = broker_factory("kafka")  # Tansu keeps nothing over its end
    await provision(broker.bootstrap, plan_topics(load_settings(partitions=1)))
    desk = KeyDesk(broker.bootstrap, SECRET, "local:test")
    made = await desk.create(Wanted("n", "viewer", "acme"))
    directory = KeyDirectory(SECRET)
    following = asyncio.create_task(directory.follow(broker.bootstrap))
    try:
        await until(directory.ready.is_set)
        async with auditing(broker.bootstrap, "fleetpulse:api:h-1") as trail:
            trail.record(AuditEvent("sql", detail="before"))
            await until(lambda: trail.sent == 1)
            broker.kill()
            trail.record(AuditEvent("sql", detail="while it was away"))
            assert isinstance(verify(made.text, directory, time.time()), Principal)
            await asyncio.to_thread(broker.restart)
            assert isinstance(verify(made.text, directory, time.time()), Principal)
            assert not following.done()
            await until(lambda: trail.sent == 2)
        await desk.revoke(made.record.lookup)
        await until(lambda: verify(made.text, directory, time.time()) == Refusal("revoked", made.record.lookup))
        later, record = make_key(SECRET, name="n", role="viewer", tenant=None, now_s=time.time())
        assert verify(later, directory, time.time()) == Refusal("unknown", record.lookup)
    finally:
        following.cancel()
        await asyncio.wait({following})


async def _restart_empty(broker: Broker, plans: Sequence[TopicPlan]) -> None:
    """Tansu makes a topic that a client asks about, with four partitions: where the follower was first, once more."""
    for _ in range(10):
        broker.kill()
        await asyncio.to_thread(broker.restart)
        try:
            await provision(broker.bootstrap, plans)
        except TopicMismatchError:
            continue
        return
    raise AssertionError("a follower asked before the topics were made, ten times")


async def test_a_broker_that_has_lost_its_memory(broker_factory: Callable[[str], Broker]) -> None:
    """Tansu begins empty: a key that nobody could list or revoke any more is none, one that is made now is known."""
    broker = broker_factory("tansu")
    plans = plan_topics(load_settings(partitions=1))
    await provision(broker.bootstrap, plans)
    desk = KeyDesk(broker.bootstrap, SECRET, "local:test")
    lost = [await desk.create(Wanted(f"n-{number}", "viewer", "acme")) for number in range(5)]
    directory = KeyDirectory(SECRET)
    following = asyncio.create_task(directory.follow(broker.bootstrap))
    try:
        await until(directory.ready.is_set)
        await _restart_empty(broker, plans)
        made = await desk.create(Wanted("new", "viewer", "acme"))
        await until(lambda: isinstance(verify(made.text, directory, time.time()), Principal))
        assert all(isinstance(verify(key.text, directory, time.time()), Refusal) for key in lost)
    finally:
        following.cancel()
        await asyncio.wait({following})
