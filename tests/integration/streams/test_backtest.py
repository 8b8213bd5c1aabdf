"""`fleetpulse backtest` over a lake that a real writer wrote."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lake_world import create_catalogue, rows, until, writer
from stream_world import event

from infra.broker.interface import Broker
from infra.runtime.batch_send import partition_of
from infra.runtime.kafka import producer

SCRIPT = str(Path(sys.executable).with_name("fleetpulse"))
RULES = """
version: 1
rules:
  - {name: hot, kind: threshold, of: agents, metric: cpu_usage, above: 80, severity: warning}
"""


async def test_what_would_have_fired_on_what_landed(broker_factory: Callable[[str], Broker], tmp_path: Path) -> None:
    bootstrap, lake = broker_factory("tansu").bootstrap, tmp_path / "lake"
    await create_catalogue(bootstrap)
    async with writer(bootstrap, lake) as process:
        await process.ready()
        async with producer(bootstrap, idempotent=False) as client:
            for number, (agent, value) in enumerate([("a", 10.0), ("b", 95.0), ("c", 30.0)]):
                raw = event("fleet.metrics", agent, time.time(), seq=number, cpu_usage=value)
                to = partition_of(agent.encode(), 2)
                await client.send_and_wait("fleet.metrics", raw, key=agent.encode(), partition=to)
        await until(lambda: len(rows(lake, "metrics")) == 3, "three rows")
        assert await process.stop() == 0
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    command = [SCRIPT, "backtest", "--rules", str(rules), "--since", "1h", "--lake", str(lake), "--json"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    assert found["rows"] == 3
    assert found["rules"] == {"hot": {"matched": 0, "only_then": 0, "only_now": 1, "would_fire": 1}}
    assert [one["agent_id"] for one in found["only_now"]] == ["b"]
    assert b"1 of 1: " in done.stderr
