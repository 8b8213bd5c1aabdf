"""Faults 11 to 15 for alert managers: killed, stopped past their session and continued; nothing missing, nothing twice
but with the same identifier, and no word of one that was replaced."""

from __future__ import annotations

import asyncio
import random
import signal as unix
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from manager_processes import Alerts, ManagerProcess, create_topics, manager_process, publish, sender
from manager_world import encoded, fingerprint, signal

from infra.broker.interface import Broker
from infra.runtime.batch_send import send_records
from infra.runtime.clock import SystemClock
from infra.runtime.kafka import AIOKafkaProducer, consumer
from schemas.record import UndecodableError
from schemas.registry import SchemaBook
from streams.manager import changelog, signals
from streams.manager.config import ManagerConfig
from streams.manager.core import decide
from streams.manager.model import Event
from streams.manager.reload import RulesFile
from streams.manager.service import SIGNALS
from streams.manager.signals import command
from streams.manager.state import State, restore

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]
Make = Callable[[str], Broker]


@pytest.fixture(params=["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
async def broker(request: pytest.FixtureRequest, broker_factory: Make) -> Broker:
    own = broker_factory(request.param)
    await create_topics(own)
    return own


def once(events: Sequence[Event]) -> list[Event]:
    """What is written twice counts once: a step that failed half-way is decided on again, with the same identifiers."""
    return list({event["event_id"]: event for event in events}.values())


async def settled(one: ManagerProcess, takeovers: int) -> None:
    """Wait until the group has told it that another works, or it took over once more than before."""
    waits = [asyncio.create_task(one.stands_by()), asyncio.create_task(one.took_over(takeovers + 1))]
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.wait(waits)
    for task in done:
        task.result()


async def test_one_that_is_killed_is_replaced_when_its_session_is_over(broker: Broker) -> None:
    async with sender(broker) as client, Alerts(broker) as alerts, manager_process(broker) as one:
        await one.took_over()
        async with manager_process(broker) as two:
            await settled(two, 0)
            works, waits = (two, one) if two.takeovers else (one, two)
            await publish(client, [encoded(signal("firing", time.time(), "x"))])
            await alerts.count(1)
            before = waits.takeovers
            await works.end(unix.SIGKILL)
            killed_s = time.monotonic()
            await publish(client, [encoded(signal("firing", time.time(), "y"))])
            await waits.took_over(before + 1)
            assert time.monotonic() - killed_s < 60
            await alerts.count(2)
    assert [event["agent_id"] for event in once(alerts.seen)] == ["x", "y"], "".join(one.log + two.log)


RULES = """
version: 1
rules: []
routes: [{steps: [{after: 0s, channels: [chat]}, {after: 45s, channels: [pager]}]}]
"""


async def test_one_that_slept_past_its_session_writes_nothing(broker: Broker, tmp_path: Path) -> None:
    """When it wakes its escalation is overdue, but its successor was told that somebody looks after the alert."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    async with sender(broker) as client, Alerts(broker) as alerts, manager_process(broker, rules) as one:
        await one.took_over()
        async with manager_process(broker, rules) as two:  # ready before the time runs: to start takes a while
            await settled(two, 0)
            works, waits = (two, one) if two.takeovers else (one, two)
            await publish(client, [encoded(signal("firing", time.time(), "x"))])
            await alerts.count(1)
            escalates_s = time.monotonic() + 45
            before, after = works.takeovers, waits.takeovers
            works.process.send_signal(unix.SIGSTOP)
            await waits.took_over(after + 1)
            silence = {"id": "night", "matchers": [["agent_id", "=", "y"]], "until_s": time.time() + 3600}
            ack = command("acknowledge", "ann", {"fingerprint": fingerprint("x", "cpu_high")})
            await publish(client, [ack, command("silence", "ann", silence)])
            await publish(client, [encoded(signal("firing", time.time(), "y"))])
            await alerts.count(3)
            # Only time makes the sleeper's timer due.
            await asyncio.sleep(max(escalates_s - time.monotonic(), 0) + 0.5)
            works.process.send_signal(unix.SIGCONT)
            await settled(works, before)
            await publish(client, [encoded(signal("firing", time.time(), "z"))])
            await alerts.count(4)
            state = restore(await changelog.read(broker.bootstrap))
    assert [(e["agent_id"], e["cause"]) for e in once(alerts.seen)] == [
        ("x", "began"), ("x", "acknowledged"), ("y", "began"), ("z", "began"),
    ], "".join(one.log + two.log)  # fmt: skip
    assert {alert.agent_id: alert.status for alert in state.alerts.values()} == {
        "x": "acknowledged", "y": "firing", "z": "firing",
    }  # fmt: skip
    assert list(state.silences) == ["night"]


AGENTS = 240
RANDOM = random.Random()
# An incident that has grown is told of again when a window has passed: nothing of that is due while the test runs, on a
# busy machine either, for what is expected is what the signals alone lead to.
CORRELATED = """
version: 1
rules: []
inhibit: [{source: {severity: critical}, target: {severity: warning}, equal: [agent_id]}]
correlation: {window: 30m, least: 5}
"""


def told_by_rules() -> list[list[dict[str, Any]]]:
    """Chunks of signals: every agent has two alerts, one becomes worse, one of three stays."""
    now_s = time.time()
    begun = [
        signal("firing", now_s, f"a{n}", name, host=f"h{n % 30}") for n in range(AGENTS) for name in ("x", f"y{n}")
    ]
    worse = [{**found, "severity": "critical"} for found in begun[::4]]
    ended = [
        {**found, "kind": "resolved", "ends_at": found["timestamp"]} for number, found in enumerate(begun) if number % 3
    ]
    told = begun + worse + ended
    return [told[at : at + 100] for at in range(0, len(told), 100)]


async def expected_events(broker: Broker, config: ManagerConfig) -> tuple[State, dict[bytes, Event]]:
    """What the pure core makes of fleet.signals as it stands on the broker, by event id."""
    state, events, book = State(), {}, SchemaBook("signal")
    client = consumer(broker.bootstrap, "fleet.signals")
    await client.start()
    try:
        [end] = (await client.end_offsets([SIGNALS])).values()
        while state.position < end:
            for record in (await client.getmany(SIGNALS, timeout_ms=500)).get(SIGNALS, ()):
                state.position = record.offset + 1
                try:
                    found = signals.decode(book, record.value)
                except UndecodableError:
                    continue
                decision = decide(config, state, found, record.timestamp / 1000)
                events |= {event["event_id"]: event for event in decision.events}
    finally:
        await client.stop()
    return state, events


async def drained(broker: Broker, position: int) -> State:
    """The manager's state, once it contains every signal."""
    async with asyncio.timeout(120):
        while (state := restore(await changelog.read(broker.bootstrap))).position < position:  # noqa: ASYNC110  # another process's progress has no event
            await asyncio.sleep(0.2)
    return state


async def publish_at_once(client: AIOKafkaProducer, found: Sequence[Mapping[str, Any]]) -> None:
    """Many signals, in their order."""
    records: list[tuple[int, bytes | None, bytes, int]] = [
        (0, b"k", encoded(one), round(time.time() * 1000)) for one in found
    ]
    await send_records(client, "fleet.signals", records)


async def test_nothing_is_missing_wherever_it_is_killed(broker: Broker, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(CORRELATED)
    chunks = told_by_rules()
    async with sender(broker) as client:
        for point in ("alerts_before_state:3", "alerts_before_commit:3"):
            async with manager_process(broker, rules, {"FLEETPULSE_CRASH_AT": point}) as doomed:
                await publish_at_once(client, chunks.pop(0))
                await doomed.took_over()
                await publish_at_once(client, chunks.pop(0))
                async with asyncio.timeout(120):
                    while doomed.process.returncode is None:
                        await client.send_and_wait("fleet.signals", b"no signal", key=b"k", partition=0)
                        await asyncio.sleep(0.1)
                assert doomed.process.returncode == -unix.SIGKILL
        for _ in range(2):
            async with manager_process(broker, rules) as doomed:
                await doomed.took_over()
                sending = asyncio.create_task(publish_at_once(client, chunks.pop(0)))
                await asyncio.sleep(RANDOM.uniform(0.0, 0.1))
                await doomed.end(unix.SIGKILL)
                await sending
        async with manager_process(broker, rules) as last, Alerts(broker) as alerts:
            for chunk in chunks:
                await publish_at_once(client, chunk)
            await last.took_over()
            state, expected = await expected_events(broker, RulesFile(rules, SystemClock()).current())
            found = await drained(broker, state.position)
            seen = await alerts.until(lambda seen: {e["event_id"] for e in seen} >= expected.keys())
    assert {e["event_id"] for e in seen} == expected.keys()
    assert len({(e["session_id"], e["seq"]) for e in seen}) == len(expected)
    assert {name: alert.status for name, alert in found.alerts.items()} == {
        name: alert.status for name, alert in state.alerts.items()
    }
    assert len(state.alerts) > 2 * AGENTS
