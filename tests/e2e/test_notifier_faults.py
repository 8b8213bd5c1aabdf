"""Faults 42 and 44: a notifier is killed between telling and recording, between recording and committing, and at a
moment of its own under load beside a second one. Alerts may come twice, never not at all.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alert_world import alert_bytes, publish
from notify_world import fingerprint, receiver

from infra.broker.interface import Broker
from infra.provisioning.plan import TopicPlan
from infra.provisioning.topics import provision
from infra.runtime.crash import VARIABLE

pytestmark = pytest.mark.fault
TOPICS = ("fleet.alerts", "fleet.deliveries", "fleet.deadletter")


async def _publish(bootstrap: str, *identities: str, partition: int = 0) -> None:
    await publish(bootstrap, "fleet.alerts", [alert_bytes(each) for each in identities], partition)


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
@pytest.mark.timeout(480)
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


@pytest.mark.parametrize("kind", ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
@pytest.mark.timeout(480)
async def test_one_of_two_is_killed_under_load(
    broker_factory: Callable[[str], Broker], tmp_path: Path, kind: str
) -> None:
    """Both share the partitions; alerts come all the while, also while nobody has those of the dead one."""
    bootstrap = broker_factory(kind).bootstrap
    await provision(bootstrap, [TopicPlan(name, 4, 1, -1, False) for name in TOPICS])
    rounds = [[fingerprint() for _ in range(40)] for _ in range(12)]
    names = {name for one in rounds for name in one}
    async with receiver() as there:
        channels = tmp_path / "channels.yaml"
        more = "allow_private: true, group_by: [fingerprint], alerts_per_message: 1"
        channels.write_text(f"version: 1\nchannels: [{{name: ops, kind: webhook, url: '{there.url}', {more}}}]\n")
        doomed, other = await asyncio.gather(*(_start(bootstrap, channels, "") for _ in range(2)))
        for number, one in enumerate(rounds):
            await _publish(bootstrap, *one, partition=number % 4)
            if number == 5:
                await there.wait_for(lambda: len(there.requests) > 0, 60)
                doomed.kill()
        await there.wait_for(lambda: {identity for identity, _ in there.told()} == names, 90)
        assert await doomed.wait() == -signal.SIGKILL
        other.send_signal(signal.SIGTERM)
        assert await other.wait() == 0
