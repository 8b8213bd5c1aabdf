"""A gateway over a real broker: what clients send, in whose name, tried again, and how it stands in topics and lake."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_world import GatewayWorld, Row, create_topics
from lake_world import rows, until, writer

from infra.broker.interface import Broker
from infra.broker.resolve import resolve_broker
from infra.runtime.batch_send import send_records
from infra.runtime.kafka import producer
from infra.runtime.settings import load_settings
from producers.gateway.framed import LENGTH
from schemas.record import encode_single_object
from schemas.registry import topic_schema
from sinks.lake.ledger_view import LedgerQuestion, read_ledger

HEARTBEAT = {
    "status": "healthy",
    "version": "1.0.0",
    "uptime": 3600,
    "lastActivity": "2025-07-01T20:00:00.000Z",
    "systemInfo": {
        "platform": "linux",
        "nodeVersion": "v18.17.0",
        "memory": {"used": 2147483648, "total": 4294967296},
        "cpu": {"usage": 45.2, "cores": 4},
    },
    "governanceStatus": {"enabled": True, "policiesLoaded": 5, "trustScore": 0.85},
}
METRICS = {
    "agentId": "bot",
    "userId": "acme",
    "timestamp": "2025-07-01T20:00:00.000Z",
    "governance_metrics": {"trust_score": 0.85, "violation_count": 2, "policy_violations": []},
    "performance_metrics": {"response_time": 250.5},
    "system_metrics": {"network_io": 1024000},
    "business_metrics": {"revenue": 1250.75},
}
VIOLATION = {
    "type": "policy_violation",
    "policy_id": "hipaa-compliance",
    "policy_name": "HIPAA Compliance",
    "severity": "critical",
    "description": "Attempted to share patient SSN",
    "context": {"input": "?", "response": "[BLOCKED]", "attempt": 2},
}
LOG = {"level": "warning", "category": "governance", "source": "wrapper", "message": "m", "log_metadata": {"id": "x"}}
RUN = {
    "run_id": "r1",
    "name": "answer",
    "status": "failure",
    "started_at": "2025-07-01T20:00:00Z",
    "ended_at": "2025-07-01T20:00:02Z",
    "latency_ms": 2000,
    "steps": [{"step_id": "s1", "name": "look up", "status": "failure", "latency_ms": 5, "retries": 2}],
    "failures": [{"failure_type": "tool", "failure_code": "timeout", "message": "slow", "step_id": "s1"}],
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One for this module, with the catalogue's topics."""
    broker = resolve_broker("tansu", load_settings(data_dir=tmp_path_factory.mktemp("tansu")))
    try:
        broker.start()
        broker.wait_ready()
        asyncio.run(create_topics(broker.bootstrap))
        yield broker
    finally:
        broker.stop(deadline_s=5)


@pytest.fixture
def world(broker: Broker, tmp_path: Path) -> GatewayWorld:
    """A folder of its own: other keys, other secret."""
    return GatewayWorld(broker.bootstrap, tmp_path)


@pytest.fixture
async def client(world: GatewayWorld) -> AsyncIterator[httpx.AsyncClient]:
    """Of a gateway in this process."""
    async with world.served() as client:
        yield client


async def known(client: httpx.AsyncClient, key: dict[str, str]) -> dict[str, str]:
    """The key, once the gateway knows it."""
    async with asyncio.timeout(60):
        while (await client.get("/v1/events", headers=key)).status_code == 401:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)
    return key


def frames(*records: dict[str, Any]) -> bytes:
    values = [encode_single_object(topic_schema("fleet.metrics"), record) for record in records]
    return b"".join(LENGTH.pack(len(value)) + value for value in values)


def metric(agent_id: str, user_id: str = "acme", session_id: str = "s-1", seq: int = 0) -> dict[str, Any]:
    return {
        "event_id": bytes(16), "agent_id": agent_id, "user_id": user_id, "timestamp": 1_800_000_000_000_000,
        "session_id": session_id, "seq": seq, "cpu_usage": 1.5,
    }  # fmt: skip


FRAMES = {"content-type": "application/vnd.fleetpulse.events"}


async def of_agent(world: GatewayWorld, topic: str, agent_id: str) -> list[Row]:
    return [row for row in await world.read(topic) if row["agent_id"] == agent_id]


async def test_what_clients_send_stands_in_the_topics(world: GatewayWorld, client: httpx.AsyncClient) -> None:
    key = await known(client, await world.key("ingest", "acme", "bot"))
    lines = "\n".join(
        json.dumps(each) for each in ({"topic": "metrics", "cpu_usage": 3}, {"topic": "logs", "message": "2"})
    )
    sent = [
        await client.post("/api/agents/heartbeat", headers=key, json=HEARTBEAT),
        await client.post("/api/agents/metrics", headers=key, json=METRICS),
        await client.post("/api/agents/violations", headers=key, json=[VIOLATION, VIOLATION]),
        await client.post("/api/agents/logs", headers=key, json=LOG),
        await client.post("/v1/runs", headers=key, json=RUN),
        await client.post(
            "/v1/batch", headers=key | {"content-encoding": "gzip"}, content=gzip.compress(lines.encode())
        ),
        await client.post("/v1/events/fleet.metrics", headers=key | FRAMES, content=frames(metric("bot"))),
        await client.post(f"/ping/{key['X-API-Key']}/3", params={"rid": "r2"}, content="exit of the backup"),
    ]
    assert [each.status_code for each in sent] == [202] * 7 + [200], [each.text for each in sent]
    assert [each.json()["accepted"] for each in sent[:7]] == [1, 1, 2, 1, 4, 2, 1]
    beat, failed = await of_agent(world, "fleet.heartbeats", "bot")
    assert (beat["user_id"], beat["gateway"], beat["memory_used_bytes"], beat["cpu_cores"]) == (
        "acme",
        "gate-1",
        1 << 31,
        4,
    )
    assert (beat["seq"], failed["status"]) == (0, "failed")
    told, batch, own = await of_agent(world, "fleet.metrics", "bot")
    assert told["timestamp"].isoformat() == "2025-07-01T20:00:00+00:00"
    assert (told["response_time"], told["revenue"], batch["cpu_usage"], own["session_id"]) == (
        250.5,
        1250.75,
        3.0,
        "s-1",
    )
    context = (await of_agent(world, "fleet.violations", "bot"))[0]["context"]
    assert context[2] == {"name": "attempt", "value": "2"}
    logs = await of_agent(world, "fleet.logs", "bot")
    assert [(each["level"], each["message"]) for each in logs] == [
        ("warn", "m"),
        ("info", "2"),
        ("error", "exit of the backup"),
    ]
    runs = [(each["kind"], each["status"]) for each in await of_agent(world, "fleet.runs", "bot")]
    assert runs[:4] == [("run_started", None), ("step", "failure"), ("failure", "failure"), ("run_finished", "failure")]
    assert runs[4:] == [("failure", "failure"), ("run_finished", "failure")]
    health = await client.get("/api/health/database")
    assert (health.status_code, health.json()["broker"]) == (200, {"status": "healthy"})
    assert 'fleetpulse_gateway_events_total{outcome="acknowledged"} 16.0' in (await client.get("/metrics")).text
    assert key["X-API-Key"] not in (await client.get("/metrics")).text


async def test_nobody_writes_in_the_name_of_another(world: GatewayWorld, client: httpx.AsyncClient) -> None:
    status = {
        "event_id": bytes(16), "agent_id": "theirs", "user_id": "globex", "timestamp": 1, "session_id": "s", "seq": 0,
        "status": "online", "previous": "offline", "reason": "beat", "last_beat": 1, "deadline": 2, "interval_s": 1.0,
    }  # fmt: skip
    score = {
        "event_id": bytes(16), "agent_id": "scored", "user_id": "globex", "timestamp": 1, "session_id": "s", "seq": 1,
        "oldest_source_timestamp": 1, "trust": 0.5, "p": 0.5, "n": 1.0, "compliant": 1.0, "violating": 1.0,
        "model": "beta", "violations": 1,
    }  # fmt: skip
    async with producer(world.bootstrap, idempotent=False) as sender:
        value = encode_single_object(topic_schema("fleet.status"), status)
        await send_records(sender, "fleet.status", [(0, b"theirs", value, 1)])
        # An agent that never beat, as those behind OTLP, has a score and no status.
        value = encode_single_object(topic_schema("fleet.trust"), score)
        await send_records(sender, "fleet.trust", [(0, b"scored", value, 1)])
    key = await known(client, await world.key("ingest", "acme", "a-*", "theirs", "scored"))
    viewer = await world.key("viewer", "acme")
    one = await known(client, await world.key("ingest", "acme", "a-1"))
    async with asyncio.timeout(60):
        for agent in ("theirs", "scored"):
            while (  # noqa: ASYNC110  # nobody tells
                await client.post("/api/agents/heartbeat", headers=key, json={"agentId": agent})
            ).status_code != 403:
                await asyncio.sleep(0.05)
    beat, batch, events = "/api/agents/heartbeat", "/v1/batch", "/v1/events/fleet.metrics"
    forged = (
        b'{"topic":"metrics","agent_id":"a-1","cpu_usage":1}\n{"topic":"metrics","agent_id":"a-1","user_id":"globex"}'
    )
    refused = [
        await client.post(beat, headers=key, json={"agentId": "a-1", "userId": "globex"}),
        await client.post(beat, headers=key, json={"agent_id": "b-1"}),
        await client.post(beat, headers=key | {"X-Agent-Id": "b-1"}, json={}),
        await client.post(beat, headers=one | {"X-Agent-Id": "a-2"}, json={}),
        await client.post(beat, headers=key | {"X-Agent-Id": "fleetpulse:gateway:1"}, json={}),
        await client.post(beat, headers=await known_viewer(client, viewer), json={"agentId": "a-1"}),
        await client.post("/v1/runs", headers=key, json=RUN | {"agent_id": "a-1", "user_id": "globex"}),
        await client.post(batch, headers=key, content=forged),
        await client.post(batch, headers=key, params={"partial": "true"}, content=forged),
        await client.post(batch, headers=key, content=b'{"topic":"metrics","agent_id":"theirs"}'),
        await client.post(events, headers=key | FRAMES, content=frames(metric("a-1"), metric("a-1", "globex"))),
        await client.post(events, headers=key | FRAMES, content=frames(metric("b-1"))),
        await client.post(events, headers=key | FRAMES, content=frames(metric("theirs"))),
        await client.post(events, headers=key | FRAMES, content=frames(metric("a-1", session_id="gw-1/x"))),
        await client.get(f"/ping/{one['X-API-Key']}", headers={"X-Agent-Id": "a-2"}),
    ]
    assert [each.status_code for each in refused] == [403] * len(refused), [each.text for each in refused]
    assert {each.headers["content-type"] for each in refused} == {"application/problem+json"}
    unfit = [
        await client.post(beat, headers=key, json={}),
        await client.post("/v1/events/fleet.alerts", headers=key | FRAMES, content=b""),
        await client.post(events, headers=key | FRAMES, content=frames(metric("a-1"))[:-1]),
        await client.post(events, headers=key | FRAMES, content=LENGTH.pack(3) + b"abc"),
        await client.post("/api/agents/metrics", headers=one, content='{"system_metrics": {"cpu_usage": NaN}}'),
    ]
    assert [each.status_code for each in unfit] == [422] * len(unfit), [each.text for each in unfit]
    assert (await client.post(beat, json={})).status_code == 401
    written = [row for topic in ("fleet.heartbeats", "fleet.metrics", "fleet.runs") for row in await world.read(topic)]
    names = {(row["user_id"], row["agent_id"]) for row in written}
    assert names.isdisjoint({("globex", "a-1"), ("acme", "b-1"), ("acme", "a-2"), ("globex", "theirs")})


async def known_viewer(client: httpx.AsyncClient, key: dict[str, str]) -> dict[str, str]:
    """A key that reads, once the gateway knows it."""
    async with asyncio.timeout(60):
        while (await client.get("/metrics", headers=key)).status_code == 401:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)
    return key


@pytest.mark.fault
async def test_a_second_try_is_the_same_and_sessions_are_complete(world: GatewayWorld) -> None:
    key = await world.key("ingest", "acme", "calm")
    again = key | {"Idempotency-Key": "order-66"}
    lines = b'{"topic":"logs","message":"one"}\n{"topic":"metrics","cpu_usage":1}\n'
    lake = world.folder / "lake"
    async with writer(world.bootstrap, lake) as writing:
        await writing.ready()
        for _ in range(2):
            async with world.served() as client:
                await known(client, key)
                for _ in range(2):
                    answers = [
                        await client.post("/api/agents/violations", headers=again, json=VIOLATION),
                        await client.post("/v1/batch", headers=key | {"Idempotency-Key": "lines"}, content=lines),
                        await client.post("/api/agents/heartbeat", headers=key, json=HEARTBEAT),
                    ]
                    assert [each.status_code for each in answers] == [202] * 3
        await until(lambda: len(of_calm(lake, "heartbeats")) == 4, "four beats")
        await until(lambda: len(of_calm(lake, "duplicates")) == 9, "nine doubles of three events")
        assert await writing.stop() == 0
    assert [len(of_calm(lake, table)) for table in ("violations", "logs", "metrics")] == [1, 1, 1]
    ledger = read_ledger(lake, LedgerQuestion("calm", by_session=True), world.folder / "accounts")
    gateways = [line for line in ledger.lines if line.session_id.startswith("gw-")]
    assert [(line.published, line.landed, line.missing, line.closed) for line in gateways] == [(2, 2, 0, True)] * 2
    assert all(line.missing == 0 for line in ledger.lines)


def of_calm(lake: Path, table: str) -> list[dict[str, object]]:
    return [row for row in rows(lake, table) if row["agent_id"] == "calm"]


async def test_an_agent_that_stops_ends_its_session(world: GatewayWorld, client: httpx.AsyncClient) -> None:
    key = await known(client, await world.key("ingest", "acme", "leaver"))
    for status in ("healthy", "stopping", "healthy"):
        assert (await client.post("/api/agents/heartbeat", headers=key, json={"status": status})).status_code == 202
    beats = await of_agent(world, "fleet.heartbeats", "leaver")
    assert [(beat["status"], beat["seq"]) for beat in beats] == [("healthy", 0), ("stopping", 1), ("healthy", 0)]
    assert beats[0]["session_id"] == beats[1]["session_id"] != beats[2]["session_id"]


async def test_lines_that_do_not_fit_are_named_and_the_others_taken_if_asked(
    world: GatewayWorld, client: httpx.AsyncClient
) -> None:
    key = await known(client, await world.key("ingest", "acme", "picky"))
    body = b'{"topic":"logs","message":"fine"}\n\n{"topic":"metrics","cpu_usage":"much"}\n'
    whole = await client.post("/v1/batch", headers=key, content=body)
    assert (whole.status_code, whole.json()["errors"]) == (
        422, [{"line": 3, "field": "cpu_usage", "message": "is no number"}],
    )  # fmt: skip
    assert await of_agent(world, "fleet.logs", "picky") == []
    part = await client.post("/v1/batch", headers=key, params={"partial": "true"}, content=body)
    assert (part.status_code, part.json()["accepted"], part.json()["rejected"]) == (207, 1, 1)
    assert len(await of_agent(world, "fleet.logs", "picky")) == 1


async def test_the_examples_of_the_page_work(world: GatewayWorld, client: httpx.AsyncClient) -> None:
    key = await known(client, await world.key("ingest", "acme", "crawler-1"))
    page = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "curl" in block]
    running = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", "\n".join(blocks).replace("curl -sS", "curl -sS --fail-with-body"),
        env={**os.environ, "KEY": key["X-API-Key"], "GATEWAY": str(client.base_url)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, errors = await running.communicate()
    assert running.returncode == 0, (told, errors)
    assert re.findall(r'"accepted":(\d+)|(OK)', told.decode()) == [
        *[("1", "")] * 4, ("3", ""), ("2", ""), *[("", "OK")] * 3,
    ]  # fmt: skip
    assert {row["kind"] for row in await of_agent(world, "fleet.runs", "crawler-1")} >= {"run_started", "run_finished"}
