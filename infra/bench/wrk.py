"""wrk, the HTTP load generator (Debian's package), as a child: one route at a time, closed loop."""

from __future__ import annotations

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from infra.runtime.errors import FleetpulseError

_SCRIPT = Path(__file__).with_name("route.lua")
_GRACE_S = 30.0


@dataclass(frozen=True)
class Route:
    """What is asked for: `connections` at once, each with one request under way.

    `file`: lines that are bodies (`bodies`), ends of the path (`paths`), or a body as a whole (`whole`).
    """

    name: str
    method: str
    path: str
    file: Path
    kind: Literal["bodies", "paths", "whole"]
    connections: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """By wrk itself: requests a second, latencies in ms, answers that were no 2xx or 3xx, connections that failed."""

    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    refused: int
    failed: int


def find_wrk() -> str:
    """The path of wrk. Raises `FleetpulseError` that says how to get it."""
    found = shutil.which("wrk")
    if found is None:
        raise FleetpulseError("wrk, the HTTP load generator, is not installed", way_out="apt-get install wrk")
    return found


async def load(url: str, route: Route, seconds: int) -> Measured:
    """Put `route` of the server at `url` under load for some seconds. Raises `FleetpulseError` when wrk fails."""
    headers = [word for name, value in route.headers.items() for word in ("-H", f"{name}: {value}")]
    process = await asyncio.create_subprocess_exec(
        *(find_wrk(), "-t1", f"-c{route.connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(_SCRIPT)),
        *(*headers, url, "--", route.method, route.path, str(route.file), route.kind),
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(), seconds + _GRACE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise FleetpulseError(f"wrk failed: {errors.decode(errors='replace')[-300:]}", way_out="wrk --version")
    return read_report(out.decode(errors="replace"))


def read_report(text: str) -> Measured:
    """The line of JSON that `route.lua` writes at the end. Raises `FleetpulseError` where there is none."""
    last = text.strip().rpartition("\n")[2]
    try:
        said = json.loads(last)
    except ValueError as error:
        raise FleetpulseError(f"wrk said nothing that can be read: {last[:200]!r}") from error
    return Measured(
        requests=said["requests"],
        requests_per_s=round(said["requests"] / (said["took_us"] / 1e6), 1),
        p50_ms=said["p50_us"] / 1_000,
        p99_ms=said["p99_us"] / 1_000,
        max_ms=said["max_us"] / 1_000,
        refused=said["refused"],
        failed=said["failed"],
    )
