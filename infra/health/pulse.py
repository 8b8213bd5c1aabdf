"""A sign of life for whoever started the process: a small file, written every second from the process's own loop.

Heartbeats go by the broker, so a supervisor that waited for them would take a broker that is away for a hundred hung
processes. This one needs nothing but a folder: it stands still only when the loop does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.health.component import MonitorableComponent
from infra.health.registry import health_of
from infra.runtime.logs import get_logger

PULSE_EVERY_S = 1.0
_log = get_logger("health")


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a process is: `beats` counts what it wrote, `health` is healthy, degraded or failed, `reason` why."""

    pid: int
    beats: int
    health: str
    reason: str
    progress: int


def read_pulse(file: Path) -> Pulse | None:
    """What a process wrote last; None when nothing is there that can be read."""
    try:
        return Pulse(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _write(component: MonitorableComponent, file: Path, beats: int) -> None:
    health = health_of(component)
    pulse = Pulse(os.getpid(), beats, health.status.name.lower(), health.reason, component.progress())
    temporary = file.with_name(f".{file.name}.{pulse.pid}")
    temporary.write_text(json.dumps(asdict(pulse)))
    temporary.replace(file)


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):  # a sign that stays says of which process it was
        file.unlink(missing_ok=True)


async def _keep(component: MonitorableComponent, file: Path) -> None:
    beats, broken = 0, False
    while True:
        beats += 1
        try:
            _write(component, file, beats)
            broken = False
        except OSError as error:
            if not broken:
                _log.warning("no sign of life can be written", file=str(file), error=str(error))
            broken = True
        await asyncio.sleep(PULSE_EVERY_S)


@contextlib.asynccontextmanager
async def pulsing(component: MonitorableComponent, file: Path) -> AsyncIterator[None]:
    """Write signs of life of `component` to `file` while the block runs; a disk that is full is told once."""
    running = asyncio.create_task(_keep(component, file), name="pulse")
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})
        _remove(file)
