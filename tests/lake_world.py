"""What the lake's tests share: events with known ids, the real writer process, and the oracle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from infra.provisioning.plan import TopicPlan
from infra.provisioning.topics import provision
from infra.runtime.batch_send import partition_of, send_records
from infra.runtime.ids import event_id, new_session_bits
from infra.runtime.kafka import producer
from schemas.catalogue import TABLES, TOPICS
from schemas.record import encode_single_object
from schemas.registry import topic_schema
from sinks.lake.crash import VARIABLE
from sinks.lake.naming import visible_files

PARTITIONS = 2
HOUR_US = 3_600_000_000
FLEETPULSE = str(Path(sys.executable).with_name("fleetpulse"))


async def create_catalogue(bootstrap: str) -> None:
    """Every topic of the catalogue, two partitions each."""
    await provision(bootstrap, [TopicPlan(name, PARTITIONS, 1, -1, False) for name in TOPICS])


@dataclass
class Source:
    """Publishes numbered events of some agents over two topics and two hours; remembers what was acknowledged."""

    bootstrap: str
    agents: int = 20
    acknowledged: Counter[bytes] = field(default_factory=Counter)
    bad: int = 0
    _seq: Counter[int] = field(default_factory=Counter)
    _bits: int = field(default_factory=new_session_bits)
    # Of all its events, so that an hour that ends meanwhile makes no third folder.
    _began_us: int = field(default_factory=lambda: time.time_ns() // 1000)

    def record(self, agent: int, timestamp_us: int, topic: str) -> tuple[bytes, bytes, bytes]:
        """Id, key and message of an agent's next event."""
        seq = self._seq[agent]
        self._seq[agent] += 1
        identity = event_id(timestamp_us, self._bits + agent, seq)
        key = f"agent-{agent:04d}"
        envelope = {
            "event_id": identity, "agent_id": key, "user_id": "u", "deployment_id": None, "timestamp": timestamp_us,
            "session_id": f"{key}-{self._bits}", "seq": seq,
        }  # fmt: skip
        body = (
            {"trust_score": 0.5} if topic == "fleet.metrics" else {"status": "online", "version": "1", "uptime_s": 1.0}
        )
        return identity, key.encode(), encode_single_object(topic_schema(topic), _whole(topic, envelope | body))

    async def publish(self, rounds: int, *, twice_every: int = 0, bad_every: int = 0) -> None:
        """`rounds` events of every agent; some sent twice, some followed by bytes that nobody can read."""
        client = producer(self.bootstrap, idempotent=False)
        await client.start()
        try:
            for number in range(rounds):
                await self._round(client, number, twice_every, bad_every)
        finally:
            await client.stop()

    async def _round(self, client: object, number: int, twice_every: int, bad_every: int) -> None:
        by_topic: dict[str, list[tuple[int, bytes | None, bytes, int]]] = {"fleet.metrics": [], "fleet.heartbeats": []}
        ids = []
        for agent in range(self.agents):
            topic = "fleet.metrics" if (number + agent) % 3 else "fleet.heartbeats"
            # Every other round is an hour old: groups have several files.
            identity, key, value = self.record(agent, self._began_us - HOUR_US * (number % 2), topic)
            row = (partition_of(key, PARTITIONS), key, value, time.time_ns() // 1_000_000)
            by_topic[topic].append(row)
            ids.append(identity)
            if twice_every and (number * self.agents + agent) % twice_every == 0:
                by_topic[topic].append(row)
            if bad_every and (number * self.agents + agent) % bad_every == 0:
                by_topic[topic].append((row[0], key, b"\xc3\x01not an event", row[3]))
                self.bad += 1
        for topic, rows in by_topic.items():
            await send_records(client, topic, rows)
        self.acknowledged.update(ids)


def _whole(topic: str, given: dict[str, object]) -> dict[str, object]:
    fields = topic_schema(topic).raw["fields"]
    return {
        f["name"]: given.get(f["name"], [] if isinstance(f["type"], dict) and f["type"]["type"] == "array" else None)
        for f in fields
    }


def logs_beside(lake: Path) -> Path:
    """The nearest folder above the lake that is there."""
    return next(folder for folder in lake.parents if folder.is_dir())


class WriterProcess:
    """`fleetpulse lake write` as users start it."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log

    async def ready(self) -> dict[str, object]:
        """Its ready line."""
        assert self.process.stdout is not None
        async with asyncio.timeout(120):
            line = await self.process.stdout.readline()
        assert line, self.log.read_text()[-3000:]
        found: dict[str, object] = json.loads(line)
        return found

    async def died(self) -> int:
        """Wait for its end; its exit status."""
        async with asyncio.timeout(120):
            return await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM, then its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return await self.died()


@contextlib.asynccontextmanager
async def writer(
    bootstrap: str, lake: Path, *, crash_at: str = "", interval: str = "200ms", more: tuple[str, ...] = ()
) -> AsyncIterator[WriterProcess]:
    """A writer process; killed at the end of the block if it still lives."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLEETPULSE_")}
    environment["FLEETPULSE_SELF_AUDIT"] = "false"  # the topics hold what the test published, nothing else
    if crash_at:
        environment[VARIABLE] = crash_at
    log = logs_beside(lake) / f"writer-{time.monotonic_ns()}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            FLEETPULSE, "lake", "write", "--lake", str(lake), "--bootstrap", bootstrap,
            "--flush-interval", interval, *more,
            env=environment, stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    try:
        yield WriterProcess(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def compact(lake: Path, *, crash_at: str = "") -> int:
    """`fleetpulse lake compact --all`; its exit status."""
    environment = {**os.environ, VARIABLE: crash_at}
    process = await asyncio.create_subprocess_exec(
        FLEETPULSE, "lake", "compact", "--all", "--lake", str(lake), env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


def landed(lake: Path, tables: tuple[str, ...] = ("metrics", "heartbeats")) -> Counter[bytes]:
    """How often each event id stands in the visible files of some tables."""
    found: Counter[bytes] = Counter()
    for table in tables:
        for path in visible_files(lake, table):
            found.update(
                u.bytes for u in pq.read_table(path, columns=["event_id"], partitioning=None)["event_id"].to_pylist()
            )
    return found


def rows(lake: Path, table: str) -> list[dict[str, object]]:
    """Every visible row of a table."""
    assert table in {*TABLES, "duplicates"}
    return [r for path in visible_files(lake, table) for r in pq.read_table(path, partitioning=None).to_pylist()]


async def until(condition: Callable[[], bool], what: str, timeout_s: float = 120) -> None:
    """Wait for something that files show."""
    end = time.monotonic() + timeout_s
    while not _safely(condition):
        assert time.monotonic() < end, f"waited {timeout_s} s for {what}"
        await asyncio.sleep(0.1)


def _safely(condition: Callable[[], bool]) -> bool:
    """A file may go while its folder is read: then it is looked at again."""
    try:
        return condition()
    except FileNotFoundError:
        return False


async def landed_all(lake: Path, source: Source) -> None:
    """Wait until everything acknowledged stands in the lake, then hold the oracle against it."""
    await until(lambda: len(landed(lake)) >= len(source.acknowledged), f"{len(source.acknowledged)} events")


def assert_exactly_once(lake: Path, source: Source) -> None:
    """Each acknowledged id stands once; nothing that was not published stands there."""
    found = landed(lake)
    assert found == Counter(dict.fromkeys(source.acknowledged, 1))


def hour_of(moment_us: int) -> str:
    """The folders of an event time."""
    return datetime.fromtimestamp(moment_us / 1e6, tz=UTC).strftime("date=%Y-%m-%d/hour=%H")
