"""`fleetpulse backtest` over a lake that a real writer wrote."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
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


@pytest.mark.slow
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
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True, timeout=150)
    found = json.loads(done.stdout)
    assert found["rows"] == 3
    assert found["rules"] == {"hot": {"matched": 0, "only_then": 0, "only_now": 1, "would_fire": 1}}
    assert [one["agent_id"] for one in found["only_now"]] == ["b"]
    assert done.stderr == b""
    done = await asyncio.to_thread(subprocess.run, command[:-1], capture_output=True, check=True, timeout=150)
    assert b"100% up to " in done.stderr.splitlines()[-1]
    brief = [*command, "--examples", "0", "--json-progress"]
    done = await asyncio.to_thread(subprocess.run, brief, capture_output=True, check=True, timeout=150)
    assert (json.loads(done.stdout)["only_now"], list(json.loads(done.stdout)["per_hour"])) == ([], ["hot"])
    last = json.loads(done.stderr.splitlines()[-1])
    assert (last["event"], last["rows"], last["share"], last["left_s"]) == ("progress", 3, 1.0, 0.0)
