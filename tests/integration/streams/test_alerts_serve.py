"""`fleetpulse alerts serve` against a real broker and a real alert manager: what a program asks, orders and is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from signal import SIGTERM

import pytest
from manager_processes import create_topics, manager_process, publish, sender
from manager_world import encoded, signal
from serve_process import Served, served

from infra.broker.interface import Broker

Make = Callable[[str], Broker]
MINE, OTHER, FLEETS = ("aa01" + "0" * 28, "bb02" + "0" * 28, "cc03" + "0" * 28)


def _firing(fingerprint: str, agent: str, tenant: str) -> bytes:
    return encoded(signal("firing", time.time(), agent, fingerprint=fingerprint, user_id=tenant))


@asynccontextmanager
async def manager_after(broker: Broker, child: Served) -> AsyncIterator[None]:
    """A manager that starts when an order waits already, and carries it out."""
    kept = (await child.ask("silence", matchers=["name=x"], lasting="1h", within_s=0.3))["ok"]
    assert kept["done"] is False
    async with manager_process(broker) as manager:
        await manager.took_over()
        async with asyncio.timeout(60):
            while not (await child.ask("silences"))["ok"]["silences"]:  # noqa: ASYNC110  # of another process
                await asyncio.sleep(0.05)
        yield


@pytest.mark.fault  # most of it is also seen through the API, by tests/integration/test_api_alerts.py
async def test_a_program_sees_orders_and_is_told(broker_factory: Make) -> None:
    broker = broker_factory("tansu")
    await create_topics(broker)
    async with served(broker) as child, sender(broker) as client, manager_after(broker, child):
        await publish(client, [_firing(MINE, "a", "t1"), _firing(OTHER, "b", "t2"), _firing(FLEETS, "outage", "")])
        for name in (MINE, OTHER, FLEETS):
            told = await child.heard(lambda line, name=name: line.get("alert", {}).get("fingerprint") == name)
            assert told["event"] == "alert"

        whole, mine = await asyncio.gather(child.ask("list"), child.ask("list", tenant="t1"))
        assert {alert["fingerprint"] for alert in whole["ok"]["alerts"]} == {MINE, OTHER, FLEETS}
        assert [alert["fingerprint"] for alert in mine["ok"]["alerts"]] == [MINE]

        page = (await child.ask("list", most=2))["ok"]
        rest = (await child.ask("list", most=2, after=page["next"]))["ok"]
        assert len(page["alerts"]) == 2
        assert rest["next"] is None
        assert {a["fingerprint"] for a in page["alerts"] + rest["alerts"]} == {MINE, OTHER, FLEETS}

        # Another tenant's alert is as one that is not there.
        refused = await child.ask("acknowledge", tenant="t1", fingerprints=[OTHER])
        assert refused["error"]["kind"] == "unknown"
        assert (await child.ask("show", tenant="t1", fingerprints=[FLEETS]))["error"]["kind"] == "unknown"

        done = (await child.ask("acknowledge", tenant="t1", fingerprints=["aa01"], actor="ann", comment="on it"))["ok"]
        assert done == {"alerts": [MINE], "done": True, "refused": []}
        await child.heard(lambda line: line.get("alert", {}).get("state") == "acknowledged")
        shown = (await child.ask("show", tenant="t1", fingerprints=[MINE]))["ok"]
        assert [row["state"] for row in shown["changes"]] == ["firing", "acknowledged"]
        assert (await child.ask("unacknowledge", fingerprints=[OTHER]))["error"]["kind"] == "unfit"

        # A tenant's silence fits everything it can name, and still nothing of another's.
        made = (await child.ask("silence", tenant="t1", matchers=["name=~.*"], lasting="1h"))["ok"]
        assert made["silence"]["matchers"] == ["name=~.*", "user_id=t1"]
        assert made["silence"]["alerts"] == [MINE]
        assert made["done"] is True
        silence = made["silence"]["id"]
        assert (await child.ask("silences", tenant="t2"))["ok"]["silences"] == []
        assert (await child.ask("unsilence", tenant="t2", ids=[silence]))["error"]["kind"] == "unknown"
        assert (await child.ask("list", name="cpu_high", tenant="t2"))["ok"]["total"] == 1
        assert (await child.ask("unsilence", tenant="t1", ids=[silence]))["ok"]["done"] is True

        for bad in ({"tenant": ""}, {"most": 0}, {"nothing": 1}, {"matchers": ["=="]}):
            assert (await child.ask("list", **bad))["error"]["kind"] == "invalid"
        many = await asyncio.gather(*(child.ask("list") for _ in range(200)))
        assert all(len(each["ok"]["alerts"]) == 3 for each in many)
        assert (await child.ask("resolve", fingerprints=[OTHER]))["ok"]["done"] is True
        assert await child.close() == 0
        async with served(broker) as second:
            second.process.send_signal(SIGTERM)
            assert await second.process.wait() == 0
