"""The peer of the dashboard: a bare page of NiceGUI, the framework that was recommended, with one label on it.

It is a script for an interpreter of its own, so that this package does not import the framework.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from infra.bench.api_peer import listens
from infra.bench.children import Child, until
from infra.broker.ports import free_port
from infra.runtime.errors import FleetpulseError
from infra.supervisor.child import die_with_parent

WORD = "ready-to-be-read"
_SOURCE = f"""
import sys

from nicegui import ui


@ui.page("/")
def page() -> None:
    ui.label("{WORD}")


if __name__ == "__main__":
    ui.run(host="127.0.0.1", port=int(sys.argv[1]), show=False, reload=False)
"""
_WITHIN_S = 120.0


@asynccontextmanager
async def bare_page(folder: Path) -> AsyncIterator[Child]:
    """The peer while the block runs; its URL is in what it says. Raises `FleetpulseError` when it does not start."""
    script = folder / "bare_page.py"
    script.write_text(_SOURCE, encoding="utf-8")
    port = free_port()
    with (folder / "bare_page.log").open("wb") as log:  # it complains of every browser that leaves
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(script), str(port)), stdout=DEVNULL, stderr=log, preexec_fn=die_with_parent()
        )
    try:
        if not await until(lambda: process.returncode is not None or listens(port), _WITHIN_S) or process.returncode:
            raise FleetpulseError("NiceGUI does not start", way_out="pip install 'fleetpulse[dashboard]'")
        yield Child(process.pid, {"url": f"http://127.0.0.1:{port}"})
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
