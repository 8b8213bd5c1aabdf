"""Self-audit on real brokers: beats, numbers without holes, a broker that is away; a stopped process is missed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.broker.interface import Broker
from infra.health import Component, Health, HealthStatus, publisher, publishing
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.columnar_fetch import fetch_columns
from infra.runtime.kafka import consumer, partition_counts
from infra.runtime.settings import load_settings
from schemas.catalogue import TOPICS
from schemas.record import decode_record
from schemas.registry import SchemaBook

FLEETPULSE = str(Path(sys.executable).with_name("fleetpulse"))
Row = dict[str, Any]


class Work(Component):
    """A component that a test moves."""

    def __init__(self) -> None:
        super().__init__("work")
        self.now = Health()
        self.done = 0

    def health(self) -> Health:
        return self.now

    def progress(self) -> int:
        return self.done

    def metrics(self) -> Mapping[str, float]:
        return {"done_total": self.done, "lag": 1.0}


class Watch:
    """Reads topics into rows, in the order of arrival within a topic's partition."""

    def __init__(self, bootstrap: str, *topics: str) -> None:
        self._client = consumer(bootstrap, *topics)
        self._books = {topic: SchemaBook(TOPICS[topic].schema) for topic in topics}
        self.rows: list[Row] = []

    async def until(self, holds: Callable[[list[Row]], bool], within_s: float = 120) -> list[Row]:
        """Read on until the rows so far satisfy a condition."""
        end_s = time.monotonic() + within_s
        while not holds(self.rows):
            assert time.monotonic() < end_s, f"not within {within_s} s; read {self.rows[-3:]}"
            for tp, columns in (await fetch_columns(self._client, timeout_s=0.2)).items():
                self.rows += [decode_record(self._books[tp.topic], raw) for raw in columns.values]
        return self.rows

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, bootstrap: str, *topics: str) -> AsyncIterator[Watch]:
        watch = cls(bootstrap, *topics)
        await watch._client.start()
        try:
            yield watch
        finally:
            await watch._client.stop()


async def served(broker_factory: Callable[[str], Broker]) -> Broker:
    broker = broker_factory("tansu")
    await provision(broker.bootstrap, plan_topics(load_settings(partitions=2)))
    return broker


def numbers(rows: list[Row]) -> list[int]:
    return sorted(row["seq"] for row in rows)


def just_made(rows: list[Row], least: int, within_s: float) -> bool:
    """Whether whole rounds have come, a beat and metrics each, and the last of them was made a moment ago."""
    newest = max((row["timestamp"] for row in rows), default=datetime.fromtimestamp(0, UTC))
    return len(rows) >= least and len(rows) % 2 == 0 and datetime.now(UTC) - newest < timedelta(seconds=within_s)


async def test_a_session_of_beats_and_metrics(
    broker_factory: Callable[[str], Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "_LAST_BEAT_WITHIN_S", 60.0)  # seconds that a busy machine may need
    broker = await served(broker_factory)
    work = Work()
    async with Watch.of(broker.bootstrap, "fleet.heartbeats", "fleet.metrics") as watch:
        async with publishing(work, broker.bootstrap, process="test", instance="one", interval_s=0.3):
            await watch.until(lambda rows: len(rows) >= 4)
            work.now, work.done = Health(HealthStatus.DEGRADED, "slow"), 5
            work.tell(work.now)
            await watch.until(lambda rows: any(row.get("status") == "degraded" for row in rows))
        # Its metrics are in another topic: they may be read after it.
        rows = await watch.until(
            lambda rows: len(rows) in {r["seq"] + 1 for r in rows if r.get("status") == "stopping"}
        )
    assert numbers(rows) == list(range(len(rows)))
    assert {row["agent_id"] for row in rows} == {"fleetpulse:test:one"}
    beats = [row for row in rows if "status" in row]
    assert beats[-1]["status"] == "stopping"
    assert beats[-1]["seq"] == len(rows) - 1
    assert [beat["progress"] for beat in beats][-1] == 5
    assert any(metric["name"] == "lag" for row in rows for metric in row.get("custom", []))


async def test_who_was_started_again_says_how_often_and_since_when_it_runs(
    broker_factory: Callable[[str], Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = await served(broker_factory)
    monkeypatch.setenv("FLEETPULSE_RESTARTS", "2")
    async with (
        Watch.of(broker.bootstrap, "fleet.metrics") as watch,
        publishing(Work(), broker.bootstrap, process="test", instance="one", interval_s=3600),
    ):
        [row] = await watch.until(lambda rows: len(rows) == 1)
    assert {"name": "restarts", "value": 2.0} in row["custom"]
    assert row["uptime"] >= 0


async def test_a_health_that_changes_is_told_at_once(broker_factory: Callable[[str], Broker]) -> None:
    broker = await served(broker_factory)
    work = Work()
    async with (
        Watch.of(broker.bootstrap, "fleet.heartbeats") as watch,
        publishing(work, broker.bootstrap, process="test", instance="one", interval_s=3600),
    ):
        await watch.until(lambda rows: len(rows) == 1)
        work.now = Health(HealthStatus.FAILED, "gone")
        await watch.until(lambda rows: rows[-1]["status"] == "failed")


async def test_a_broker_that_is_away_disturbs_nobody_and_leaves_no_hole(
    broker_factory: Callable[[str], Broker],
) -> None:
    broker = await served(broker_factory)
    # What the broker took and nobody has read goes with it: the next round has to be far away when it is killed.
    async with publishing(Work(), broker.bootstrap, process="test", instance="one", interval_s=2):
        async with Watch.of(broker.bootstrap, "fleet.heartbeats", "fleet.metrics") as watch:
            await watch.until(lambda rows: just_made(rows, 4, within_s=1))
            broker.kill()
            seen = set(numbers(watch.rows))
        await asyncio.sleep(1.0)
        broker.restart()
        async with Watch.of(broker.bootstrap, "fleet.heartbeats", "fleet.metrics") as watch:
            rows = await watch.until(lambda rows: bool(rows) and len(seen | set(numbers(rows))) >= 8)
    seen |= set(numbers(rows))
    assert seen == set(range(max(seen) + 1))


async def test_without_its_topics_nothing_is_published_and_none_is_made(
    broker_factory: Callable[[str], Broker],
) -> None:
    broker = broker_factory("tansu")
    async with publishing(Work(), broker.bootstrap, process="test", instance="one", interval_s=0.2):
        await asyncio.sleep(0.6)
    assert "fleet.heartbeats" not in await partition_counts(broker.bootstrap)


@contextlib.asynccontextmanager
async def process(folder: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A `fleetpulse` process that has said that it is ready; killed at the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLEETPULSE_")}
    environment = kept | {"FLEETPULSE_SELF_AUDIT_INTERVAL_S": "0.3", "FLEETPULSE_DATA_DIR": str(folder)}
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            FLEETPULSE, *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    try:
        assert child.stdout is not None
        async with asyncio.timeout(60):
            line = await child.stdout.readline()
        assert line, (folder / f"{arguments[0]}.log").read_text()[-3000:]
        assert json.loads(line)["event"] == "ready"
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def says(agent: str, status: str) -> Callable[[list[Row]], bool]:
    return lambda rows: any(row["agent_id"].startswith(agent) and row["status"] == status for row in rows)


@pytest.mark.fault
async def test_a_lake_writer_that_is_stopped_is_missed_and_one_that_goes_on_is_seen(
    broker_factory: Callable[[str], Broker], tmp_path: Path
) -> None:
    """The watcher is watched: the stream worker sees the lake writer's silence, and the alert of it."""
    broker = await served(broker_factory)
    where = ("--bootstrap", broker.bootstrap)
    async with (
        process(tmp_path, "stream-worker", *where),
        process(tmp_path, "alert-manager", *where),
        process(tmp_path, "lake", "write", *where) as writer,
        Watch.of(broker.bootstrap, "fleet.status") as status,
        Watch.of(broker.bootstrap, "fleet.alerts") as alerts,
    ):
        await status.until(says("fleetpulse:lake-writer:", "online"))
        await status.until(says("fleetpulse:stream-worker:", "online"))
        writer.send_signal(signal.SIGSTOP)
        await status.until(says("fleetpulse:lake-writer:", "offline"))
        await alerts.until(lambda rows: any(row["name"] == "agent_offline" for row in rows))
        known = len(status.rows)
        writer.send_signal(signal.SIGCONT)
        await status.until(lambda rows: says("fleetpulse:lake-writer:", "online")(rows[known:]))
