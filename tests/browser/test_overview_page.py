"""The overview in a browser: facts of the known fleet, each number a link to its list, changes without reload."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from api_world import status
from dashboard_world import DashboardWorld
from known_fleet import FALLEN, HOSTILE, OFFLINE, TENANT
from playwright.sync_api import Locator, Page, expect

Visit = Callable[..., Page]


WITHIN_MS = 60_000
"""A change comes within a second or so, where the machine has nothing else to do."""


def figure(page: Page, label: str) -> Locator:
    """The number of a figure with this label, which is a link."""
    return page.locator("a.stat", has=page.locator(".stat-label", has_text=label)).locator(".stat-value")


def card(page: Page, title: str) -> Locator:
    return page.locator("section.card", has=page.locator(".card-title", has_text=title))


def test_the_fleet_is_on_one_page_with_what_is_wrong(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/", key="viewer")
    told: Any = world.get("/api/overview", "viewer")
    for label, word in (("Online", "online"), ("Late", "late"), ("Offline", "offline"), ("Degraded", "degraded")):
        expect(figure(page, label)).to_have_text(str(told["by_status"][word]))
    assert told["by_status"]["offline"] >= len(OFFLINE)
    violations = card(page, "Violations")
    expect(violations.get_by_role("link", name="critical")).to_contain_text("2")
    expect(violations.get_by_role("link", name="high")).to_contain_text("5")
    expect(card(page, "Trust").get_by_role("listitem").first).to_contain_text(FALLEN)
    expect(card(page, "Trust").get_by_role("listitem").first).to_contain_text("0.31")
    expect(card(page, "Alerts").get_by_role("link", name="critical")).to_contain_text(
        str(told["alerts"]["by_severity"]["critical"])
    )
    expect(card(page, "Delivery ledger")).to_contain_text("Missing")
    # The dozen that is listed may be newer than the fall.
    expect(card(page, "What changed").locator("a[href='/ui/changes?kind=trust']")).not_to_have_text("0")
    expect(page.get_by_role("main")).not_to_contain_text("globex")


def test_every_number_leads_to_its_list(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/", key="whole")
    figure(page, "Offline").click()
    expect(page).to_have_url(f"{world.url}/ui/agents?status=offline")
    page.go_back()
    card(page, "Violations").get_by_role("link", name="critical").click()
    expect(page.get_by_role("tab", name="Violations")).to_have_attribute("aria-selected", "true")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.go_back()
    figure(page, "Missing").click()
    expect(page.locator("tbody tr").first).to_contain_text(FALLEN)
    page.go_back()
    page.get_by_role("link", name="Every change of the hour").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Changes")
    page.get_by_label("Kind of change").select_option("trust")
    expect(page.locator("ol li").first).to_contain_text(f"{FALLEN}")


def test_what_happens_is_shown_without_reload(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/", key="viewer")
    before: Any = world.get("/api/overview", "viewer")
    expect(figure(page, "Offline")).to_have_text(str(before["by_status"]["offline"]))
    page.evaluate("() => { window.same = true; }")
    at_us = int(time.time() * 1e6)
    world.publish("fleet.status", status("overview-1", TENANT, "offline", at_us, previous="online", reason="stopped"))
    expect(figure(page, "Offline")).to_have_text(str(before["by_status"]["offline"] + 1), timeout=WITHIN_MS)
    expect(card(page, "What changed").get_by_role("listitem").filter(has_text="overview-1")).to_contain_text("offline")
    world.alert("firing", "c7" + "0" * 30, TENANT, "overview-1", "overview_alert", severity="critical")
    expect(card(page, "What changed")).to_contain_text("overview_alert", timeout=WITHIN_MS)
    expect(card(page, "Alerts").get_by_role("link", name="critical")).to_contain_text(
        str(before["alerts"]["by_severity"]["critical"] + 1)
    )
    assert page.evaluate("() => window.same") is True
    world.alert("resolved", "c7" + "0" * 30, TENANT, "overview-1", "overview_alert", severity="critical")
    ended = card(page, "What changed").get_by_role("listitem").filter(has_text="overview_alert")
    expect(ended.get_by_text("over", exact=True)).to_be_visible(timeout=WITHIN_MS)


def test_what_is_silenced_is_counted_apart_and_stays_in_what_changed(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/", key="whole")
    before: Any = world.get("/api/overview")
    fingerprint = "c8" + "0" * 30
    world.alert("firing", fingerprint, TENANT, "overview-3", "overview_quiet", severity="info")
    line = card(page, "What changed").get_by_role("listitem").filter(has_text="overview_quiet")
    expect(line).to_have_count(1)
    quiet: Any = world.post("/alerts", {"action": "silence", "matchers": ["name=overview_quiet"], "for": "1h"})
    try:
        count = before["alerts"]["quiet"]["silence"] + 1
        silenced = card(page, "Alerts").get_by_role("link", name=f"{count} silenced")
        expect(silenced).to_be_visible()
        expect(line).to_have_count(1)
        silenced.click()
        row = page.get_by_role("row").filter(has_text="overview_quiet")
        expect(row.get_by_text("silenced", exact=True)).to_be_visible()
    finally:
        world.post("/alerts", {"action": "unsilence", "ids": quiet["silences"]})
        world.alert("resolved", fingerprint, TENANT, "overview-3", "overview_quiet", severity="info")


def test_who_has_nothing_is_told_what_to_do(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/", key="other")
    expect(figure(page, "Agents")).to_have_text("1")
    expect(page.get_by_role("main")).not_to_contain_text(FALLEN)
    assert page.evaluate("() => window.hacked") is None
    assert HOSTILE not in page.content()


def test_a_number_that_changes_keeps_the_focus(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/", key="viewer")
    before: Any = world.get("/api/overview", "viewer")
    link = page.locator("a.stat", has=page.locator(".stat-label", has_text="Late"))
    link.focus()
    at_us = int(time.time() * 1e6)
    world.publish("fleet.status", status("overview-2", TENANT, "late", at_us, previous="online"))
    expect(figure(page, "Late")).to_have_text(str(before["by_status"]["late"] + 1), timeout=WITHIN_MS)
    expect(link).to_be_focused()
