"""The watcher is watched: a stream worker that dies is told of by the alert manager, and so is its successor."""

from __future__ import annotations

import asyncio
import itertools
import signal as unix
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from manager_processes import Alerts, create_topics, manager_process, sender
from stream_world import event, worker

from infra.broker.interface import Broker
from infra.runtime.batch_send import partition_of
from infra.runtime.kafka import consumer
from schemas.record import decode_record
from schemas.registry import SchemaBook

pytestmark = [pytest.mark.fault, pytest.mark.timeout(480)]
RULES = """
version: 1
rules: []
watchdog: {every: 2s, channels: [switch]}
"""
PARTITIONS = {"partition:0", "partition:1"}


async def beats(broker: Broker) -> None:
    """One heartbeat of agents of both partitions: one without agents is not watched."""
    async with sender(broker) as client:
        for number in range(8):
            key = f"agent-{number}".encode()
            value = event("fleet.heartbeats", key.decode(), time.time())
            await client.send_and_wait("fleet.heartbeats", value, key=key, partition=partition_of(key, len(PARTITIONS)))


async def summaries_of(broker: Broker) -> None:
    """Wait until every partition has told how it stands."""
    client, book, seen = consumer(broker.bootstrap, "fleet.signals"), SchemaBook("signal"), set[str]()
    await client.start()
    try:
        while not seen >= PARTITIONS:
            for records in (await client.getmany(timeout_ms=500)).values():
                seen |= {decode_record(book, record.value)["agent_id"] for record in records}
    finally:
        await client.stop()


def silent(seen: list[dict[str, Any]], state: str) -> set[str]:
    return {e["agent_id"] for e in seen if e["name"] == "worker_silent" and e["state"] == state}


async def test_a_worker_that_dies_is_told_of_and_its_successor_too(
    broker_factory: Callable[[str], Broker], tmp_path: Path
) -> None:
    broker = broker_factory("tansu")
    await create_topics(broker)
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    async with manager_process(broker, rules) as manager, Alerts(broker) as alerts:
        await manager.took_over()
        async with worker(broker.bootstrap, tmp_path) as one:
            await beats(broker)
            async with asyncio.timeout(60):
                await summaries_of(broker)
            one.process.send_signal(unix.SIGKILL)
        seen = await alerts.until(lambda seen: silent(seen, "firing") >= PARTITIONS, within_s=120)
        assert all(e["severity"] == "critical" and e["suppressed_by"] is None for e in seen if e["name"] != "watchdog")
        stamps = [stamp for e, stamp in zip(seen, alerts.stamps, strict=True) if e["name"] == "watchdog"]
        gaps_s = sorted((after - before) / 1000 for before, after in itertools.pairwise(stamps))
        assert 1.5 <= gaps_s[len(gaps_s) // 2] < 10
        async with worker(broker.bootstrap, tmp_path):
            await alerts.until(lambda seen: silent(seen, "resolved") >= PARTITIONS, within_s=120)
