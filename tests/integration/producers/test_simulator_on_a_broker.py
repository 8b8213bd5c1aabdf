"""`fleetpulse simulate` against real brokers: what its account claims is there, numbered without a hole."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition

from infra.broker.interface import Broker
from infra.provisioning.plan import TopicPlan
from infra.provisioning.topics import provision
from infra.runtime import kafka
from producers.simulator.wire import TOPICS
from schemas.record import decode_record
from schemas.registry import SchemaBook, topic_schema

PARTITIONS = 3
COMMAND = [sys.executable, "-c", "from infra.cli.main import main; main()", "simulate"]


async def with_topics(broker: Broker) -> None:
    """The producers' topics on a broker of the test's own."""
    await provision(broker.bootstrap, [TopicPlan(topic, PARTITIONS, 1, -1, False) for topic in TOPICS])


def environment(tmp_path: Path, bootstrap: str) -> dict[str, str]:
    """Settings of the child; what it says of itself would stand between the events that its account claims."""
    given = {"FLEETPULSE_BOOTSTRAP": bootstrap, "FLEETPULSE_DATA_DIR": str(tmp_path), "FLEETPULSE_SELF_AUDIT": "false"}
    return os.environ | given


async def read_all(bootstrap: str, account: dict[str, Any]) -> list[dict[str, Any]]:
    """As many records of each topic as the account claims."""
    records = []
    for topic, count in account["published"].items():
        consumer = kafka.consumer(bootstrap)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, p) for p in range(PARTITIONS)])
            book, found = SchemaBook(topic_schema(topic).name), 0
            while found < count:
                for rows in (await consumer.getmany(timeout_ms=1_000)).values():
                    records += [decode_record(book, row.value) for row in rows]
                    found += len(rows)
            assert found == count
        finally:
            await consumer.stop()
    return records


def account_of(tmp_path: Path) -> dict[str, Any]:
    """The one account in the folder."""
    (path,) = (tmp_path / "accounts").iterdir()
    account: dict[str, Any] = json.loads(path.read_text())
    return account


@pytest.mark.parametrize(
    ("kind", "seconds", "incidents"),
    [pytest.param("tansu", 10, 13, marks=pytest.mark.fault), pytest.param("kafka", 3, 0, marks=pytest.mark.kafka)],
)
def test_what_the_account_claims_is_on_the_broker(
    broker_factory: Callable[[str], Broker], kind: str, seconds: int, incidents: int, tmp_path: Path
) -> None:
    broker = broker_factory(kind)
    asyncio.run(with_topics(broker))
    truth = tmp_path / "truth.json"
    options = ["--agents", "50", "--rate", "500", "--for", f"{seconds}s", "--truth", str(truth)]
    done = subprocess.run(
        [*COMMAND, *options], env=environment(tmp_path, broker.bootstrap), capture_output=True, check=True, timeout=120
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["ready", "done"]
    account = account_of(tmp_path)
    assert account["published"] == account["issued"]
    sent = sum(account["published"].values())
    assert sent == pytest.approx(500 * seconds, rel=0.3)
    # How long it took is the machine's doing: a tick that comes late is made up for.
    assert account["rate_achieved"] == pytest.approx(sent / account["seconds"], rel=0.01)
    assert account["seconds"] >= seconds - 0.2
    records = asyncio.run(read_all(broker.bootstrap, account))
    seqs: dict[str, list[int]] = {}
    for record in records:
        seqs.setdefault(record["session_id"], []).append(record["seq"])
    for session in account["sessions"]:
        assert sorted(seqs.pop(session["session_id"])) == list(range(session["acknowledged"]))
        assert session["issued"] == session["acknowledged"]
    assert not seqs
    told = json.loads(truth.read_text())
    assert len({incident["kind"] for incident in told["incidents"]}) == incidents
    assert all(
        told["started_at_us"] < i["started_at_us"] < i["ended_at_us"] <= told["ended_at_us"] + 1
        for i in told["incidents"]
    )


def test_a_signal_ends_it_cleanly_and_filling_counts(broker_factory: Callable[[str], Broker], tmp_path: Path) -> None:
    broker = broker_factory("tansu")
    asyncio.run(with_topics(broker))
    env = environment(tmp_path, broker.bootstrap)
    options = ["--agents", "20", "--rate", "200"]
    with subprocess.Popen([*COMMAND, *options], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["event"] == "ready"
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=120) == 0
    account = account_of(tmp_path)
    assert account["published"] == account["issued"]
    assert account["published"]["fleet.heartbeats"] >= 20
    fill = ["--fill", "fleet.metrics", "--events", "2500", "--agents", "100"]
    done = subprocess.run([*COMMAND, *fill], env=env, capture_output=True, check=True, timeout=120)
    assert json.loads(done.stdout)["events"] == 2_500


def test_the_truth_says_when_the_fleet_was_held_up(broker_factory: Callable[[str], Broker], tmp_path: Path) -> None:
    """A broker that stands still for a while makes beats late: that is the simulator's doing, not the agents'."""
    broker = broker_factory("tansu")
    asyncio.run(with_topics(broker))
    truth = tmp_path / "truth.json"
    options = ["--agents", "20", "--rate", "200", "--no-incidents", "--truth", str(truth)]
    env = environment(tmp_path, broker.bootstrap)
    with subprocess.Popen([*COMMAND, *options], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["event"] == "ready"
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            while not (truth.exists() and json.loads(truth.read_text())["held_up_us"]):
                assert child.poll() is None
                time.sleep(0.05)  # a file tells nobody
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=120) == 0
    told = json.loads(truth.read_text())
    (begin_us, end_us), *_ = told["held_up_us"]
    assert told["started_at_us"] - 1e6 <= begin_us <= end_us - 1e6


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    env = environment(tmp_path, "127.0.0.1:1")
    for options, word in (
        (["--for", "soon"], "--for"),
        (["--fill", "fleet.logs"], "--fill"),
        (["--for", "1s"], "127.0.0.1:1"),
    ):
        done = subprocess.run([*COMMAND, *options], env=env, capture_output=True, check=False, timeout=120)
        assert done.returncode == 2
        assert done.stderr.decode().splitlines()[-1].startswith("fleetpulse: ")
        assert word in done.stderr.decode()
        assert b"Traceback" not in done.stderr
