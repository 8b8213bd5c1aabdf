"""`fleetpulse bench alerts`: the whole way of an alert, on this machine, from an event to a webhook.

Events of fleet.metrics -> stream worker (a threshold without `for`) -> alert manager -> notifier -> a receiver on
loopback, each a process as `fleetpulse up` starts it. Every event is of another agent and fires, so as many alerts are
told as events come. `steady`: 1,000 a second, and how long each takes from the moment before it is sent. `burst`:
10,000 at once, and how many a second come out. Both with the default webhook (grouped by name), and with each alert a
message of its own. Correlation looks at every alert; the pack lets none begin an incident, for nobody is told of the
members of one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from infra.bench.children import cpu_s, quantiles_s, running, until
from infra.bench.pace import at_pace
from infra.bench.webhook_receiver import Received, receiving
from infra.runtime import console
from infra.runtime.batch_send import partition_of, send_records
from infra.runtime.kafka import AIOKafkaProducer, partition_counts, producer
from infra.runtime.settings import PREFIX
from schemas.record import encode_single_object
from schemas.registry import topic_schema

SOURCE, PER_S, STEADY_S, BURST = "fleet.metrics", 1_000.0, 15.0, 10_000
_PACK = """
version: 1
rules:
  - {name: cpu_high, kind: threshold, metric: cpu_usage, above: 80, clear: 75, severity: critical}
  - {name: memory_high, kind: threshold, metric: memory_usage, above: 85, clear: 80, for: 60s}
correlation: {window: 30s, least: 1000000}
"""
_CHANNELS = {"default": "", "one by one": ", group_by: [fingerprint], alerts_per_message: 1"}
_PROCESSES = ("stream-worker", "alert-manager", "notify")


class Events:
    """Publishes events that fire, each of an agent of its own."""

    def __init__(self, sender: AIOKafkaProducer, partitions: int) -> None:
        self._sender = sender
        self._partitions = partitions
        self._schema = topic_schema(SOURCE)
        self._number = 0

    def _event(self, agent: str) -> bytes:
        record = {
            "event_id": uuid4().bytes, "agent_id": agent, "user_id": "tenant", "timestamp": datetime.now(UTC),
            "deployment_id": f"deployment-{self._number % 100}", "session_id": f"bench/{agent}", "seq": 0,
            "cpu_usage": 97.0, "memory_usage": 40.0,
        }  # fmt: skip
        return encode_single_object(self._schema, record)

    async def at_once(self, count: int) -> dict[str, float]:
        """When each was sent, by agent; all are acknowledged."""
        rows, sent = [], {}
        for _ in range(count):
            self._number += 1
            agent = f"agent-{self._number}-{uuid4().hex[:8]}"
            value, key = self._event(agent), agent.encode()
            sent[agent] = time.time()
            rows.append((partition_of(key, self._partitions), key, value, int(sent[agent] * 1000)))
        await send_records(self._sender, SOURCE, rows)
        return sent


@asynccontextmanager
async def _system(bootstrap: str, folder: Path, url: str, channel: str) -> AsyncIterator[dict[str, int]]:
    """Process ids of worker, alert manager and notifier while the block runs."""
    (folder / "pack.yaml").write_text(_PACK, encoding="utf-8")
    (folder / "channels.yaml").write_text(
        f"version: 1\nchannels: [{{name: hook, kind: webhook, url: '{url}', allow_private: true{channel}}}]\n",
        encoding="utf-8",
    )
    more = {
        "stream-worker": ("--rules", str(folder / "pack.yaml")),
        "alert-manager": ("--rules", str(folder / "pack.yaml")),
        "notify": ("--channels", str(folder / "channels.yaml")),
    }
    environment = {f"{PREFIX}DATA_DIR": str(folder), f"{PREFIX}LOG_LEVEL": "warning"}
    async with contextlib.AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                running(folder / f"{name}.log", name, "--bootstrap", bootstrap, *more[name], environment=environment)
            )
            for name in _PROCESSES
        }


def _summary(sent: dict[str, float], received: Received) -> dict[str, Any]:
    came = received.first_s("agent_id")
    there = {agent: came[agent] for agent in sent if agent in came}
    last_s, first_s = max(there.values(), default=0.0), min(sent.values())
    return {
        "alerts": len(there),
        "missing": len(sent) - len(there),
        "alerts_per_s": round(len(there) / (last_s - first_s), 1) if there else 0.0,
        "latency_s": quantiles_s([at_s - sent[agent] for agent, at_s in there.items()]),
    }


async def _all_told(sent: dict[str, float], received: Received) -> None:
    await until(lambda: sent.keys() <= received.first_s("agent_id").keys(), 60.0, 0.1)


async def _measure_channel(bootstrap: str, folder: Path, events: Events, channel: str) -> dict[str, Any]:
    async with receiving() as received, _system(bootstrap, folder, received.url, channel) as processes:
        await _all_told(await events.at_once(200), received)  # what is compiled or connected at first use
        before_s = {name: cpu_s(pid) for name, pid in processes.items()}
        requests = len(received.requests)
        sent = await at_pace(events.at_once, PER_S, STEADY_S)
        await _all_told(sent, received)
        steady = _summary(sent, received) | {
            "requests": len(received.requests) - requests,
            "cpu_us_per_alert": {
                name: round((cpu_s(pid) - before_s[name]) / len(sent) * 1e6) for name, pid in processes.items()
            },
        }
        sent = await events.at_once(BURST)
        await _all_told(sent, received)
        return {"steady": steady, "burst": _summary(sent, received)}


async def measure(bootstrap: str, folder: Path) -> dict[str, Any]:
    """Both channels, one after the other, each with processes of its own."""
    sender = producer(bootstrap, idempotent=False, linger_ms=0)
    await sender.start()
    try:
        events = Events(sender, (await partition_counts(bootstrap))[SOURCE])
        return {name: await _measure_channel(bootstrap, folder, events, channel) for name, channel in _CHANNELS.items()}
    finally:
        await sender.stop()


def run() -> dict[str, Any]:
    """On a broker of its own, unless FLEETPULSE_BOOTSTRAP names one."""
    with (
        tempfile.TemporaryDirectory(prefix="fleetpulse-bench-") as name,
        console.broker(Path(name)) as (bootstrap, kind),
    ):
        console.run("topics", "create", "--broker", bootstrap)
        return asyncio.run(measure(bootstrap, Path(name))) | {"broker": kind, "cores": os.cpu_count()}


def main(json_output: bool) -> None:
    """Print the figures as a table, or as one JSON object."""
    found = run()
    if json_output:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    table = Table("", "alerts/s", "p50 s", "p99 s", "max s", "missing", box=None, header_style="dim")
    for channel in _CHANNELS:
        for what in ("steady", "burst"):
            row = found[channel][what]
            latency = (f"{row['latency_s'][q]:.3f}" for q in ("p50", "p99", "max"))
            table.add_row(f"{what}, {channel}", f"{row['alerts_per_s']:,.0f}", *latency, str(row["missing"]))
    terminal = Console()
    terminal.print(table)
    terminal.print(
        f"steady: {PER_S:,.0f} events/s, each fires; bar p99 < 1 s; broker {found['broker']}", highlight=False
    )
    for channel in _CHANNELS:
        terminal.print(f"CPU us an alert, {channel}: {found[channel]['steady']['cpu_us_per_alert']}", highlight=False)
