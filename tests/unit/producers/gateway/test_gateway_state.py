"""What a gateway says of itself and of the lake."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from infra.access import KeyDirectory
from infra.health import HealthStatus
from producers.gateway.health import GatewayHealth
from producers.gateway.ingest import Ingest
from producers.gateway.owners import Owners
from producers.gateway.publisher import Publisher, PublisherConfig
from producers.gateway.sessions import Sessions
from producers.gateway.state import GatewayState


def state_of(lake: Path | None) -> GatewayState:
    ingest = Ingest(Publisher(PublisherConfig("127.0.0.1:1")), Sessions("one"), "gate", Owners())
    return GatewayState(ingest, KeyDirectory(bytes(32), []), asyncio.Event(), "1", lake)


async def test_the_lake_is_as_old_as_its_newest_hour(tmp_path: Path) -> None:
    assert state_of(None).lake_health()["status"] == "unknown"
    assert state_of(tmp_path).lake_health()["reason"] == "nothing has landed yet"
    for table, date, age_s in (
        ("heartbeats", "2026-01-01", 10),
        ("heartbeats", "2026-01-02", 500),
        ("metrics", "2026-01-01", 60),
    ):
        folder = tmp_path / table / f"date={date}" / "hour=07"
        folder.mkdir(parents=True)
        os.utime(folder, (time.time() - age_s,) * 2)
    found = state_of(tmp_path).lake_health()
    assert found["status"] == "healthy"
    landed_s_ago = found["last_landed_s_ago"]
    assert isinstance(landed_s_ago, float)
    assert 59 < landed_s_ago < 400, "of the newest hours, which are 500 and 60 s old, the one that changed last"


async def test_it_is_degraded_with_the_reason_until_it_can_take_something() -> None:
    state = state_of(None)
    component = GatewayHealth(state)
    assert component.health().reason == "whose agents are whose is not read yet"
    state.owners_ready.set()
    assert (component.health().status, component.health().reason) == (
        HealthStatus.DEGRADED,
        "the broker does not answer",
    )
    assert component.progress() == component.progress() == 0
    state.ingest.publisher.link.ready.set()
    assert component.health().status is HealthStatus.HEALTHY
    assert component.progress() < component.progress()
