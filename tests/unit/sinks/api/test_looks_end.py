"""What looks at the lake's newest files ends while it looks: its thread goes on, though nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from api_world import Api, ago_us, api
from web_world import until


class Held:
    """A look that waits in its thread, so that it goes on for sure when it is ended, however fast the machine is."""

    def __init__(self, read: Callable[..., object]) -> None:
        self._read = read
        self._goes_on = threading.Event()
        self.began = threading.Event()
        self.is_over = False

    def __call__(self, *given: object) -> object:
        """As what is held."""
        self.began.set()
        assert self._goes_on.wait(60)
        found = self._read(*given)
        self.is_over = True
        return found

    def goes_on_soon(self) -> None:
        """From another thread: who waits for the look to end blocks this one."""
        threading.Timer(0.05, self._goes_on.set).start()


async def test_a_memory_lets_go_while_it_is_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with api(tmp_path) as found:
        _fill(found)
        recent = found.world.recent
        await recent.look()
        _fill(found)
        held = Held(recent._read_files)
        monkeypatch.setattr(recent, "_read_files", held)
        looking = asyncio.create_task(recent.look())
        await until(held.began.is_set)
        looking.cancel()
        held.goes_on_soon()
        recent.close()
        assert held.is_over
        with pytest.raises(asyncio.CancelledError):
            await looking


async def test_the_pulse_lets_go_while_it_is_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with api(tmp_path) as found:
        _fill(found)
        pulse = found.world.overviews.pulse
        await pulse.look()
        _fill(found)
        held = Held(pulse._found_in_files)
        monkeypatch.setattr(pulse, "_found_in_files", held)
        looking = asyncio.create_task(pulse.look())
        await until(held.began.is_set)
        looking.cancel()
        held.goes_on_soon()
        pulse.close()
        assert held.is_over
        with pytest.raises(asyncio.CancelledError):
            await looking


def _fill(found: Api) -> None:
    for table in ("heartbeats", "metrics", "violations"):
        rows = [{"agent_id": f"a{n}", "user_id": "acme", "timestamp": ago_us(seconds=n)} for n in range(500)]
        found.lake.add(table, rows)
