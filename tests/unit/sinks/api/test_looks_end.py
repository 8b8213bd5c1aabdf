"""What looks at the lake's newest files ends while it looks: its thread goes on, though nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from api_world import Api, ago_us, api
from web_world import until

from sinks.api.live.recent import Recent
from sinks.api.overview.pulse import Pulse


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


@pytest.mark.parametrize("which", ["memory", "pulse"])
async def test_one_lets_go_while_it_is_being_read(which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with api(tmp_path) as found:
        _fill(found)
        readers: dict[str, tuple[Recent | Pulse, str]] = {
            "memory": (found.world.recent, "_read_files"),
            "pulse": (found.world.overviews.pulse, "_found_in_files"),
        }
        reader, look = readers[which]
        await reader.look()
        _fill(found)
        held = Held(getattr(reader, look))
        monkeypatch.setattr(reader, look, held)
        looking = asyncio.create_task(reader.look())
        await until(held.began.is_set)
        looking.cancel()
        held.goes_on_soon()
        reader.close()
        assert held.is_over
        with pytest.raises(asyncio.CancelledError):
            await looking


def _fill(found: Api) -> None:
    for table in ("heartbeats", "metrics", "violations"):
        rows = [{"agent_id": f"a{n}", "user_id": "acme", "timestamp": ago_us(seconds=n)} for n in range(500)]
        found.lake.add(table, rows)
