"""The gateway dies and comes back while an agent reports over HTTP: each acknowledged event is in the lake once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from gateway_world import GatewayWorld
from lake_world import FLEETPULSE, rows, until, writer

from infra.broker.interface import Broker
from infra.broker.ports import free_port
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.settings import load_settings
from producers.sdk import AgentReporter

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]
_TABLES = ("logs", "heartbeats", "metrics", "runs", "lifecycle")


@contextlib.asynccontextmanager
async def _gateway(world: GatewayWorld, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A gateway process at a port that stays the same; killed at the end of the block."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLEETPULSE_")}
    environment |= {"FLEETPULSE_DATA_DIR": str(world.folder), "FLEETPULSE_SELF_AUDIT": "false"}
    command = [FLEETPULSE, "gateway", "--port", str(port), "--bootstrap", world.bootstrap]
    with (world.folder / "gateway.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert json.loads(await process.stdout.readline())["event"] == "ready"
        yield process
    finally:
        process.kill()
        await process.wait()


async def _work(reporter: AgentReporter, enough: Callable[[], bool]) -> None:
    """About a hundred events a second, until it is enough."""
    async with asyncio.timeout(120):
        while not enough():
            async with reporter.run("turn"), reporter.tool("search"):
                reporter.log("info", "a line")
            await asyncio.sleep(0.05)


def _acknowledged(reporter: AgentReporter) -> int:
    return int(reporter.account()["sessions"][0]["acknowledged"])


def _issued(reporter: AgentReporter) -> int:
    return int(reporter.account()["sessions"][0]["issued"])


def _landed(lake: Path, session: str) -> Counter[int]:
    """How often each number of the session is in the lake."""
    found: Counter[int] = Counter()
    for table in _TABLES:
        found.update(row["seq"] for row in rows(lake, table) if row["session_id"] == session)
    return found


@pytest.mark.parametrize("kind", ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
async def test_the_gateway_dies_twice_under_load(
    kind: str, broker_factory: Callable[[str], Broker], tmp_path: Path
) -> None:
    bootstrap = broker_factory(kind).bootstrap
    await provision(bootstrap, plan_topics(load_settings(partitions=2)))
    world, lake, port = GatewayWorld(bootstrap, tmp_path), tmp_path / "lake", free_port()
    key = (await world.key("ingest", "t", "patient"))["X-API-Key"]
    settings = {"gateway": f"http://127.0.0.1:{port}", "api_key": key, "spool_dir": tmp_path / "spool"}
    async with writer(bootstrap, lake) as landing:
        await landing.ready()
        async with AgentReporter(
            "patient", "t", heartbeat_interval_s=0.5, retry_delay_s=0.1, retry_max_s=0.3, **settings
        ) as reporter:
            for _ in range(2):
                async with _gateway(world, port):
                    through = _acknowledged(reporter)
                    await _work(reporter, lambda: _acknowledged(reporter) > through + 100)  # noqa: B023  # used here
                waiting = _issued(reporter)
                await _work(reporter, lambda: _issued(reporter) > waiting + 100)  # noqa: B023  # used here
            async with _gateway(world, port):
                report = await reporter.aflush(90)
                assert report.complete, report
                end = await reporter.aclose(60)
        assert end is not None
        assert (end.dropped, end.acknowledged, end.complete) == (0, end.issued, True)
        await until(lambda: len(_landed(lake, reporter.session_id)) == end.issued, "every event in the lake")
        assert _landed(lake, reporter.session_id) == dict.fromkeys(range(end.issued), 1)
    assert not list((tmp_path / "spool").iterdir()), "the spool has drained"
