"""What every `Link` promises, over Kafka and over HTTP through the real gateway, to the same broker."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from gateway_world import GatewayWorld
from reporter_world import events, seqs_of

from infra.broker.interface import Broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.settings import load_settings
from producers.sdk import AgentReporter, http_link
from producers.sdk.config import ReporterConfig, make_config
from producers.sdk.encode import Encoder, Record
from producers.sdk.http_wire import Address
from producers.sdk.transport import BrokerAwayError, Link, make_link

LOGS = "fleet.logs"
Way = dict[str, Any]
"""Settings that lead to a broker."""
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(params=["kafka protocol", "http", "http, packed"], scope="module", loop_scope="module")
async def way(
    request: pytest.FixtureRequest, tansu: Broker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Way]:
    await provision(tansu.bootstrap, plan_topics(load_settings()))
    if request.param == "kafka protocol":
        yield {"bootstrap": tansu.bootstrap}
        return
    world = GatewayWorld(tansu.bootstrap, tmp_path_factory.mktemp("gateway"))
    header = await world.key("ingest", "t", "link-*")
    async with world.served() as client:
        with pytest.MonkeyPatch.context() as patch:
            if request.param == "http, packed":
                patch.setattr(Address, "local", False)
                patch.setattr(http_link, "_COMPRESS_FROM_BYTES", 1)
            yield {"gateway": str(client.base_url).rstrip("/"), "api_key": header["X-API-Key"]}


@pytest.fixture(params=["kafka protocol", "http"])
def nowhere(request: pytest.FixtureRequest) -> Way:
    return {"gateway": "http://127.0.0.1:1"} if request.param == "http" else {"bootstrap": "127.0.0.1:1"}


def _config(folder: Path, way: Way) -> ReporterConfig:
    times = {"slow_after_s": 0.2, "request_timeout_s": 60.0}
    return make_config(agent_id="link-agent", user_id="t", spool_dir=folder, **times, **way)


@contextlib.asynccontextmanager
async def _running(config: ReporterConfig) -> AsyncIterator[Link]:
    link = make_link(config)
    task = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        task.cancel()
        began_s = time.monotonic()
        await asyncio.gather(task, return_exceptions=True)
        assert time.monotonic() - began_s < 60, "a cancelled link ends"
        assert not link.ready.is_set()


def _lines(config: ReporterConfig, session: str, *texts: str) -> list[Record]:
    encoder = Encoder(config, session)
    fields = {"level": "info", "category": "system", "source": "test", "metadata": [], "run_id": None}
    return [
        encoder.encode((seq, time.time_ns(), LOGS, {**fields, "message": text}), 0) for seq, text in enumerate(texts)
    ]


async def test_what_is_acknowledged_is_in_the_topic(way: Way, tansu: Broker, tmp_path: Path) -> None:
    config, session = _config(tmp_path, way), f"acknowledged-{time.time_ns()}"
    records = _lines(config, session, *(f"line {number}" for number in range(500)))
    async with _running(config) as link:
        async with asyncio.timeout(60):
            await link.ready.wait()
        assert not link.away
        await link.send(LOGS, records[:1])
        await link.send(LOGS, records[1:])
    found = {}
    async with aclosing(events(tansu.bootstrap, (LOGS,), 120)) as stream:
        async for _, record in stream:
            if record["session_id"] == session:
                found[record["seq"]] = (record["message"], record["agent_id"], record["user_id"])
                if len(found) == len(records):
                    break
    assert found == {number: (f"line {number}", "link-agent", "t") for number in range(500)}


async def test_lanes_send_at_once(way: Way, tmp_path: Path) -> None:
    config = _config(tmp_path, way)
    lines = _lines(config, f"at-once-{time.time_ns()}", *map(str, range(40)))
    async with _running(config) as link:
        async with asyncio.timeout(60):
            await link.ready.wait()
            await asyncio.gather(*(link.send(LOGS, [line]) for line in lines))


async def test_while_nobody_answers_events_belong_on_disk(nowhere: Way, tmp_path: Path) -> None:
    config = _config(tmp_path, nowhere)
    async with _running(config) as link:
        assert not link.away, "the first moments are no absence"
        with pytest.raises(BrokerAwayError):
            await link.send(LOGS, _lines(config, "nowhere", "x"))
        await asyncio.sleep(2 * config.slow_after_s)
        assert link.away
        assert not link.ready.is_set()


@pytest.mark.parametrize("scope", [AgentReporter.run, AgentReporter.track_task])
async def test_an_agents_session_arrives_once(
    way: Way, tansu: Broker, tmp_path: Path, scope: Callable[..., Any]
) -> None:
    async with AgentReporter(
        "link-agent",
        "t",
        spool_dir=tmp_path / "spool",
        policies=[{"id": "no-personal-info"}],
        close_deadline_s=60,
        request_timeout_s=60,
        **way,
    ) as reporter:
        for number in range(20):
            async with scope(reporter, f"turn {number}"), reporter.tool("search"):
                await reporter.wrap_response("who?", "call 415-555-0132" if number % 2 else "nobody")
        report = await reporter.aflush(60)
        assert report.complete, report
    issued = reporter.account()["sessions"][0]["issued"]
    assert await seqs_of(tansu.bootstrap, reporter.session_id, issued) == dict.fromkeys(range(issued), 1)
