"""Channels side by side on a real broker: a bad one holds nobody up, nothing is lost, everything is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from alert_world import NOW, alert_bytes, notifying
from alert_world import publish as publish_to
from notify_world import Receiver, fingerprint, receiver, silent, status

from infra.broker.interface import Broker
from infra.runtime.kafka import consumer
from schemas.record import decode_record
from schemas.registry import SchemaBook
from sinks.notify.notifier import Notifier, NotifierConfig
from sinks.notify.settings import WebhookSettings


async def publish(config: NotifierConfig, values: Sequence[bytes], partition: int = 0, age_s: float = 0.0) -> None:
    await publish_to(config.bootstrap, config.topic, values, partition, age_s)


async def recorded(config: NotifierConfig, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Records of deliveries, once there are enough."""
    reader = consumer(config.bootstrap, config.delivery_topic)
    await reader.start()
    found: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(60):
            while not enough(found):
                polled = await reader.getmany(timeout_ms=200)
                found += [decode_record(SchemaBook("delivery"), r.value) for rs in polled.values() for r in rs]
    finally:
        await reader.stop()
    return found


def running(config: NotifierConfig, **channels: dict[str, Any]) -> AbstractAsyncContextManager[Notifier]:
    """Webhooks by name, impatient ones."""
    retry = {"first_s": 0.05, "longest_s": 0.2}
    return notifying(
        config,
        *(
            WebhookSettings(**({"name": name, "kind": "webhook", "allow_private": True, "retry": retry} | fields))
            for name, fields in channels.items()
        ),
    )


@pytest.fixture
async def config(tansu: Broker, fresh_topics: Callable[..., Awaitable[list[str]]]) -> NotifierConfig:
    topics = await fresh_topics(tansu, "alerts", "deadletter", "deliveries", partitions=2)
    return NotifierConfig(tansu.bootstrap, f"g-{uuid4().hex}", "earliest", *topics, session_timeout_ms=4_000)


def firing(there: Receiver) -> set[str]:
    return {identity for identity, state in there.told() if state == "firing"}


async def test_bad_channels_hold_nobody_up_and_everything_is_recorded(config: NotifierConfig) -> None:
    names = [fingerprint() for _ in range(5)]
    async with (
        receiver() as good,
        receiver(silent) as stuck,
        receiver(status(404)) as gone,
        receiver(status(500), status(429, "Retry-After: 1\r\n"), status(200)) as shaky,
    ):
        await publish(config, [alert_bytes(name) for name in names])
        await publish(
            config, [alert_bytes("5" * 32, suppressed_by="silence:1"), alert_bytes("6" * 32, receivers=["no"])]
        )
        async with running(
            config, good={"url": good.url}, stuck={"url": stuck.url, "timeout_s": 0.3}, gone={"url": gone.url},
            shaky={"url": shaky.url},
        ) as notifier:  # fmt: skip
            await good.wait_for(lambda: firing(good) == set(names))
            await shaky.wait_for(lambda: len(shaky.requests) >= 3)
            outcomes = await recorded(
                config,
                lambda found: (
                    {"unknown_channel", "suppressed"} <= {r["outcome"] for r in found}
                    and sum(r["outcome"] == "dead" for r in found) == 5
                    and sum(r["channel"] == "shaky" and r["outcome"] == "delivered" for r in found) == 5
                    and any(r["channel"] == "stuck" for r in found)
                ),
            )
            assert notifier.statistics["stuck"].delivered == 0
    by_channel = {
        c: {r["outcome"] for r in outcomes if r["channel"] == c} for c in ("good", "stuck", "gone", "shaky", "no")
    }
    assert by_channel == {
        "good": {"delivered", "suppressed"}, "stuck": {"failed", "suppressed"}, "gone": {"dead", "suppressed"},
        "shaky": {"failed", "delivered", "suppressed"}, "no": {"unknown_channel"},
    }  # fmt: skip
    assert not any("T0KEN" in str(record) or "secret" in str(record) for record in outcomes)


async def test_old_alerts_do_not_flood_at_a_cold_start(config: NotifierConfig) -> None:
    over, still, new = fingerprint(), fingerprint(), fingerprint()
    async with receiver() as there:
        old = [alert_bytes(over), alert_bytes(over, "resolved", ends_at=NOW), alert_bytes(still), alert_bytes(still)]
        await publish(config, old, age_s=7_200)
        await publish(config, [alert_bytes(new)], partition=1)
        async with running(config, ops={"url": there.url}):
            await there.wait_for(lambda: firing(there) >= {still, new})
            outcomes = await recorded(config, lambda found: len(found) == 5)
    assert sorted(there.told()) == sorted([(still, "firing"), (new, "firing")])
    assert {r["outcome"] for r in outcomes if r["fingerprint"] == over} == {"suppressed"}
    assert {r["group_key"] for r in outcomes if r["fingerprint"] == still} >= {"backlog"}


async def test_the_end_is_told_to_those_who_were_told_and_to_nobody_else(config: NotifierConfig) -> None:
    named, everybody = fingerprint(), fingerprint()
    told = [alert_bytes(named, receivers=["oncall"]), alert_bytes(named, "resolved", ends_at=NOW, receivers=["oncall"])]
    told += [alert_bytes(everybody), alert_bytes(everybody, "resolved", ends_at=NOW)]
    async with receiver() as ops, receiver() as oncall:
        await publish(config, told)
        async with running(config, ops={"url": ops.url}, oncall={"url": oncall.url, "default": False}):
            await ops.wait_for(lambda: (everybody, "resolved") in ops.told())
            await oncall.wait_for(lambda: (named, "resolved") in oncall.told())
    assert {identity for identity, _ in ops.told()} == {everybody}
    assert {identity for identity, _ in oncall.told()} == {named}


async def test_two_notifiers_share_and_one_takes_over(config: NotifierConfig) -> None:
    names = [[fingerprint() for _ in range(20)] for _ in range(3)]
    async with receiver() as there, running(config, ops={"url": there.url}) as first:
        async with running(config, ops={"url": there.url}) as second:
            for round_names in names[:2]:
                await publish(config, [alert_bytes(n) for n in round_names[:10]], partition=0)
                await publish(config, [alert_bytes(n) for n in round_names[10:]], partition=1)
            await there.wait_for(lambda: firing(there) >= {*names[0], *names[1]})
            assert first.statistics["ops"].failed == second.statistics["ops"].failed == 0
        await publish(config, [alert_bytes(n) for n in names[2]], partition=1)
        await there.wait_for(lambda: firing(there) >= set(names[2]))


async def test_the_rate_is_kept_and_what_waits_is_told_together(config: NotifierConfig) -> None:
    names = [fingerprint() for _ in range(30)]
    async with receiver() as there:
        rate = {"per_minute": 60, "burst": 1}
        async with running(config, ops={"url": there.url, "rate": rate}):
            for name in names:
                await publish(config, [alert_bytes(name)])
            await there.wait_for(lambda: firing(there) == set(names))
    assert len(there.requests) < len(names)


async def test_a_thousand_alerts_come_through(config: NotifierConfig) -> None:
    """Not a measurement: `fleetpulse notify` on a loaded machine still has to get there."""
    names = [fingerprint() for _ in range(1_000)]
    async with receiver() as there:
        await publish(config, [alert_bytes(name) for name in names])
        async with running(replace(config), ops={"url": there.url}):
            await there.wait_for(lambda: firing(there) == set(names))
    assert len(there.requests) < 100
