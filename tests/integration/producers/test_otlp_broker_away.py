"""OTLP while the broker is away: exporters are told to come back, and what they send again is not lost."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path

import pytest
from broker_fixtures import BrokerFactory
from gateway_world import GatewayWorld, create_topics
from otlp_world import logs

pytestmark = pytest.mark.fault
HEADERS = {"Content-Type": "application/json"}


async def test_an_exporter_is_told_to_come_back(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    broker = await asyncio.to_thread(broker_factory, "tansu")
    world = GatewayWorld(broker.bootstrap, tmp_path)
    await create_topics(broker.bootstrap)
    body = json.dumps(logs({"body": {"stringValue": "kept"}}, service__name="patient"))
    async with world.served(patient=False) as client:
        key = {**await world.key("ingest", "acme"), **HEADERS}
        async with asyncio.timeout(60):
            while (await client.post("/v1/logs", content="{}", headers=key)).status_code == 401:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.05)
        broker.kill()
        async with asyncio.timeout(60):
            while (answer := await client.post("/v1/logs", content=body, headers=key)).status_code == 200:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.05)
        assert answer.status_code == 503
        assert 0 < math.ceil(float(answer.headers["retry-after"])) <= 30
        assert answer.json()["code"] == 14
        await asyncio.to_thread(broker.restart)
        async with asyncio.timeout(60):
            while (await client.post("/v1/logs", content=body, headers=key)).status_code != 200:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.2)
    found = [row for row in await world.read("fleet.logs") if row["agent_id"] == "patient"]
    assert len({(row["session_id"], row["seq"]) for row in found}) == 1
