"""The API over a real broker: as a process, and over the broker's absence."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_world import NOW_US, decoded, status

from infra.access import make_key
from infra.access.secret import server_secret
from infra.access.topic import write
from infra.broker.interface import Broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.kafka import producer
from infra.runtime.settings import load_settings
from schemas.columnar import encode_rows
from schemas.registry import topic_schema
from sinks.api.app import running
from sinks.api.world import World

BrokerFactory = Callable[[str], Broker]
FLEETPULSE = str(Path(sys.executable).with_name("fleetpulse"))


async def publish(broker: Broker, *records: Mapping[str, Any]) -> None:
    """Records of fleet.status, as stream workers write them."""
    frame = decoded("status", records).drop("_row")
    client = producer(broker.bootstrap, idempotent=False)
    await client.start()
    try:
        for agent, message in zip(frame["agent_id"], encode_rows(topic_schema("fleet.status"), frame), strict=True):
            await client.send_and_wait("fleet.status", message, key=agent.encode())
    finally:
        await client.stop()


async def create_topics(broker: Broker) -> None:
    await provision(broker.bootstrap, plan_topics(load_settings(partitions=4)))


async def until(condition: Callable[[], bool], what: str, within_s: float = 60) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.05)


async def test_the_command_answers_by_a_key_from_the_memory(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    broker = broker_factory("tansu")
    await create_topics(broker)
    await publish(broker, status("bot", at_us=NOW_US), status("bot", "globex"), status("other", "globex"))
    secret = server_secret(tmp_path, broker.bootstrap)
    key, record = make_key(secret, name="k", role="viewer", tenant="acme", now_s=time.time())
    await write(broker.bootstrap, {record.lookup: record.model_dump_json().encode()})
    process = await asyncio.create_subprocess_exec(
        FLEETPULSE, "api", "--bootstrap", broker.bootstrap, "--port", "0",
        env={**os.environ, "FLEETPULSE_DATA_DIR": str(tmp_path), "FLEETPULSE_SELF_AUDIT": "false"},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            ready = json.loads(await process.stdout.readline())
        async with httpx.AsyncClient(base_url=ready["url"], headers={"X-API-Key": key}, timeout=60) as client:
            assert (await client.get("/readyz")).status_code == 200
            found = (await client.get("/api/agents/status/bot")).json()
            assert (found["user_id"], found["status"]) == ("acme", "online")
            assert (await client.get("/api/agents/status/other")).status_code == 404
            async with client.stream("GET", "/api/live") as answer:
                assert answer.status_code == 200
                began_s = time.monotonic()
                process.terminate()
                async with asyncio.timeout(60):
                    assert await process.wait() == 0
        assert time.monotonic() - began_s < 30
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.fault
async def test_a_memory_says_how_old_it_is_and_is_rebuilt(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    """Tansu keeps everything in memory: what comes back after a kill is another log under the same names."""
    broker = broker_factory("tansu")
    await create_topics(broker)
    await publish(broker, status("old"), status("both"))
    world = World(broker.bootstrap, tmp_path / "lake")
    follower, memory = world.follower, world.memory
    async with running(world):
        await until(lambda: follower.as_of_us > 0 and len(memory) == 2, "the memory is whole")
        broker.kill()
        stood = follower.as_of_us
        await until(lambda: follower.age_s() > 4, "the memory grows old", 60)
        assert follower.as_of_us - stood < 2_000_000
        assert len(memory) == 2, "what is known stays known"
        broker.restart()
        await create_topics(broker)
        await publish(broker, status("both", word="late"), status("new"))
        await until(lambda: sorted(memory.agents) == ["both", "new"], "the memory is of the new log", 90)
        await until(lambda: follower.age_s() < 3, "the memory is current again")
    assert follower.rebuilt == 1
    assert not follower.trouble
