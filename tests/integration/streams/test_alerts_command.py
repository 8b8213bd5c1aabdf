"""`fleetpulse alerts` against a real broker and a real alert manager: what it lists, what it commands, what it says
when nobody is at work."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from manager_world import encoded, settings, signal
from typer.testing import CliRunner

from infra.broker.interface import Broker
from infra.cli.main import app
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.clock import SystemClock
from infra.runtime.errors import FleetpulseError
from infra.runtime.kafka import SESSION_TIMEOUT_MS, producer
from infra.runtime.settings import load_settings
from schemas.catalogue import ALERTS_CHANGELOG
from streams.manager import changelog
from streams.manager.config import ManagerConfig
from streams.manager.service import AlertManager

Make = Callable[[str], Broker]
FIRST, SECOND, THIRD = ("aa01" + "0" * 28, "aa02" + "0" * 28, "bb03" + "0" * 28)
FOURTH = "dd04" + "0" * 28


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401  # JSON
        return json.loads(self.out)


@dataclass(frozen=True)
class Desk:
    """Where somebody types commands; `start_manager` has one work within the block."""

    broker: Broker

    def run(self, *words: str) -> Done:
        """One command, as typed after `fleetpulse alerts`."""
        done = CliRunner().invoke(app, ["alerts", *words, "--bootstrap", self.broker.bootstrap])
        if isinstance(done.exception, FleetpulseError):
            return Done(2, done.stdout, str(done.exception))
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    def publish(self, values: Sequence[bytes]) -> None:
        """Messages of fleet.signals."""

        async def send() -> None:
            client = producer(self.broker.bootstrap, idempotent=False, linger_ms=0)
            await client.start()
            try:
                for value in values:
                    await client.send_and_wait("fleet.signals", value, key=b"k", partition=0)
            finally:
                await client.stop()

        asyncio.run(send())

    def fire(self, fingerprint: str, agent: str, **more: Any) -> None:  # noqa: ANN401  # fields of a signal
        """An alert begins."""
        self.publish([encoded(signal("firing", time.time(), agent, **({"fingerprint": fingerprint} | more)))])

    def until(self, enough: Callable[[list[Any]], bool], *words: str) -> list[Any]:
        """Lists until it is as wanted."""
        end_s = time.monotonic() + 60
        while time.monotonic() < end_s:
            found: list[Any] = self.run("list", "--json", *words).json["alerts"]
            if enough(found):
                return found
        raise AssertionError(f"never as wanted: {found}")

    @contextmanager
    def manager(self, config: ManagerConfig | None = None) -> Iterator[None]:
        """An alert manager in a thread of its own, with its own loop."""
        found = config or settings()
        ready, loop, asked = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
        session_ms = 4_000 if self.broker.kind == "tansu" else SESSION_TIMEOUT_MS
        one = AlertManager(self.broker.bootstrap, lambda: found, SystemClock(), session_ms)

        async def work() -> None:
            async with _started(one):
                running = asyncio.create_task(one.run(asked))
                async with asyncio.timeout(60):
                    await one.settled.wait()
                ready.set()
                await running

        thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
        thread.start()
        try:
            assert ready.wait(60)
            yield
        finally:
            loop.call_soon_threadsafe(asked.set)
            thread.join(60)
            loop.close()


@asynccontextmanager
async def _started(one: AlertManager) -> AsyncIterator[None]:
    try:
        await one.start()
        yield
    finally:
        await one.stop()


def _desk(own: Broker) -> Desk:
    asyncio.run(provision(own.bootstrap, plan_topics(load_settings(partitions=2))))
    return Desk(own)


@pytest.fixture
def desk(broker_factory: Make) -> Desk:
    return _desk(broker_factory("tansu"))


@pytest.mark.kafka
def test_on_kafka(broker_factory: Make) -> None:
    desk = _desk(broker_factory("kafka"))
    with desk.manager():
        desk.fire(FIRST, "web-1")
        desk.until(lambda alerts: len(alerts) == 1)
        assert desk.run("ack", "aa01", "--by", "ann").code == 0
        name = desk.run("silence", "agent_id=web-1", "--for", "2h").out.strip()
        assert desk.run("unsilence", name).code == 0
        course = desk.run("show", "aa01", "--json").json
    assert [row["cause"] for row in course["changes"]] == ["began", "acknowledged", "silenced", "unsilenced"]


def test_acknowledge_and_silence_from_end_to_end(desk: Desk) -> None:
    with desk.manager():
        desk.fire(FIRST, "web-1", host="h1")
        desk.fire(SECOND, "web-2", severity="critical")
        found = desk.until(lambda alerts: len(alerts) == 2)
        assert [alert["agent_id"] for alert in found] == ["web-2", "web-1"]
        assert "told on the default channels" in desk.run("list").out

        ambiguous = desk.run("ack", "aa0")
        assert (ambiguous.code, "2 fingerprints" in ambiguous.err) == (2, True)
        done = desk.run("ack", "aa01", "--comment", "on it", "--by", "ann")
        assert (done.code, done.out) == (0, "acknowledged aa010000 cpu_high of web-1\n")
        assert "acknowledged by ann: on it" in desk.run("list").out
        assert "by ann before" in desk.run("ack", "aa01", "--by", "bob").out

        silenced = desk.run("silence", "agent_id=web-2", "--for", "2h", "--comment", "disks", "--by", "ann")
        assert silenced.code == 0
        assert "1 of 2 alerts that fire now fit" in silenced.err
        name = silenced.out.strip()
        [only] = desk.run("list", "--json").json["alerts"]
        assert only["agent_id"] == "web-1"
        assert desk.run("list", "--json").json["hidden"] == {"silence": 1}
        assert "1 silenced (--all shows them)" in desk.run("list").out
        assert f"by ann (id {name}): disks" in desk.run("list", "--all").out
        [listed] = desk.run("silences", "--json").json["silences"]
        assert (listed["id"], listed["by"], listed["alerts"]) == (name, "ann", [SECOND])

        desk.fire(THIRD, "web-2", name="memory_high", rule_kind="threshold")
        desk.until(lambda alerts: any(a["fingerprint"] == THIRD and a["suppressed_by"] for a in alerts), "--all")
        shown = desk.run("show", "bb").out
        assert "nobody is told: silenced until" in shown
        assert desk.run("unsilence", name[:6]).code == 0
        assert len(desk.run("list", "--json").json["alerts"]) == 3
        assert desk.run("unsilence", name).code == 2
        assert desk.run("unack", "aa01", "--by", "ann").code == 0
        course = desk.run("show", "aa01", "--json").json
        assert [row["cause"] for row in course["changes"]] == ["began", "acknowledged", "unacknowledged"]
        assert course["complete"]
        assert desk.run("unack", "aa01").code == 2


def test_resolve_by_hand(desk: Desk) -> None:
    with desk.manager(settings("correlation: {window: 30s, least: 3}")):
        desk.fire(FOURTH, "web-3")
        desk.until(lambda alerts: len(alerts) == 1)
        over = desk.run("resolve", "dd04", "--comment", "decommissioned", "--by", "ann")
        assert (over.code, over.out) == (0, "resolved dd040000 cpu_high of web-3\n")
        assert "has ended" in desk.run("resolve", "dd04").err
        assert "by ann: decommissioned" in desk.run("show", "dd04").out

        for number in range(3):
            desk.fire(f"cc0{number}" + "0" * 28, f"db-{number}", host="h9", name=f"rule_{number}")
        [root] = desk.until(lambda alerts: [alert["name"] for alert in alerts] == ["incident"])
        refused = desk.run("resolve", root["fingerprint"])
        assert (refused.code, "silence it" in refused.err) == (2, True)


def test_members_of_an_incident_are_one_row(desk: Desk) -> None:
    with desk.manager(settings("correlation: {window: 30s, least: 3}")):
        for number in range(4):
            desk.fire(f"cc0{number}" + "0" * 28, f"db-{number}", host="h9", name=f"rule_{number}")
        [root] = desk.until(lambda alerts: len(alerts) == 1 and alerts[0]["member_count"] == 4)
        assert root["name"] == "incident"
        table = desk.run("list").out
        assert "4 alerts of it, 4 still open" in table
        assert "4 part of an outage or incident (--all shows them)" in table
        assert "part of" in desk.run("show", "cc01").out
        assert "db-2" in desk.run("show", root["fingerprint"][:8]).out


def test_nobody_at_work_is_said(desk: Desk) -> None:
    none = desk.run("list")
    assert (none.code, "No alert is known" in none.out) == (0, True)
    assert "no alert manager has written its state here yet" in none.err
    with desk.manager():
        desk.fire(FIRST, "web-1")
        desk.until(lambda alerts: len(alerts) == 1)
    late = desk.run("ack", "aa01", "--timeout", "300ms")
    assert late.code == 1
    assert "no alert manager took it up within 0.3 s" in late.err
    assert "fleetpulse alert-manager" in late.err
    assert late.out == ""
    sent = desk.run("ack", "aa01", "--no-wait", "--by", "bob")
    assert (sent.code, "sent, not waited for" in sent.out) == (0, True)
    with desk.manager():
        [alert] = desk.until(lambda alerts: alerts[0]["state"] == "acknowledged")
    assert alert["actor"] != "bob", "the first of two was carried out first"


def test_an_alert_that_ended_meanwhile_is_not_acknowledged(desk: Desk) -> None:
    with desk.manager():
        desk.fire(FIRST, "web-1", epoch=1)
        desk.until(lambda alerts: len(alerts) == 1)
    desk.publish([encoded(signal("resolved", time.time(), "web-1", fingerprint=FIRST, epoch=1))])
    with desk.manager():
        done = desk.run("ack", "aa01")
        while done.code == 0:
            done = desk.run("ack", "aa01")
    assert done.code in {1, 2}
    assert "has ended" in done.err


def test_a_manager_that_never_rests_can_be_looked_at(desk: Desk) -> None:
    async def look() -> dict[str, bytes]:
        client = producer(desk.broker.bootstrap, idempotent=False, linger_ms=0)
        await client.start()

        async def write() -> None:
            while True:
                await client.send_and_wait(ALERTS_CHANGELOG, b"{}", key=b"w/x", partition=0)

        writing = asyncio.create_task(write())
        try:
            async with asyncio.timeout(60):
                await client.send_and_wait(ALERTS_CHANGELOG, b"[]", key=b"w/y", partition=0)
                return await changelog.read(desk.broker.bootstrap)
        finally:
            writing.cancel()
            await asyncio.wait([writing])
            await client.stop()

    assert asyncio.run(look())["w/y"] == b"[]"
