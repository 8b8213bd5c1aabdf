"""Pages of the dashboard in a real Chromium, timed by their own clock: from the navigation, or the click, to the frame
that shows what was asked for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from infra.bench.dashboard_load import PROBE
from infra.bench.dashboard_peer import WORD
from infra.runtime.errors import FleetpulseError
from infra.runtime.settings import PREFIX

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page, Playwright

FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-sync", "--no-first-run")
_NAMES = ("chromium", "chromium-browser", "google-chrome")
CALM = "document.querySelector('main h1') && !document.querySelector('main [aria-busy=true], main .skeleton')"
OVERVIEW = "[...document.querySelectorAll('main .stat-value')].some(each => /[0-9]/.test(each.textContent))"
ROWS = "document.querySelector('main table tbody tr a')"
BARE = f"document.body.innerText.includes('{WORD}')"

_PAINTED = """
(() => {
  const look = () => {
    if (document.body && (READY)) requestAnimationFrame(() => { window.benchPainted_ms = performance.now(); });
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
"""
"""In every page, from its beginning: when the first frame was due that had the data in it."""
_AWAIT = """
() => new Promise(done => {
  const look = () => window.benchPainted_ms ? done(window.benchPainted_ms) : setTimeout(look, 5);
  look();
})
"""
_CHANGE = """
path => new Promise(done => {
  const began_ms = performance.now();
  const before = document.querySelector('main').firstElementChild;
  let shown_ms = 0;
  const look = () => {
    const now = document.querySelector('main').firstElementChild;
    const other = now !== before && location.pathname === path && document.querySelector('main h1');
    if (other && !shown_ms) shown_ms = performance.now() - began_ms;
    if (other && (CALM)) requestAnimationFrame(() => done({shown_ms, data_ms: performance.now() - began_ms}));
    else requestAnimationFrame(look);
  };
  document.querySelector(`nav a[href="${path}"]`).click();
  look();
})
""".replace("CALM", CALM)
_WATCH = """
mark => {
  const words = new Map();
  window.benchSeen = [];
  const look = () => {
    for (const row of document.querySelectorAll('main table tbody tr')) {
      const name = row.querySelector('a')?.textContent ?? '';
      if (!name.startsWith(mark)) continue;
      const word = /online|late|offline|degraded/i.exec(row.textContent.slice(name.length))?.[0].toLowerCase();
      if (word === words.get(name)) continue;
      words.set(name, word);
      const entry = {probe: Number(name.slice(mark.length)), word, at_s: 0};
      requestAnimationFrame(() => { entry.at_s = (performance.timeOrigin + performance.now()) / 1000; });
      window.benchSeen.push(entry);
    }
  };
  const what = {subtree: true, childList: true, characterData: true, attributes: true};
  new MutationObserver(look).observe(document.querySelector('main'), what);
  look();
}
"""


@asynccontextmanager
async def playwright() -> AsyncIterator[Playwright]:
    """Playwright. Raises `FleetpulseError` where it is not installed."""
    try:
        from playwright.async_api import async_playwright  # noqa: PLC0415  # a developer's tool, needed here alone
    except ImportError as error:
        raise FleetpulseError("the benchmark needs Playwright", way_out="pip install 'fleetpulse[dev]'") from error
    async with async_playwright() as found:
        yield found


def find_chromium() -> str:
    """Where Chromium is. Raises `FleetpulseError`."""
    found = os.environ.get(f"{PREFIX}CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise FleetpulseError(
            "the benchmark needs Chromium", setting=f"{PREFIX}CHROMIUM", way_out="apt-get install chromium"
        )
    return found


@asynccontextmanager
async def chromium(tool: Playwright) -> AsyncIterator[Browser]:
    """A browser of its own, with nothing kept from before."""
    browser = await tool.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
    try:
        yield browser
    finally:
        await browser.close()


async def signed_in(browser: Browser, url: str, key: str) -> BrowserContext:
    """A browser's context that has a session."""
    context = await browser.new_context(base_url=url, viewport={"width": 1280, "height": 800})
    answer = await context.request.post("/session", data={"key": key}, headers={"Origin": url})
    if not answer.ok:
        raise FleetpulseError(f"the dashboard does not take the key: {await answer.text()}")
    return context


async def first_paint_ms(page: Page, url: str, ready: str) -> float:
    """From the navigation to the frame in which `ready` (an expression of the page) holds."""
    await page.add_init_script(_PAINTED.replace("READY", ready))
    await page.goto(url, wait_until="commit")
    return float(await page.evaluate(_AWAIT))


async def destinations(page: Page) -> list[str]:
    """Pages that the navigation leads to."""
    found: list[str] = await page.eval_on_selector_all("nav#nav a[href^='/ui']", "all => all.map(a => a.pathname)")
    return list(dict.fromkeys(found))


async def page_change_ms(page: Page, path: str) -> dict[str, float]:
    """From the click to the other page: until it is `shown_ms`, and until its data are, `data_ms`."""
    found: dict[str, float] = await page.evaluate(_CHANGE, path)
    return found


async def watch_probes(page: Page) -> None:
    """Have the page note every change of a probe that it shows, at the frame that shows it."""
    await page.evaluate(_WATCH, PROBE)


async def seen_probes(page: Page) -> list[dict[str, Any]]:
    """What it noted: probe, word and at_s (epoch seconds)."""
    found: list[dict[str, Any]] = await page.evaluate("window.benchSeen")
    return found
