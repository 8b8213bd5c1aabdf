"""Processes of a benchmark."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from infra.runtime import console
from infra.runtime.errors import FleetpulseError
from infra.supervisor.child import die_with_parent

_READY_S = 60.0
_STOP_S = 20.0


class Child(NamedTuple):
    """A process that is ready, and what its ready line said."""

    pid: int
    ready: dict[str, Any]


@asynccontextmanager
async def running(log: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[int]:
    """`fleetpulse ARGUMENTS` from its ready line on while the block runs; its process id. Errors go to `log`.

    Raises `FleetpulseError` with the end of the log when it does not get ready.
    """
    async with child(log, *arguments, environment=environment) as started:
        yield started.pid


@asynccontextmanager
async def child(log: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Child]:
    """`running`, with what the ready line said."""
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *console.command(*arguments),
            stdout=PIPE,
            stderr=errors,
            env=os.environ | (environment or {}),
            preexec_fn=die_with_parent(),
        )
    assert process.stdout is not None
    drained: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(_READY_S):
            line = await process.stdout.readline()
        said = _ready(line)
        if said is None:
            raise FleetpulseError(
                f"{arguments[0]} did not get ready: {_last_words(log)}", way_out=f"fleetpulse {arguments[0]} --help"
            )
        drained = asyncio.create_task(process.stdout.read())
        yield Child(process.pid, said)
    finally:
        await _stop(process)
        if drained is not None:
            await drained


def _last_words(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-500:]


def _ready(line: bytes) -> dict[str, Any] | None:
    try:
        said: Any = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and said.get("event") == "ready" else None


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def until(condition: Callable[[], bool], within_s: float, every_s: float = 0.02) -> bool:
    """Whether `condition` came true in time; it is asked again and again."""
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + within_s
    while not condition():
        if loop.time() > ends_s:
            return False
        await asyncio.sleep(every_s)
    return True


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a living process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quantiles_s(values: list[float]) -> dict[str, float]:
    """p50, p99 and the greatest, seconds."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": 0.0, "p99": 0.0, "max": 0.0}
    at = {"p50": 0.50, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(q * len(ordered)))], 4) for name, q in at.items()}


def resident_bytes(pid: int) -> int:
    """Memory of a living process that is in RAM (Linux)."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
