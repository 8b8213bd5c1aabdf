"""`fleetpulse example-agent` works, answers, and reports what it did."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition

from infra.broker.interface import Broker
from infra.health.pulse import read_pulse
from infra.provisioning.plan import TopicPlan
from infra.provisioning.topics import provision
from infra.runtime import kafka
from schemas.catalogue import TOPICS
from schemas.record import decode_record
from schemas.registry import SchemaBook

COMMAND = [sys.executable, "-c", "from infra.cli.main import main; main()", "example-agent"]


async def create_topics(bootstrap: str) -> None:
    await provision(bootstrap, [TopicPlan(name, 1, 1) for name, topic in TOPICS.items() if not topic.derived])


async def read(bootstrap: str, published: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
    """The records that the account claims, by topic."""
    found: dict[str, list[dict[str, Any]]] = {}
    for topic, count in published.items():
        consumer = kafka.consumer(bootstrap)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, 0)])
            book, records = SchemaBook(TOPICS[topic].schema), found.setdefault(topic, [])
            while len(records) < count:
                for rows in (await consumer.getmany(timeout_ms=1_000)).values():
                    records += [decode_record(book, row.value) for row in rows]
        finally:
            await consumer.stop()
    return found


def test_it_answers_and_reports(broker_factory: Callable[[str], Broker], tmp_path: Path) -> None:
    broker = broker_factory("tansu")
    asyncio.run(create_topics(broker.bootstrap))
    root = tmp_path / "project"
    root.mkdir()
    (root / "README.md").write_text("Broken? Write to help@example.org about the broker.\n")
    env = os.environ | {"FLEETPULSE_BOOTSTRAP": broker.bootstrap, "FLEETPULSE_DATA_DIR": str(tmp_path)}
    once = [*COMMAND, "--root", str(root), "--once", "To whom does one write about a broker?"]
    done = subprocess.run(once, env=env, capture_output=True, check=True, timeout=120, text=True)
    assert "Write to [redacted] about the broker" in done.stdout
    (account_path,) = (tmp_path / "accounts").iterdir()
    account = json.loads(account_path.read_text())
    (session,) = account["sessions"]
    assert session["issued"] == session["acknowledged"] == sum(account["published"].values())
    records = asyncio.run(read(broker.bootstrap, account["published"]))
    (violation,) = records["fleet.violations"]
    assert (violation["action"], violation["severity"]) == ("redacted", "low")
    kinds = Counter(record["kind"] for record in records["fleet.lifecycle"])
    assert kinds["tool_executing"] == kinds["tool_completed"] == 2
    assert kinds["agent_started"] == kinds["agent_completed"] == kinds["message_sent"] == 1
    assert records["fleet.heartbeats"][-1]["status"] == "stopping"
    assert b"help@example.org" not in json.dumps(records, default=str).encode()


def test_it_works_until_it_is_asked_to_stop(broker_factory: Callable[[str], Broker], tmp_path: Path) -> None:
    broker = broker_factory("tansu")
    asyncio.run(create_topics(broker.bootstrap))
    env = os.environ | {"FLEETPULSE_BOOTSTRAP": broker.bootstrap, "FLEETPULSE_DATA_DIR": str(tmp_path)}
    pulse = tmp_path / "pulse.json"
    env["FLEETPULSE_PULSE_FILE"] = str(pulse)
    options = ["--every", "50ms"]
    with subprocess.Popen([*COMMAND, *options], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["event"] == "ready"
        asyncio.run(read(broker.bootstrap, {"fleet.runs": 40, "fleet.heartbeats": 2}))
        sign = read_pulse(pulse)
        assert sign is not None
        assert (sign.pid, sign.health, sign.progress > 0) == (child.pid, "healthy", True)
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=120) == 0
    assert not pulse.exists()
    (account_path,) = (tmp_path / "accounts").iterdir()
    (session,) = json.loads(account_path.read_text())["sessions"]
    assert session["issued"] == session["acknowledged"] > 100
