"""Trends of the known fleet: measures, groups with links, the address as the question, saved views."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

Visit = Callable[..., Page]


def test_a_measure_is_chosen_and_grouped_and_the_address_says_so(visit: Visit) -> None:
    page = visit("/ui/analytics?range=7d")
    expect(page.get_by_role("heading", name="Trust, mean")).to_be_visible()
    page.get_by_label("Measure").select_option(label="Violations")
    expect(page.get_by_role("heading", name="Violations, count")).to_be_visible()
    page.get_by_label("Group by").select_option("policy")
    expect(page.get_by_role("rowheader", name="No personal data")).to_be_visible()
    assert "metric=violations" in page.url
    assert "by=policy" in page.url
    page.reload()
    row = page.get_by_role("row").filter(has_text="No personal data")
    expect(row.get_by_role("cell").first).to_have_text("8")
    page.get_by_label("Measure").select_option("cpu_usage")  # which cannot be grouped by policy
    expect(page.get_by_role("heading", name="CPU usage, mean", exact=True)).to_be_visible()
    assert "by=" not in page.url


def test_groups_lead_to_their_lists(visit: Visit) -> None:
    page = visit("/ui/analytics?metric=cpu_usage&by=deployment")
    expect(page.get_by_role("link", name="eu-1")).to_have_attribute("href", "/ui/agents?deployment=eu-1")
    page.get_by_role("button", name="Show as table").first.click()
    expect(page.get_by_role("columnheader", name="eu-1")).to_be_visible()


def test_a_view_is_saved_and_comes_back(visit: Visit) -> None:
    page = visit("/ui/analytics?metric=error_rate&by=agent&top=4&range=1h", key="operator")
    expect(page.get_by_role("heading", name="Error rate, mean by agent")).to_be_visible()
    page.get_by_role("button", name="Save view").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Error rate by agent")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto("/ui/analytics")
    page.get_by_role("button", name="Saved views").click()
    page.get_by_role("button", name="Error rate by agent").click()
    expect(page.get_by_role("heading", name="Error rate, mean by agent")).to_be_visible()
    assert "range=1h" in page.url


def test_a_range_is_zoomed_into_by_keys_and_left_again(visit: Visit) -> None:
    page = visit("/ui/analytics?metric=cpu_usage&range=24h")
    chart = page.locator(".chart-canvas")
    expect(chart).to_have_count(1)
    expect(page.get_by_text("Draw over a chart to zoom in")).to_be_visible()
    expect(page.get_by_role("button", name="Zoom out", exact=True)).to_have_count(0)
    chart.focus()
    page.keyboard.press("+")
    out = page.get_by_role("button", name="Zoom out", exact=True)
    expect(out).to_be_visible()
    expect(page).to_have_url(re.compile("from=.*to="))
    expect(page.locator(".chart-canvas")).to_be_focused()
    out.click()
    expect(out).to_have_count(0)
    expect(page).not_to_have_url(re.compile("from="))
    page.go_back()
    expect(out).to_be_visible()
