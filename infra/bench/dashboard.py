"""`fleetpulse bench dashboard`: what somebody who looks at the dashboard waits for, in a real browser.

1. A broker, an alert manager, a lake writer and an API of our own; 100,000 agents, each with a status and a score.
2. First paint with data: of a browser that was never here (a process of its own each time), and of one that was; beside
   it, in turns, a bare page of NiceGUI. Every page of the navigation, gone to by a click. The list of all agents.
3. 1,000 changes a second go to the broker; a page shows some of them, and notes by a MutationObserver when.
4. The same with 100 viewers: 98 streams as pages hold them, and two browsers.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.bench.children import Child, child, cpu_s, running
from infra.bench.dashboard_load import AGENTS, FleetLoad, Sent, fleet_load
from infra.bench.dashboard_pages import (
    BARE,
    CALM,
    OVERVIEW,
    ROWS,
    chromium,
    destinations,
    find_chromium,
    first_paint_ms,
    page_change_ms,
    playwright,
    seen_probes,
    signed_in,
    watch_probes,
)
from infra.bench.dashboard_peer import bare_page
from infra.bench.dashboard_show import judge_dashboard, show
from infra.bench.dashboard_viewers import Viewer, viewers
from infra.bench.process_memory import peak_bytes
from infra.runtime import console
from infra.runtime.errors import FleetpulseError
from infra.runtime.settings import PREFIX as VARIABLES

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page, Playwright

VIEWERS, BROWSERS = 100, 2
STREAM_S, SETTLE_S = 20.0, 2.0
_KNOWN_WITHIN_S = 120.0
LIST = "/ui/agents"


@dataclass(frozen=True)
class Setting:
    """What every measurement needs."""

    tool: Playwright
    api: Child
    peer: Child
    load: FleetLoad
    key: str
    rounds: int

    @property
    def url(self) -> str:
        """Of the dashboard."""
        return str(self.api.ready["url"])


async def _start(parts: AsyncExitStack, bootstrap: str, folder: Path) -> Child:
    at, data, lake = ("--bootstrap", bootstrap), ("--data-dir", str(folder)), ("--lake", str(folder / "lake"))
    await parts.enter_async_context(running(folder / "alerts.log", "alert-manager", *at))
    await parts.enter_async_context(running(folder / "lake.log", "lake", "write", *at, *lake))
    return await parts.enter_async_context(
        child(folder / "api.log", "api", *at, *data, *lake, "--port", "0", "--rate-per-address", "1000000")
    )


def _key(bootstrap: str) -> str:
    made = console.run("keys", "create", "--bootstrap", bootstrap, "--json", "--name", "bench", "--role", "admin")
    key: str = json.loads(made)["key"]
    return key


async def _until_known(setting: Setting) -> None:
    """The whole fleet has come from the broker to the API's memory."""
    end_s = asyncio.get_running_loop().time() + _KNOWN_WITHIN_S
    async with chromium(setting.tool) as browser:
        context = await signed_in(browser, setting.url, setting.key)
        while True:
            answer = await context.request.get("/api/fleet")
            if answer.ok and (found := await answer.json())["agents"] >= AGENTS and found["trust"]["scored"] >= AGENTS:
                return
            if asyncio.get_running_loop().time() > end_s:
                raise FleetpulseError(f"the API does not know the fleet: {(await answer.text())[:200]}")
            await asyncio.sleep(0.2)


async def _first_paints(setting: Setting) -> dict[str, Any]:
    """Cold, warm and the peer's cold, in turns. Cold is the browser: a round before them, which does not count, has
    both servers answer once."""
    await _paints(setting)
    every = [await _paints(setting) for _ in range(setting.rounds)]
    return {name: _times([paints[name] for paints in every]) for name in every[0]}


async def _paints(setting: Setting) -> dict[str, float]:
    """One round, each side in a browser process of its own."""
    async with chromium(setting.tool) as browser:
        context = await signed_in(browser, setting.url, setting.key)
        found = {"cold": await _paint(context, "/ui/", OVERVIEW), "warm": await _paint(context, "/ui/", OVERVIEW)}
        found["list"] = await _paint(context, LIST, ROWS)
    async with chromium(setting.tool) as browser:
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        found["peer_cold"] = await _paint(context, setting.peer.ready["url"], BARE)
    return found


async def _paint(context: BrowserContext, url: str, ready: str) -> float:
    page = await context.new_page()
    try:
        return await first_paint_ms(page, url, ready)
    finally:
        await page.close()


def _times(values: Sequence[float]) -> dict[str, Any]:
    return {"median_ms": round(statistics.median(values), 1), "rounds_ms": [round(each, 1) for each in values]}


async def _changes(setting: Setting) -> dict[str, Any]:
    """Every page of the navigation, from the one before it."""
    shown, data = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    async with chromium(setting.tool) as browser:
        page = await (await signed_in(browser, setting.url, setting.key)).new_page()
        await first_paint_ms(page, "/ui/", CALM)
        paths = await destinations(page)
        for _ in range(setting.rounds):
            for path in [*paths[1:], paths[0]]:
                took = await page_change_ms(page, path)
                shown[path].append(took["shown_ms"])
                data[path].append(took["data_ms"])
    medians = {path: round(statistics.median(times), 1) for path, times in data.items()}
    everyone = [each for times in data.values() for each in times]
    return {
        "median_ms": round(statistics.median(everyone), 1),
        "slowest_median_ms": max(medians.values()),
        "first_visit_ms": {path: round(times[0], 1) for path, times in data.items()},
        "shown_ms": {path: round(statistics.median(times), 1) for path, times in shown.items()},
        "data_ms": medians,
    }


async def _watching(browser: Browser, setting: Setting) -> Page:
    page = await (await signed_in(browser, setting.url, setting.key)).new_page()
    await first_paint_ms(page, LIST, ROWS)
    await watch_probes(page)
    return page


async def _streamed(setting: Setting, browsers: int, streams: int) -> dict[str, Any]:
    """1,000 changes a second for a while, seen by so many browsers and streams."""
    async with AsyncExitStack() as parts:
        pages = [
            await _watching(await parts.enter_async_context(chromium(setting.tool)), setting) for _ in range(browsers)
        ]
        cookie = "; ".join(f"{each['name']}={each['value']}" for each in await pages[0].context.cookies())
        watching = await parts.enter_async_context(viewers(setting.url, cookie, streams))
        await asyncio.sleep(SETTLE_S)
        sent_before, cpu_before_s = len(setting.load.sent), cpu_s(setting.api.pid)
        rate = await setting.load.run(STREAM_S)
        cpu_percent = 100 * (cpu_s(setting.api.pid) - cpu_before_s) / STREAM_S
        await asyncio.sleep(SETTLE_S)
        seen = [await seen_probes(page) for page in pages]
        sent = setting.load.sent[sent_before:]
        streamed = _streams(watching, len(sent))
    waits = [_waits(waits_s(sent, each), len(sent)) for each in seen]
    every = [*waits, *(_waits(viewer.waits_s, len(sent)) for viewer in watching)]
    return {
        "events_per_s": round(rate),
        "probes_sent": len(sent),
        "screens": waits,
        "streams": streamed,
        "worst_p95_ms": max(each["p95_ms"] for each in every),
        "cpu_percent": round(cpu_percent, 1),
        "peak_bytes": peak_bytes(setting.api.pid),
    }


def waits_s(sent: Sequence[Sent], seen: Sequence[dict[str, Any]]) -> list[float]:
    """From each change of a probe to when a screen showed it, seconds; what was never shown is left out."""
    found = []
    for change in sent:
        shown = (s["at_s"] for s in seen if s["probe"] == change.probe and s["word"] == change.word)
        later = [at_s for at_s in shown if at_s >= change.at_s]
        if later:
            found.append(min(later) - change.at_s)
    return found


def _waits(waits: Sequence[float], sent: int) -> dict[str, Any]:
    """Quantiles in ms; nobody who saw less than nine of ten changes counts as quick."""
    ordered = sorted(waits)
    if not ordered or len(ordered) < 0.9 * sent:
        return {"seen": len(ordered), "p50_ms": None, "p95_ms": float("inf"), "max_ms": None}
    at = {"p50_ms": 0.5, "p95_ms": 0.95, "max_ms": 1.0}
    found = {name: round(1_000 * ordered[min(len(ordered) - 1, int(q * len(ordered)))], 1) for name, q in at.items()}
    return {"seen": len(ordered), **found}


def _streams(watching: Sequence[Viewer], sent: int) -> dict[str, Any]:
    every = [wait for viewer in watching for wait in viewer.waits_s]
    mib = sum(viewer.bytes_in for viewer in watching) / 2**20
    lost = sum(viewer.lost for viewer in watching)
    return {"count": len(watching), "lost": lost, "mib": round(mib, 1), **_waits(every, sent * len(watching))}


async def measure(bootstrap: str, folder: Path) -> dict[str, Any]:
    """Everything, one after the other."""
    rounds = int(os.environ.get(f"{VARIABLES}BENCH_ROUNDS", "5"))
    async with AsyncExitStack() as parts:
        tool = await parts.enter_async_context(playwright())
        load = await parts.enter_async_context(fleet_load(bootstrap))
        await load.fill()
        api = await _start(parts, bootstrap, folder)
        peer = await parts.enter_async_context(bare_page(folder))
        setting = Setting(tool, api, peer, load, await asyncio.to_thread(_key, bootstrap), rounds)
        await _until_known(setting)
        return {
            "agents": AGENTS,
            "rounds": rounds,
            "first_paint": await _first_paints(setting),
            "page_change": await _changes(setting),
            "one_viewer": await _streamed(setting, 1, 0),
            "viewers": await _streamed(setting, BROWSERS, VIEWERS - BROWSERS) | {"count": VIEWERS},
        }


def run() -> dict[str, Any]:
    """On a broker of its own, unless FLEETPULSE_BOOTSTRAP names one. Raises `FleetpulseError` without a browser."""
    find_chromium()
    with tempfile.TemporaryDirectory(prefix="fleetpulse-bench-") as name:
        os.environ[f"{VARIABLES}DATA_DIR"] = name
        with console.broker(Path(name)) as (bootstrap, kind):
            console.run("topics", "create", "--broker", bootstrap)
            found = asyncio.run(measure(bootstrap, Path(name))) | {"broker": kind}
    return found | {"bars": judge_dashboard(found)}


def main(json_output: bool) -> None:
    """Print the figures beside their bars, or as one JSON object."""
    found = run()
    if json_output:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        show(found)
