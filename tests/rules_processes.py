"""Stream workers and an alert manager as processes over a file of rules; events in, alerts out."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stream_world import FLEETPULSE, create_topics, event

from infra.runtime.batch_send import partition_of
from infra.runtime.kafka import AIOKafkaProducer, consumer, producer
from schemas.catalogue import TOPICS
from schemas.record import decode_record
from schemas.registry import SchemaBook

PARTITIONS = 2
Row = dict[str, Any]


@dataclass
class Process:
    """One command; its ready line has been read."""

    process: asyncio.subprocess.Process
    log: Path

    def logged(self) -> str:
        """What it wrote to its log."""
        return self.log.read_text()

    async def until_logged(self, text: str, within_s: float = 120) -> str:
        """The first line of the log with a text."""
        async with asyncio.timeout(within_s):
            while text not in self.logged():  # noqa: ASYNC110  # a file tells nobody
                await asyncio.sleep(0.05)
        return next(line for line in self.logged().splitlines() if text in line)

    async def stop(self) -> int:
        """SIGTERM, then its exit status."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(120):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def running(
    folder: Path, *command: str, ready: bool = True, self_audit: bool = False, **more: str
) -> AsyncIterator[Process]:
    """A command of ours, ready; killed at the end of the block if it still lives."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLEETPULSE_")}
    environment |= {"FLEETPULSE_SELF_AUDIT": str(self_audit).lower()} | more
    log = folder / f"{command[0]}-{time.monotonic_ns()}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            FLEETPULSE, *command, env=environment, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
    try:
        if ready:
            assert process.stdout is not None
            async with asyncio.timeout(120):  # several that start at once on a machine with other work took 40 s
                line = await process.stdout.readline()
            assert line, log.read_text()[-3000:]
            assert json.loads(line)["event"] == "ready"
        yield Process(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass
class Fleet:
    """Sends events of agents, each with the next number of its session."""

    client: AIOKafkaProducer
    _seq: itertools.count[int] = field(default_factory=itertools.count)

    async def send(self, topic: str, agent: str, at_s: float | None = None, **more: object) -> None:
        """One event, acknowledged; now unless said otherwise."""
        raw = event(topic, agent, time.time() if at_s is None else at_s, seq=next(self._seq), **more)
        key = agent.encode()
        await self.client.send_and_wait(topic, raw, key=key, partition=partition_of(key, PARTITIONS))

    async def metrics(self, agent: str, at_s: float | None = None, **more: Any) -> None:  # noqa: ANN401  # fields
        """fleet.metrics; `custom` by name."""
        custom = [{"name": name, "value": value} for name, value in more.pop("custom", {}).items()]
        await self.send("fleet.metrics", agent, at_s, custom=custom, **more)

    async def beat(self, *agents: str, status: str = "healthy", **more: Any) -> None:  # noqa: ANN401  # fields
        """fleet.heartbeats."""
        for agent in agents:
            await self.send("fleet.heartbeats", agent, status=status, interval_s=60.0, **more)


@contextlib.asynccontextmanager
async def fleet(bootstrap: str) -> AsyncIterator[Fleet]:
    """A sender of events."""
    async with producer(bootstrap, idempotent=False, linger_ms=0) as client:
        yield Fleet(client)


class Reader:
    """Reads topics from their beginning, in the order of arrival."""

    def __init__(self, bootstrap: str, *topics: str) -> None:
        self._client = consumer(bootstrap, *topics, fetch_max_wait_ms=50)
        self._books = {topic: SchemaBook(TOPICS[topic].schema) for topic in topics}
        self.rows: list[Row] = []

    async def until(self, holds: Callable[[list[Row]], object], within_s: float = 120) -> list[Row]:
        """Read on until what was read satisfies a condition."""
        end_s = time.monotonic() + within_s
        while not holds(self.rows):
            assert time.monotonic() < end_s, f"not within {within_s} s: {[_brief(row) for row in self.rows]}"
            for tp, records in (await self._client.getmany(timeout_ms=100)).items():
                self.rows += [decode_record(self._books[tp.topic], record.value) for record in records]
        return self.rows

    async def quiet(self, seconds: float) -> list[Row]:
        """What has come once nothing more came for so long."""
        before = -1
        while before != len(self.rows):
            before, end_s = len(self.rows), time.monotonic() + seconds
            with contextlib.suppress(AssertionError):
                await self.until(lambda rows, n=before: len(rows) > n, end_s - time.monotonic())
        return self.rows

    async def fires(self, name: str, within_s: float = 120) -> Row:
        """The first firing of a rule."""
        rows = await self.until(lambda rows: of(rows, name), within_s)
        return of(rows, name)[0]

    async def ends(self, name: str, within_s: float = 120) -> Row:
        """The first end of a rule's alert."""
        rows = await self.until(lambda rows: of(rows, name, "resolved"), within_s)
        return of(rows, name, "resolved")[0]


def of(rows: list[Row], name: str, state: str = "firing") -> list[Row]:
    """Rows of alerts of a rule in a state."""
    return [row for row in rows if row.get("name") == name and row.get("state") == state]


def _brief(row: Row) -> tuple[object, ...]:
    return row["agent_id"], row.get("name"), row.get("state"), row.get("cause")


@contextlib.asynccontextmanager
async def alerts(bootstrap: str, *topics: str) -> AsyncIterator[Reader]:
    """A reader of fleet.alerts, or of other topics."""
    reader = Reader(bootstrap, *(topics or ("fleet.alerts",)))
    async with reader._client:
        yield reader


@contextlib.asynccontextmanager
async def judged(
    bootstrap: str, folder: Path, rules: str, *, workers: int = 1, self_audit: bool = False
) -> AsyncIterator[tuple[Path, list[Process], Process]]:
    """Topics, workers and an alert manager that follow a file of rules: the file, the workers, the manager."""
    await create_topics(bootstrap, PARTITIONS)
    file = folder / "rules.yaml"
    file.write_text(rules)
    options = ("--bootstrap", bootstrap, "--rules", str(file))
    async with contextlib.AsyncExitStack() as stack:
        own = [running(folder, "stream-worker", *options, self_audit=self_audit) for _ in range(workers)]
        own.append(running(folder, "alert-manager", *options, self_audit=self_audit))
        started = await asyncio.gather(*(stack.enter_async_context(one) for one in own))
        yield file, started[:-1], started[-1]
