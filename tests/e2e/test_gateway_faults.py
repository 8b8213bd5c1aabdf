"""Gateways that are killed, brokers that go away: what was answered 202 stands once in the lake, and nothing twice."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from broker_fixtures import BrokerFactory
from gateway_world import GatewayWorld, create_topics
from lake_world import rows, until, writer

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]
CLIENTS = 8
EVENTS_EACH = 120


@dataclass
class Client:
    """Reports numbered log lines and batches of them; tries each again, under the same key, until it is taken."""

    name: str
    key: dict[str, str]
    urls: list[str]
    acknowledged: set[str] = field(default_factory=set)
    tries: int = 0

    async def run(self, http: httpx.AsyncClient, events: int) -> None:
        """Send `events` events, every fifth request a batch of three."""
        for number in range(events):
            texts = [f"{self.name}-{number}-{part}" for part in range(3 if number % 5 == 0 else 1)]
            await self._until_taken(http, texts, f"{self.name}-{number}")
            self.acknowledged.update(texts)

    async def _until_taken(self, http: httpx.AsyncClient, texts: list[str], idempotency_key: str) -> None:
        headers = self.key | {"Idempotency-Key": idempotency_key, "X-Agent-Id": self.name}
        for url in itertools.cycle(self.urls):
            self.tries += 1
            try:
                answer = await http.post(f"{url}{_path(texts)}", headers=headers, content=_body(texts))
            except httpx.HTTPError:
                continue
            if answer.status_code == 202:
                return
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["retry-after"]) >= 1
            await asyncio.sleep(0.05)


def _path(texts: list[str]) -> str:
    return "/v1/batch" if len(texts) > 1 else "/api/agents/logs"


def _body(texts: list[str]) -> bytes:
    if len(texts) == 1:
        return json.dumps({"message": texts[0]}).encode()
    return b"\n".join(json.dumps({"topic": "logs", "message": text}).encode() for text in texts)


async def known(http: httpx.AsyncClient, url: str, key: dict[str, str]) -> None:
    """Wait until a gateway knows a key."""
    async with asyncio.timeout(60):
        while (await http.get(f"{url}/v1/events", headers=key)).status_code != 200:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.05)


def landed(lake: Path) -> Counter[str]:
    return Counter(str(row["message"]) for row in rows(lake, "logs"))


@pytest.mark.parametrize("kind", ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
async def test_a_gateway_killed_under_load_loses_and_doubles_nothing(
    kind: str, broker_factory: BrokerFactory, tmp_path: Path
) -> None:
    broker = broker_factory(kind)
    await create_topics(broker.bootstrap)
    world, lake = GatewayWorld(broker.bootstrap, tmp_path), tmp_path / "lake"
    key = await world.key("ingest", "acme")
    async with (
        writer(broker.bootstrap, lake) as writing,
        world.process() as first,
        world.process() as second,
        httpx.AsyncClient(timeout=60) as http,
    ):
        await writing.ready()
        for each in (first, second):
            await known(http, each.url, key)
        clients = [Client(f"agent-{number}", key, [first.url, second.url]) for number in range(CLIENTS)]
        working = [asyncio.create_task(client.run(http, EVENTS_EACH)) for client in clients]
        async with asyncio.timeout(240):
            while sum(len(client.acknowledged) for client in clients) < CLIENTS * EVENTS_EACH // 3:  # noqa: ASYNC110  # counts of plain clients
                await asyncio.sleep(0.01)
            await first.kill()
            await asyncio.gather(*working)
        acknowledged = set[str]().union(*(client.acknowledged for client in clients))
        await until(lambda: acknowledged <= landed(lake).keys(), "all that was acknowledged")
        assert await second.stop() == 0
        assert await writing.stop() == 0
    assert sum(client.tries for client in clients) > CLIENTS * EVENTS_EACH, "nobody had to try again"
    found = landed(lake)
    assert set(found) == acknowledged
    assert set(found.values()) == {1}


async def _answers(http: httpx.AsyncClient, url: str, key: dict[str, str], count: int) -> list[httpx.Response]:
    beats: list[Any] = [http.post(f"{url}/api/agents/heartbeat", headers=key, content=b"{}") for _ in range(count)]
    return list(await asyncio.gather(*beats))


async def _refused_within_s(http: httpx.AsyncClient, url: str, key: dict[str, str]) -> float:
    """How long it takes to refuse 50 requests, s; a machine that does something else takes longer now and then."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    refused = await _answers(http, url, key, 50)
    took_s = loop.time() - began_s
    assert {each.status_code for each in refused} == {503}
    assert {each.headers["content-type"] for each in refused} == {"application/problem+json"}
    assert all(int(each.headers["retry-after"]) >= 1 for each in refused)
    return took_s


@pytest.mark.kafka
async def test_while_the_broker_is_away_the_answer_is_no_at_once_and_then_yes_again(
    broker_factory: BrokerFactory, tmp_path: Path
) -> None:
    broker = broker_factory("kafka")
    await create_topics(broker.bootstrap)
    world = GatewayWorld(broker.bootstrap, tmp_path)
    key = await world.key("ingest", "acme", "patient")
    async with world.process() as gateway, httpx.AsyncClient(timeout=60) as http:
        await known(http, gateway.url, key)
        assert {each.status_code for each in await _answers(http, gateway.url, key, 20)} == {202}
        assert (await http.get(f"{gateway.url}/readyz")).status_code == 200
        broker.kill()
        async with asyncio.timeout(60):
            while (await _answers(http, gateway.url, key, 1))[0].status_code != 503:
                pass
            while (await http.get(f"{gateway.url}/readyz")).status_code != 503:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.05)
        took_s = [await _refused_within_s(http, gateway.url, key) for _ in range(5)]
        assert min(took_s) < 6, f"a request waits for 8 s, 50 refusals took {took_s} s"
        assert (await http.get(f"{gateway.url}/livez")).status_code == 200
        await asyncio.to_thread(broker.restart)
        async with asyncio.timeout(120):
            while (await http.get(f"{gateway.url}/readyz")).status_code != 200:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.1)
        assert {each.status_code for each in await _answers(http, gateway.url, key, 20)} == {202}
        assert await gateway.stop() == 0
    (account,) = (tmp_path / "accounts").glob("gateway-*.json")
    (session,) = json.loads(account.read_text())["sessions"]
    assert session["ended"]
    assert session["issued"] == session["acknowledged"] + session["dropped"]
