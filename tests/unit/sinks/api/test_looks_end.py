"""What looks at the lake's newest files ends while it looks: its thread goes on, though nobody waits for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from api_world import Api, ago_us, api
from web_world import until


async def test_a_memory_lets_go_while_it_is_being_read(tmp_path: Path) -> None:
    async with api(tmp_path) as found:
        _fill(found)
        looking = asyncio.create_task(found.world.recent.look())
        await until(found.world.recent._reading.locked)
        looking.cancel()
        found.world.recent.close()
        with pytest.raises(asyncio.CancelledError):
            await looking


async def test_the_pulse_lets_go_while_it_is_being_read(tmp_path: Path) -> None:
    async with api(tmp_path) as found:
        _fill(found)
        looking = asyncio.create_task(found.world.overviews.pulse.look())
        await until(found.world.overviews.pulse._reading.locked)
        looking.cancel()
        found.world.overviews.pulse.close()
        with pytest.raises(asyncio.CancelledError):
            await looking


def _fill(found: Api) -> None:
    for table in ("heartbeats", "metrics", "violations"):
        rows = [{"agent_id": f"a{n}", "user_id": "acme", "timestamp": ago_us(seconds=n)} for n in range(500)]
        found.lake.add(table, rows)
