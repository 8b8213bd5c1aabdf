"""Pictures of every page of the dashboard, in both themes and on a phone: `make screenshots`.

    python tests/browser/screenshots.py --out build/screenshots               # of the known fleet of the tests
    python tests/browser/screenshots.py --url http://127.0.0.1:8080 --key-file .fleetpulse/admin.key --out docs/images

Says of each page when its data stood there; ends with 1 when a page showed none within 20 s.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import known_fleet
from dashboard_world import dashboard_world
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

PAGES = {
    "overview": "/ui/",
    "agents": "/ui/agents",
    "agent": "/ui/agents/{agent}",
    "agent-metrics": "/ui/agents/{agent}?tab=metrics",
    "governance": "/ui/governance",
    "alerts": "/ui/alerts",
    "rules": "/ui/rules",
    "analytics": "/ui/analytics",
    "sql": "/ui/sql",
    "topology": "/ui/topology",
    "hosts": "/ui/hosts",
    "pipeline": "/ui/pipeline",
    "settings": "/ui/settings",
    "sign-in": "/ui/sign-in",
}
SHAPES = {
    "light": ("light", 1280, 800),
    "dark": ("dark", 1280, 800),
    "phone": ("light", 360, 780),
    "phone-dark": ("dark", 360, 780),
}
_SETTLED = "() => !document.querySelector('[aria-busy=true], .skeleton') && document.querySelector('h1')"


@dataclass(frozen=True, slots=True)
class Shown:
    """What is photographed: the API's address, a key of it, and an agent worth a picture."""

    url: str
    key: str
    agent: str


@contextlib.contextmanager
def _shown(arguments: argparse.Namespace) -> Iterator[Shown]:
    if arguments.url:
        yield Shown(arguments.url, Path(arguments.key_file).read_text().strip(), arguments.agent)
        return
    with tempfile.TemporaryDirectory() as folder, dashboard_world(Path(folder)) as world:
        yield Shown(world.url, world.keys["whole"], known_fleet.FALLEN)


def _signed_in(browser: Browser, shown: Shown, shape: str) -> BrowserContext:
    theme, width, height = SHAPES[shape]
    context = browser.new_context(
        base_url=shown.url, color_scheme="dark" if theme == "dark" else "light", locale="en-GB",
        viewport={"width": width, "height": height}, reduced_motion="reduce",
    )  # fmt: skip
    answer = context.request.post("/session", data={"key": shown.key}, headers={"Origin": shown.url})
    if not answer.ok:
        raise SystemExit(f"the key was not taken: {answer.text()}")
    return context


def _photograph(page: Page, shown: Shown, name: str, shape: str, out: Path) -> bool:
    began_s = time.monotonic()
    page.goto(PAGES[name].format(agent=quote(shown.agent, safe="")))
    try:
        page.wait_for_function(_SETTLED, timeout=20_000)
        settled = f"{time.monotonic() - began_s:.2f} s"
    except Error:
        settled = "NOT WITHIN 20 s"
    page.screenshot(path=out / f"{name}-{shape}.png", full_page=shape.startswith("phone"))
    sys.stdout.write(f"{name:16} {shape:10} {settled}\n")
    sys.stdout.flush()
    return "NOT" not in settled


def main() -> int:
    """Take them; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="of an API that runs; without it the known fleet of the tests is served")
    parser.add_argument("--key-file", default=".fleetpulse/admin.key", help="file with a key of that API")
    parser.add_argument("--agent", default=known_fleet.FALLEN, help="whose page is taken")
    parser.add_argument("--out", type=Path, default=Path("build/screenshots"))
    parser.add_argument("--pages", default=",".join(PAGES), help="some of them, with commas between")
    parser.add_argument("--shapes", default=",".join(SHAPES), help="of light, dark, phone, phone-dark")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with _shown(arguments) as shown, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        fine = True
        for shape in arguments.shapes.split(","):
            context = _signed_in(browser, shown, shape)
            page = context.new_page()
            for name in arguments.pages.split(","):
                fine &= _photograph(page, shown, name, shape, arguments.out)
            context.close()
        browser.close()
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
