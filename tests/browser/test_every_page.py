"""What holds for every page: accessible in both themes, fits a phone, keeps hostile texts text, says what it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from urllib.parse import quote

import pytest
from dashboard_world import DashboardWorld
from known_fleet import FALLEN, HOSTILE_AGENT
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

Visit = Callable[..., Page]
Axe = Callable[[Page], list[str]]
PAGES = {
    "overview": "/ui/",
    "agents": "/ui/agents",
    "agent": f"/ui/agents/{FALLEN}",
    "agent metrics": f"/ui/agents/{FALLEN}?tab=metrics",
    "agent runs": f"/ui/agents/{FALLEN}?tab=runs",
    "hostile agent": f"/ui/agents/{quote(HOSTILE_AGENT, safe='')}",
    "hostile logs": f"/ui/agents/{quote(HOSTILE_AGENT, safe='')}?tab=logs",
    "changes": "/ui/changes?range=24h",
    "delivery": "/ui/delivery",
    "governance": "/ui/governance",
    "violations": "/ui/governance?tab=violations",
    "coverage": "/ui/governance?tab=coverage",
    "report": "/ui/governance?tab=report",
    "alerts": "/ui/alerts",
    "alert": f"/ui/alerts/{'a1' + '0' * 30}",
    "hostile alert": f"/ui/alerts/{'a3' + '0' * 30}",
    "rules": "/ui/rules",
    "analytics": "/ui/analytics",
    "sql": "/ui/sql",
    "topology": "/ui/topology",
    "hosts": "/ui/hosts",
    "host": "/ui/hosts/gpu-1",
    "pipeline": "/ui/pipeline",
    "settings": "/ui/settings",
}
_SETTLED = "() => document.querySelector('main h1') && !document.querySelector('[aria-busy=true], .skeleton')"
_WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def too_wide_px(page: Page) -> int:
    """By how much the page stays wider than the window; charts follow a new width with the next frame."""
    try:
        page.wait_for_function(f"() => ({_WIDER})() <= 0", timeout=10_000)
    except PlaywrightTimeoutError:
        return int(page.evaluate(_WIDER))
    return 0


def settled(page: Page) -> Page:
    """The page, once it shows what it loads."""
    page.wait_for_function(_SETTLED)
    return page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_for_everybody(name: str, visit: Visit, axe: Axe) -> None:
    page = settled(visit(PAGES[name]))
    wrong = [f"light: {found}" for found in axe(page)]
    page.emulate_media(color_scheme="dark")
    wrong += [f"dark: {found}" for found in axe(page)]
    page.set_viewport_size({"width": 360, "height": 780})
    if wider := too_wide_px(page):
        wrong.append(f"{wider} px too wide for a phone")
    wrong += [f"phone: {found}" for found in axe(page)]
    assert not wrong, "\n".join(wrong)
    assert page.evaluate("() => window.hacked") is None
    assert page.locator("img[src=x], main script").count() == 0
    assert page.title()
    expect(page.get_by_role("alert").filter(has_text="went wrong")).to_have_count(0)


def test_who_is_not_signed_in_is_asked_to_and_comes_back_to_where_they_were(
    visit: Visit, world: DashboardWorld
) -> None:
    page = visit("/ui/agents?q=crawler", key=None)
    page.get_by_label("Key", exact=False).first.fill(world.keys["viewer"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{world.url}/ui/agents?q=crawler")
    expect(page.get_by_role("heading", level=1)).to_have_text("Agents")


@pytest.mark.parametrize(("key", "sees"), [("viewer", False), ("operator", False), ("whole", True)])
def test_settings_are_for_admins(key: str, sees: bool, visit: Visit) -> None:
    page = settled(visit("/ui/", key=key))
    assert (page.get_by_role("link", name="Settings", exact=True).count() > 0) is sees


def test_a_tenant_sees_its_own(visit: Visit) -> None:
    page = settled(visit("/ui/agents", key="other"))
    expect(page.get_by_role("main")).to_contain_text("globex-bot")
    expect(page.get_by_role("main")).not_to_contain_text(FALLEN)


def go_by_keys(page: Page, letter: str, heading: str) -> None:
    """`g` and a letter within a second and a half: a machine that does something else meanwhile needs another try."""
    there = page.get_by_role("heading", level=1, name=heading, exact=True)
    for _ in range(10):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        with contextlib.suppress(PlaywrightTimeoutError):
            there.wait_for(timeout=6_000)
            break
    expect(there).to_be_visible()


def test_pages_are_reached_by_keys_and_the_heading_has_the_focus(visit: Visit) -> None:
    page = settled(visit("/ui/"))
    go_by_keys(page, "a", "Agents")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_theme_is_kept(visit: Visit) -> None:
    page = settled(visit("/ui/"))
    before = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="theme").first.click()
    page.wait_for_function("before => getComputedStyle(document.body).backgroundColor !== before", arg=before)
    after = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    page.reload()
    settled(page)
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == after
