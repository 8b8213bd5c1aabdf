"""The lake writer's own word on its health, from the real one."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from lake_world import Source, create_catalogue

from infra.broker.interface import Broker
from infra.health import HealthStatus
from sinks.lake.health import LakeHealth
from sinks.lake.options import LakeOptions
from sinks.lake.service import LakeService


async def until(holds: Callable[[], bool], what: str, within_s: float = 60) -> None:
    """Wait for something that the service's own tasks bring about."""
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, what
        await asyncio.sleep(0.05)


async def test_idle_is_progress_and_a_disk_that_fails_is_told(
    broker_factory: Callable[[str], Broker], tmp_path: Path
) -> None:
    bootstrap = broker_factory("tansu").bootstrap
    await create_catalogue(bootstrap)
    lake = tmp_path / "lake"
    service = LakeService(LakeOptions(lake, bootstrap, flush_interval_s=0.2, compact=False))
    health = LakeHealth(service)
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(service.run(stop, lambda _: ready.set()))
    await ready.wait()
    before = health.progress()
    await until(lambda: health.progress() > before + 3, "progress without work")
    await Source(bootstrap).publish(3)
    await until(lambda: health.metrics()["rows_total"] > 0 and not health.metrics()["lag"], "rows")
    assert health.health().status is HealthStatus.HEALTHY
    shutil.rmtree(lake)
    lake.write_text("in the way")
    await Source(bootstrap).publish(3)
    await until(lambda: health.health().status is HealthStatus.DEGRADED, "trouble")
    assert "File exists" in health.health().reason
    stuck = health.progress()
    await asyncio.sleep(1.0)
    assert health.progress() == stuck
    lake.unlink()
    stop.set()
    await asyncio.wait({running})
