"""A file of rules that changes under a worker and an alert manager that run: good, bad, gone, back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rules_processes import Row, alerts, fleet, judged, of

from infra.broker.interface import Broker

FIRST = """version: 1
rules:
  - {name: hot, kind: threshold, metric: cpu_usage, above: 80}
  - {name: few, kind: fleet, measure: online_share, below: 0.1, least: 1}
"""
SECOND = """version: 1
rules:
  - {name: hot, kind: threshold, metric: cpu_usage, above: 50}
  - {name: full, kind: threshold, metric: disk_usage, above: 90}
  - {name: few, kind: fleet, measure: online_share, below: 0.9, least: 1}
"""
BAD = SECOND.replace("above: 90", "above: lots")


def _problem(rows: list[Row], process: str, value: float) -> bool:
    """Whether the newest word of a process says so of its rules, by its beats and its metrics."""
    own = [row for row in rows if row["agent_id"].startswith(f"fleetpulse:{process}:")]
    said: list[float] = [c["value"] for row in own for c in row.get("custom", ()) if c["name"] == "rules_problem"]
    beats: list[Any] = [row["status"] for row in own if "status" in row]
    return said[-1:] == [value] and beats[-1:] == ["degraded" if value else "healthy"]


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_good_bad_gone_and_back(broker_factory: Callable[[str], Broker], tmp_path: Path) -> None:
    bootstrap = broker_factory("tansu").bootstrap
    async with (
        judged(bootstrap, tmp_path, FIRST, self_audit=True) as (file, [worker], manager),
        fleet(bootstrap) as agents,
        alerts(bootstrap) as told,
        alerts(bootstrap, "fleet.heartbeats", "fleet.metrics") as own,
    ):
        await agents.beat("a", "b")
        await agents.beat("b", status="failed")
        await agents.metrics("a", cpu_usage=60.0, disk_usage=95.0)
        await agents.metrics("b", cpu_usage=90.0)
        await told.fires("hot")

        file.write_text(SECOND)
        assert (await told.fires("few"))["value"] == 0.5
        await worker.until_logged("rules in force")
        await agents.metrics("a", cpu_usage=60.0, disk_usage=95.0)
        await told.fires("full")
        assert {row["agent_id"] for row in of(told.rows, "hot")} == {"a", "b"}

        file.write_text(BAD)
        for process in (worker, manager):
            line = await process.until_logged("the old ones stay")
            assert f"{file}:4:" in line
            assert "rules[full].above" in line
        await own.until(lambda rows: _problem(rows, "stream-worker", 1.0) and _problem(rows, "alert-manager", 1.0))
        await agents.metrics("b", disk_usage=97.0)
        await told.until(lambda rows: len(of(rows, "full")) == 2)

        file.unlink()
        for process in (worker, manager):
            await process.until_logged("No such file")
        await agents.metrics("c", disk_usage=97.0)
        await told.until(lambda rows: len(of(rows, "full")) == 3)

        file.write_text(FIRST)
        await told.ends("full")
        await told.ends("few")
        await own.until(lambda rows: _problem(rows, "stream-worker", 0.0) and _problem(rows, "alert-manager", 0.0))
        assert {row["agent_id"] for row in of(told.rows, "full", "resolved")} <= {"a", "b", "c"}
        assert await worker.stop() == 0
        assert await manager.stop() == 0
