"""Rules in a browser: mistakes where they are, a replay of the past, saving for who may."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from dashboard_world import DashboardWorld
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]
Axe = Callable[[Page], list[str]]
GOOD = "version: 1\nrules:\n  - {name: slow, kind: threshold, metric: response_time, above: 500}\n"
CHECKED_MS, REPLAYED_MS = 120_000, 180_000
"""Processes of their own, on a machine that is busy with other tests."""
ROUTES = "routes: [{match: {name: slow_tool}, steps: [{after: 0s, channels: [chat]}, {after: 1h, channels: [boss]}]}]\n"


@pytest.fixture
def rules_come_back(world: DashboardWorld) -> Iterator[None]:
    """What a test saves is in force until its end: the others, in any order, see the rules of the world."""
    file = world.data_dir / "rules.yaml"
    before = file.read_text()
    yield
    file.write_text(before)


def test_a_tenant_sees_the_rules_and_no_editor(visit: Visit) -> None:
    page = visit("/ui/rules", key="admin")
    expect(page.get_by_role("button", name="cpu_high")).to_be_visible()
    expect(page.get_by_text("There may be others")).to_be_visible()
    expect(page.get_by_role("tab", name="Editor")).to_have_count(0)
    expect(page.get_by_text("chat")).to_have_count(0)


@pytest.mark.usefixtures("rules_come_back")
def test_a_rule_is_edited_tried_and_saved(visit: Visit, axe: Axe, world: DashboardWorld) -> None:
    page = visit("/ui/rules", key="whole")
    page.get_by_role("button", name="cpu_high").click()
    expect(page.get_by_role("dialog")).to_contain_text("cpu_usage above 90 for 5 min")
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Editor").click()
    text = page.get_by_label("Rules, as YAML")
    expect(text).to_have_value(re.compile("cpu_high"))

    text.fill(GOOD.replace("metric", "metrc"))
    expect(page.get_by_role("button", name="Line 3, column 5")).to_be_visible(timeout=CHECKED_MS)
    expect(page.get_by_text("did you mean metric")).to_be_visible()
    expect(page.get_by_role("button", name="Try it on the past")).to_be_disabled()
    assert axe(page) == []
    page.get_by_text("did you mean metric").click()
    expect(text).to_be_focused()

    text.fill(GOOD + ROUTES)
    expect(page.get_by_text("Can be used: 1 rule.")).to_be_visible(timeout=CHECKED_MS)
    page.get_by_label("On the").select_option("1")
    page.get_by_role("button", name="Try it on the past").click()
    result = page.get_by_role("table", name="What would have fired, by rule")
    expect(result.get_by_role("row").filter(has_text="slow")).to_be_visible(timeout=REPLAYED_MS)
    assert axe(page) == []

    page.get_by_role("button", name="Show changes").click()
    changed = page.get_by_role("dialog").get_by_role("group", name="Changes, line by line")
    expect(changed.get_by_text("goes out: ")).to_have_count(1)
    expect(changed.get_by_text("comes in: ")).to_have_count(1)
    expect(changed).to_contain_text("metric: response_time, above: 500")
    assert axe(page) == []
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_contain_text("Lines: 1 in, 1 out.")
    page.get_by_role("dialog").get_by_role("button", name="Replace them").click()
    expect(page.get_by_text("Saved: 1 rule is in force")).to_be_visible(timeout=CHECKED_MS)
    expect(page.get_by_role("button", name="Undo all changes")).to_be_hidden()
    assert [rule["name"] for rule in world.get("/api/rules")["rules"]] == ["slow"]


def test_a_text_is_tried_on_as_much_as_there_is_and_at_most_a_day(visit: Visit) -> None:
    page = visit("/ui/rules", key="whole")
    found = page.evaluate(
        """async () => {
          const at = document.querySelector('script[type=module]').src.replace('main.js', '');
          const { usualHours } = await import(at + 'pages/rules/editor.js');
          const now = Date.parse('2026-11-21T19:30:00Z');
          const began = ['2026-11-21T19:00:00Z', '2026-11-21T15:00:00Z', '2026-11-20T20:00:00Z', '2026-10-01'];
          return [null, ...began].map((since) => usualHours(since, now));
        }"""
    )
    assert found == ["1", "1", "6", "24", "24"]
