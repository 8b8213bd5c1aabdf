"""Fault 42: the notifier is killed between telling and recording, and between recording and committing.

Alerts may come twice, never not at all.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from notify_world import fingerprint, receiver

from infra.broker.interface import Broker
from infra.provisioning.plan import TopicPlan
from infra.provisioning.topics import provision
from infra.runtime.crash import VARIABLE
from infra.runtime.kafka import producer
from schemas.record import encode_single_object
from schemas.registry import topic_schema

pytestmark = pytest.mark.fault
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TOPICS = ("fleet.alerts", "fleet.deliveries", "fleet.deadletter")


async def _publish(bootstrap: str, identity: str) -> None:
    record = {
        "event_id": uuid4().bytes, "agent_id": "a", "user_id": "", "timestamp": NOW, "session_id": "s", "seq": 0,
        "fingerprint": identity, "epoch": 1, "state": "firing", "name": "cpu_high", "severity": "warning",
        "summary": "s", "starts_at": NOW, "oldest_source_timestamp": NOW, "labels": [], "evidence": [],
    }  # fmt: skip
    sender = producer(bootstrap, idempotent=False)
    await sender.start()
    try:
        await sender.send_and_wait("fleet.alerts", encode_single_object(topic_schema("fleet.alerts"), record), key=b"a")
    finally:
        await sender.stop()


async def _start(bootstrap: str, channels: Path, crash_at: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from infra.cli.main import main; main()",
        "notify", "--bootstrap", bootstrap, "--from", "earliest", "--channels", str(channels),
        stdout=subprocess.PIPE, env=os.environ | {VARIABLE: crash_at, "FLEETPULSE_LOG_LEVEL": "error"},
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert json.loads(await process.stdout.readline())["event"] == "ready"
    return process


@pytest.mark.parametrize("point", ["notify.sent", "notify.recorded"])
@pytest.mark.timeout(150)
async def test_killed_after_telling(broker_factory: Callable[[str], Broker], tmp_path: Path, point: str) -> None:
    bootstrap = broker_factory("tansu").bootstrap
    await provision(bootstrap, [TopicPlan(name, 2, 1, -1, False) for name in TOPICS])
    names = [fingerprint() for _ in range(3)]
    async with receiver() as there:
        channels = tmp_path / "channels.yaml"
        channels.write_text(
            f"version: 1\nchannels: [{{name: ops, kind: webhook, url: '{there.url}', allow_private: true}}]\n"
        )
        for name in names[:2]:
            process = await _start(bootstrap, channels, point)
            await _publish(bootstrap, name)
            async with asyncio.timeout(60):
                assert await process.wait() == -signal.SIGKILL
        process = await _start(bootstrap, channels, "")
        await _publish(bootstrap, names[2])
        await there.wait_for(lambda: {identity for identity, _ in there.told()} == set(names))
        await there.wait_for(lambda: len(there.told()) > len(names))
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
