"""What the tests of several alert managers share: the command as a process, whose log says when it took over."""

from __future__ import annotations

import asyncio
import os
import signal as unix
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from infra.broker.interface import Broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.kafka import AIOKafkaProducer, consumer, producer
from infra.runtime.settings import load_settings
from schemas.record import decode_record
from schemas.registry import SchemaBook


async def create_topics(broker: Broker) -> None:
    """The catalogue, with two partitions."""
    await provision(broker.bootstrap, plan_topics(load_settings(partitions=2)))


class ManagerProcess:
    """`fleetpulse alert-manager` and what it has logged so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[str] = []
        self._more = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._more:
                self.log.append(line.decode())
                self._more.notify_all()

    async def logged(self, text: str, times: int = 1, within_s: float = 180) -> None:
        """Wait until so many lines of the log have `text`."""
        try:
            async with asyncio.timeout(within_s), self._more:
                await self._more.wait_for(lambda: sum(text in line for line in self.log) >= times)
        except TimeoutError as error:
            raise AssertionError(f"{text!r} was not logged: {''.join(self.log[-20:])}") from error

    async def took_over(self, times: int = 1, within_s: float = 180) -> None:
        """Wait until it took over so many times."""
        await self.logged("took over", times, within_s)

    @property
    def takeovers(self) -> int:
        """How often it took over so far."""
        return sum("took over" in line for line in self.log)

    async def stands_by(self) -> None:
        """Wait until it was told that another one works."""
        await self.logged("stands by")

    async def end(self, how: int = unix.SIGKILL) -> int:
        """Send a signal that ends it, if it has not ended; the exit status."""
        if self.process.returncode is None:
            self.process.send_signal(unix.SIGCONT)
            self.process.send_signal(how)
        status = await self.process.wait()
        await self._reading
        return status


@asynccontextmanager
async def manager_process(
    broker: Broker, rules: Path | None = None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[ManagerProcess]:
    """Started, and killed at the end unless it ended before."""
    given = ["--rules", str(rules)] if rules is not None else []
    own = {"FLEETPULSE_LOG_LEVEL": "info", "FLEETPULSE_SELF_AUDIT": "false"}
    found = ManagerProcess(
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from infra.cli.main import main; main()", "alert-manager",
            "--bootstrap", broker.bootstrap, *given,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **own, **(environment or {})},
        )
    )  # fmt: skip
    try:
        yield found
    finally:
        await found.end()
        # pytest shows it beside a failure.
        sys.stdout.write("".join([f"--- the log of {found.process.pid}\n", *found.log]))


@asynccontextmanager
async def sender(broker: Broker) -> AsyncIterator[AIOKafkaProducer]:
    """A plain producer."""
    client = producer(broker.bootstrap, idempotent=False, linger_ms=0)
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def publish(client: AIOKafkaProducer, values: Sequence[bytes]) -> None:
    """Signals, one after the other."""
    for value in values:
        await client.send_and_wait("fleet.signals", value, key=b"k", partition=0)


class Alerts:
    """Reads fleet.alerts from its beginning."""

    def __init__(self, broker: Broker) -> None:
        self._client = consumer(broker.bootstrap, "fleet.alerts", fetch_max_wait_ms=20)
        self._book = SchemaBook("alert")
        self.seen: list[dict[str, Any]] = []
        self.stamps: list[int] = []

    async def __aenter__(self) -> Alerts:
        await self._client.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.stop()

    async def until(
        self, enough: Callable[[list[dict[str, Any]]], bool], within_s: float = 120
    ) -> list[dict[str, Any]]:
        """Everything so far, once it is enough."""
        try:
            async with asyncio.timeout(within_s):
                while not enough(self.seen):
                    for records in (await self._client.getmany(timeout_ms=200)).values():
                        self.seen += [decode_record(self._book, record.value) for record in records]
                        self.stamps += [record.timestamp for record in records]
        except TimeoutError as error:
            ends = await self._client.end_offsets(self._client.assignment())
            raise AssertionError(f"after {within_s} s only {self.seen}, topic ends at {ends}") from error
        return self.seen

    async def count(self, number: int, within_s: float = 120) -> list[dict[str, Any]]:
        """Everything so far, once there are so many; what came twice counts once."""
        return await self.until(lambda seen: len({event["event_id"] for event in seen}) >= number, within_s)
