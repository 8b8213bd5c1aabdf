"""Gateways over a real broker: in this process or as processes of their own, with keys in the topic."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from lake_world import FLEETPULSE

from infra.access import Role, make_key
from infra.access.secret import server_secret
from infra.access.topic import write
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.kafka import TopicPartition, consumer, partition_counts
from infra.runtime.settings import load_settings
from infra.web.options import load_options
from infra.web.serve import serving
from producers.gateway import service
from producers.gateway.config import GatewayConfig
from producers.gateway.publisher import PublisherConfig
from schemas.catalogue import TOPICS
from schemas.record import decode_record
from schemas.registry import SchemaBook

Row = dict[str, Any]


async def create_topics(bootstrap: str) -> None:
    """All topics, two partitions each."""
    await provision(bootstrap, plan_topics(load_settings(partitions=2)))


@dataclass
class GatewayWorld:
    """A broker with our topics and a folder with the server's secret."""

    bootstrap: str
    folder: Path

    async def key(self, role: Role, tenant: str | None, *agents: str) -> dict[str, str]:
        """The header of a new key, which gateways will know in a moment."""
        secret = server_secret(self.folder, self.bootstrap)
        text, record = make_key(secret, name="test", role=role, tenant=tenant, agents=agents, now_s=time.time())
        await write(self.bootstrap, {record.lookup: record.model_dump_json().encode()})
        return {"X-API-Key": text}

    @contextlib.asynccontextmanager
    async def served(self, *, patient: bool = True, **more: Any) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ANN401  # fields of the settings
        """A gateway in this process, connected, and a client of it.

        A `patient` one does not take a broker that is slow, as all are on a busy machine, for one that is away.
        """
        web = load_options("FLEETPULSE_TEST_", port=0)
        # One that is not connected by then serves all the same, and says 503.
        settings = {"name": "gate-1", "start_within_s": 120.0} | more
        config = GatewayConfig(self.bootstrap, self.folder, web, self.folder / "lake", **settings)
        publishing = partial(PublisherConfig, give_up_s=50, stalled_after_s=50, request_timeout_s=45)
        with pytest.MonkeyPatch.context() as patch:
            if patient:
                patch.setattr(service, "PublisherConfig", publishing)
            async with self._serving(config) as client:
                yield client

    @contextlib.asynccontextmanager
    async def _serving(self, config: GatewayConfig) -> AsyncIterator[httpx.AsyncClient]:
        async with (
            service.gateway(config) as served,
            serving(served.door) as listening,
            httpx.AsyncClient(base_url=listening.url, timeout=120) as client,
        ):
            yield client

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[GatewayProcess]:
        """A gateway as a process, ready; killed at the end of the block if it still lives."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLEETPULSE_")}
        environment["FLEETPULSE_SELF_AUDIT"] = "false"
        command = [FLEETPULSE, "gateway", "--port", "0", "--bootstrap", self.bootstrap, "--data-dir", str(self.folder)]
        log = self.folder / f"gateway-{time.monotonic_ns()}.log"
        with log.open("wb") as errors:
            running = await asyncio.create_subprocess_exec(
                *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=errors
            )
        try:
            assert running.stdout is not None
            async with asyncio.timeout(120):
                line = await running.stdout.readline()
            assert line, log.read_text()[-3000:]
            yield GatewayProcess(running, json.loads(line)["url"], log)
        finally:
            if running.returncode is None:
                running.kill()
                await running.wait()

    async def read(self, topic: str) -> list[Row]:
        """What a topic holds now, decoded."""
        counts = await partition_counts(self.bootstrap)
        partitions = [TopicPartition(topic, number) for number in range(counts[topic])]
        book = SchemaBook(TOPICS[topic].schema)
        reader = consumer(self.bootstrap, fetch_max_wait_ms=100)
        await reader.start()
        found: list[Row] = []
        try:
            reader.assign(partitions)
            await reader.seek_to_beginning(*partitions)
            ends = await reader.end_offsets(partitions)
            while any([await reader.position(each) < end for each, end in ends.items()]):
                for records in (await reader.getmany(timeout_ms=200)).values():
                    found += [decode_record(book, record.value) for record in records]
        finally:
            await reader.stop()
        return found


@dataclass
class GatewayProcess:
    """One `fleetpulse gateway`."""

    running: asyncio.subprocess.Process
    url: str
    log: Path

    async def kill(self) -> None:
        """SIGKILL."""
        self.running.send_signal(signal.SIGKILL)
        await self.running.wait()

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.running.send_signal(signal.SIGTERM)
        async with asyncio.timeout(120):
            return await self.running.wait()
