"""Real pages in a real browser: Chromium over a known fleet, one of each for the whole session.

A test gets `visit`: `page = visit("/ui/agents", key="viewer", theme="dark", width=360)`, signed in. When the test ends,
whatever went wrong in its pages fails it: exceptions of scripts, violations of the content security policy, requests to
anywhere else than the API.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from dashboard_world import DashboardWorld, dashboard_world
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

AXE = Path(__file__).with_name("node_modules") / "axe-core" / "axe.min.js"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
WITHIN_MS = 60_000
# How many times slower the browser is made, to find tests that only hold where everything comes at once: every answer
# is 100 ms late for each. `FLEETPULSE_SLOW_BROWSER=4 make test-browser`.
_SLOWER = float(os.environ.get("FLEETPULSE_SLOW_BROWSER", "1"))
_IN_CI = os.environ.get("CI") == "true"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-sync", "--no-first-run"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse to run beside others: Playwright keeps a loop in the main thread, in which asynchronous tests fail."""
    here = Path(__file__).parent
    if any(here in item.path.parents for item in items) and any(here not in item.path.parents for item in items):
        raise pytest.UsageError("tests/browser runs by itself: make test-browser, or pytest tests/browser")
    for item in items:
        if here in item.path.parents:  # the first of them starts all of it, and each step may take a minute
            item.add_marker(pytest.mark.timeout(900))


def _missing(what: str) -> None:
    """Locally a machine without it skips; where CI=true is set it fails."""
    if _IN_CI:
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardWorld]:
    """The known fleet, served. Tests may add to it (publish, alert), under names of their own; what is there stays."""
    with dashboard_world(tmp_path_factory.mktemp("dashboard")) as shown:
        yield shown


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser; `FLEETPULSE_CHROMIUM` names another one than the first that is found."""
    found = os.environ.get("FLEETPULSE_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        _missing("no Chromium: apt-get install chromium, or name one by FLEETPULSE_CHROMIUM")
    expect.set_options(timeout=WITHIN_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=_FLAGS, timeout=3 * WITHIN_MS)
        yield browser
        browser.close()


@dataclass
class Watched:
    """What the pages of a test did that they should not do."""

    host: str
    wrong: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Take note from now on."""
        page.on("pageerror", lambda error: self.wrong.append(f"exception: {error}"))
        page.on("console", self._said)
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        # A 4xx that a page asked for is told by the page; the browser's line about it is no mistake of its own.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.wrong.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.host + "/", "data:", "blob:")):
            self.wrong.append(f"left the host: {request.url}")


Theme = Literal["light", "dark"]
Visit = Callable[..., Page]


@pytest.fixture
def watched(world: DashboardWorld) -> Iterator[Watched]:
    """Fails the test for what its pages did wrong."""
    found = Watched(world.url)
    yield found
    assert not found.wrong, "\n".join(found.wrong)


@pytest.fixture
def visit(world: DashboardWorld, chromium: Browser, watched: Watched) -> Iterator[Visit]:
    """`visit(path, key=..., theme=..., width=..., height=...)`: a page, signed in; key None: not."""
    contexts: list[BrowserContext] = []

    def go(
        path: str, *, key: str | None = "whole", theme: Theme = "light", width: int = 1280, height: int = 800
    ) -> Page:
        context = chromium.new_context(
            base_url=world.url, color_scheme=theme, viewport={"width": width, "height": height},
            timezone_id="Europe/Berlin", locale="en-GB", reduced_motion="reduce",
        )  # fmt: skip
        contexts.append(context)
        context.set_default_timeout(WITHIN_MS)
        if key is not None:
            sign_in(context, world, key)
        page = context.new_page()
        watched.watch(page)
        if _SLOWER > 1:
            _slow_down(page)
        page.goto(path)
        return page

    yield go
    for context in contexts:
        context.close()


def _slow_down(page: Page) -> None:
    devtools = page.context.new_cdp_session(page)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": _SLOWER})
    devtools.send("Network.enable")
    unbounded = {"downloadThroughput": -1, "uploadThroughput": -1}
    devtools.send("Network.emulateNetworkConditions", {"offline": False, "latency": 100 * _SLOWER} | unbounded)


def sign_in(context: BrowserContext, world: DashboardWorld, key: str) -> None:
    """The cookie of a session, as the sign-in page gets it."""
    answer = context.request.post("/session", data={"key": world.keys[key]}, headers={"Origin": world.url})
    assert answer.ok, answer.text()


@pytest.fixture
def axe() -> Callable[[Page], list[str]]:
    """`axe(page)`: what axe-core finds against WCAG 2.1 AA, a line each; empty where there is nothing."""
    if not AXE.exists():
        _missing("axe-core is not installed: make node-tools")
    script = AXE.read_text()

    def judge(page: Page) -> list[str]:
        page.evaluate(script)
        found: Any = page.evaluate("levels => axe.run(document, {runOnly: levels})", LEVELS)
        return [
            f"{each['id']} ({each['impact']}): {each['help']}: {node['target']}\n  {node['failureSummary']}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    return judge
