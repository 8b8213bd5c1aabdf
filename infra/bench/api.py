"""`fleetpulse bench api`: the doors under load, while the pipeline behind them runs.

1. A broker, a stream worker and a lake writer of our own; gateway and API, one process each; keys.
2. wrk puts one route after the other under load, closed loop, in some short rounds; beside each the peer, an
   application that reads the body and answers 202. Latencies and rates are wrk's own; the median of the rounds counts.
3. What the servers say of themselves: processor time, memory, and the times in their /metrics.
4. `fleetpulse bench policies` and `fleetpulse bench sdk`, for the bars of the SDK.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from infra.bench.api_load import BATCH_LINES, NAMES, PREFIX, TENANT, ingest_routes, status_route
from infra.bench.api_peer import doing_nothing
from infra.bench.api_show import judge, show
from infra.bench.children import Child, child, cpu_s, resident_bytes, running
from infra.bench.prometheus import mean_ms
from infra.bench.wrk import Measured, Route, find_wrk, load
from infra.runtime import console
from infra.runtime.errors import FleetpulseError
from infra.runtime.settings import PREFIX as VARIABLES

ROUND_S, WARM_UP_S = 4, 1
_KNOWN_WITHIN_S = 30.0
_UNLIMITED = ("--port", "0", "--rate-per-key", "1000000", "--rate-per-address", "1000000")


class Doors(NamedTuple):
    """The servers under test, and the peer."""

    gateway: Child
    api: Child
    peer: Child


async def _start(parts: AsyncExitStack, bootstrap: str, folder: Path) -> Doors:
    at, data, lake = ("--bootstrap", bootstrap), ("--data-dir", str(folder)), ("--lake", str(folder / "lake"))
    await parts.enter_async_context(running(folder / "lake.log", "lake", "write", *at, *lake))
    await parts.enter_async_context(running(folder / "worker.log", "stream-worker", *at))
    gateway = child(folder / "gateway.log", "gateway", *at, *data, *_UNLIMITED)
    api = child(folder / "api.log", "api", *at, *data, *lake, *_UNLIMITED)
    return Doors(
        await parts.enter_async_context(gateway),
        await parts.enter_async_context(api),
        await parts.enter_async_context(doing_nothing(folder)),
    )


def _key(bootstrap: str, *scope: str) -> str:
    made = console.run("keys", "create", "--bootstrap", bootstrap, "--tenant", TENANT, "--json", *scope)
    key: str = json.loads(made)["key"]
    return key


def _get(url: str, key: str | None = None) -> tuple[int, str]:
    asked = urllib.request.Request(url, headers={} if key is None else {"X-API-Key": key})  # noqa: S310  # our own server
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310  # the same
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


async def _until_known(url: str, key: str) -> None:
    """Every agent that beat has come through the pipeline to the API's memory."""
    deadline_s = asyncio.get_running_loop().time() + _KNOWN_WITHIN_S
    for name in NAMES:
        while True:
            status, said = await asyncio.to_thread(_get, f"{url}/api/agents/status/{name}", key)
            if status == 200:
                break
            if asyncio.get_running_loop().time() > deadline_s:
                raise FleetpulseError(f"the API does not know {name}: {status} {said[:200]}")
            await asyncio.sleep(0.1)


class Round(NamedTuple):
    """What wrk measured, and the processor time of the server for each request."""

    measured: Measured
    cpu_us_per_request: float


async def _round(server: Child, route: Route) -> Round:
    before_s = cpu_s(server.pid)
    measured = await load(server.ready["url"], route, ROUND_S)
    return Round(measured, (cpu_s(server.pid) - before_s) * 1e6 / max(1, measured.requests))


def _median(rounds: list[Round]) -> dict[str, Any]:
    """Of each figure the median of the rounds; requests, refusals and failures added up."""
    rows = [asdict(each.measured) | {"cpu_us_per_request": each.cpu_us_per_request} for each in rounds]
    added = {"requests", "refused", "failed"}
    figures = {name: sum(r[name] for r in rows) for name in added}
    figures |= {name: round(statistics.median(r[name] for r in rows), 3) for name in rows[0].keys() - added}
    return {name: figures[name] for name in rows[0]} | {"p99_ms_rounds": [row["p99_ms"] for row in rows]}


async def _route(door: Child, peer: Child, route: Route, rounds: int) -> dict[str, Any]:
    """Door and peer in turns, so that both see the same weather."""
    await load(door.ready["url"], route, WARM_UP_S)
    ours, theirs = list[Round](), list[Round]()
    for _ in range(rounds):
        ours.append(await _round(door, route))
        theirs.append(await _round(peer, route))
    found = _median(ours) | {"connections": route.connections, "peer": _median(theirs)}
    if route.name == "batch":
        found["events_per_s"] = round(found["requests_per_s"] * BATCH_LINES)
    return found


def _own_figures(door: Child, name: str) -> dict[str, Any]:
    _, text = _get(f"{door.ready['url']}/metrics")
    return {
        "cpu_s": round(cpu_s(door.pid), 1),
        "resident_bytes": resident_bytes(door.pid),
        "mean_ms": mean_ms(text, f"fleetpulse_{name}_request_seconds"),
    }


async def measure(bootstrap: str, folder: Path) -> dict[str, Any]:
    """All routes, one after the other, and what the servers say of themselves."""
    rounds = int(os.environ.get(f"{VARIABLES}BENCH_ROUNDS", "3"))
    async with AsyncExitStack() as parts:
        doors = await _start(parts, bootstrap, folder)
        writes = _key(bootstrap, "--name", "bench writer", "--role", "ingest", "--agent", f"{PREFIX}*")
        reads = _key(bootstrap, "--name", "bench reader", "--role", "viewer")
        routes = {}
        for route in ingest_routes(folder, writes):
            routes[route.name] = await _route(doors.gateway, doors.peer, route, rounds)
        await _until_known(doors.api.ready["url"], reads)
        status = status_route(folder, reads)
        routes["status"] = await _route(doors.api, doors.peer, status, rounds)
        processes = {"gateway": _own_figures(doors.gateway, "gateway"), "api": _own_figures(doors.api, "api")}
    return {"rounds": rounds, "round_s": ROUND_S, "routes": routes, "processes": processes}


def run() -> dict[str, Any]:
    """On a broker of its own, unless FLEETPULSE_BOOTSTRAP names one; policies and SDK after it."""
    find_wrk()
    with tempfile.TemporaryDirectory(prefix="fleetpulse-bench-") as name:
        os.environ[f"{VARIABLES}DATA_DIR"] = name
        with console.broker(Path(name)) as (bootstrap, kind):
            console.run("topics", "create", "--broker", bootstrap)
            found = asyncio.run(measure(bootstrap, Path(name))) | {"broker": kind}
    found |= {each: json.loads(console.run("bench", each, "--json")) for each in ("policies", "sdk")}
    return found | {"bars": judge(found)}


def main(json_output: bool) -> None:
    """Print the figures beside their bars, or as one JSON object."""
    found = run()
    if json_output:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        show(found)
