"""Governance in a browser: policies, violations with their redacted context, coverage, and the report."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime

from dashboard_world import DashboardWorld
from known_fleet import FALLEN, FORMULA, HOSTILE, LATE
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]


def test_policies_are_listed_by_what_they_found(visit: Visit) -> None:
    page = visit("/ui/governance", key="viewer")
    row = page.locator("tbody tr").filter(has_text="No personal data")
    expect(row).to_contain_text("pii-001")
    expect(row).to_contain_text("7")
    expect(page.get_by_role("img", name="Violations over time")).to_be_visible()
    page.get_by_role("button", name="Show as table").click()
    expect(page.get_by_role("region", name="Violations over time, numbers")).to_be_visible()
    row.get_by_role("link", name="No personal data").click()
    expect(page.get_by_label("Policy id")).to_have_value("pii-001")


def test_a_violation_shows_its_context_as_text(visit: Visit) -> None:
    page = visit("/ui/governance?tab=violations", key="viewer")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(8)
    page.get_by_label("Severity").select_option("critical")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Clear filters").click()
    rows.filter(has_text=HOSTILE).get_by_role("button", name="Details").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(FORMULA)
    expect(dialog).to_contain_text(HOSTILE)
    page.keyboard.press("Escape")
    expect(rows.filter(has_text=HOSTILE).get_by_role("button", name="Details")).to_be_focused()
    assert page.evaluate("() => window.hacked") is None


def test_coverage_names_who_is_not_governed(visit: Visit) -> None:
    page = visit("/ui/governance?tab=coverage", key="viewer")
    off = page.locator("#governance-off")
    expect(off).to_contain_text(LATE)
    expect(page.locator("#governance-unchecked")).to_contain_text("planner-02")
    expect(page.locator("#governance-unchecked")).not_to_contain_text(FALLEN)


def test_the_report_is_read_and_taken_along(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/governance?tab=report", key="viewer")
    page.clock.set_fixed_time(datetime.fromtimestamp(world.now_us / 1e6, UTC))  # the day may end meanwhile
    page.reload()
    main = page.get_by_role("main")
    expect(main).to_contain_text("Compliance of tenant acme")
    expect(main).to_contain_text("97.0%")
    last = page.get_by_label("Last day").input_value()
    expect(main).to_contain_text(f"to {last} (whole days, UTC)")
    expect(page.get_by_role("columnheader", name="Severity", exact=True).first).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    assert waiting.value.suggested_filename.startswith("compliance_")
    assert waiting.value.suggested_filename.endswith(f"_{last}.csv")
    page.get_by_label("First day").fill("2020-01-01")
    page.get_by_label("Last day").fill("2019-01-01")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("The last day is before the first")).to_be_visible()


def test_the_report_leaves_out_who_has_no_violations(visit: Visit) -> None:
    page = visit("/ui/governance?tab=report", key="viewer")
    agents = page.get_by_role("table", name="Agents", exact=True)
    expect(agents.get_by_role("link", name="planner-01", exact=True)).to_be_visible()
    page.get_by_label("Only with violations", exact=True).check()
    expect(page.get_by_text("Agents and days without violations are left out")).to_be_visible()
    expect(agents.get_by_role("link", name="planner-01", exact=True)).to_have_count(0)
    expect(agents.get_by_role("link", name=FALLEN, exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile("violating=true"))
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).click()
    assert waiting.value.suggested_filename.endswith("_violations.csv")
    rows = list(csv.DictReader(waiting.value.path().read_text().splitlines()))
    named = [row["agent_id"] for row in rows if row["section"] == "agent"]
    assert FALLEN in named
    assert "planner-01" not in named
    page.reload()
    expect(page.get_by_label("Only with violations", exact=True)).to_be_checked()
