"""Alerts in a browser: what fires is there without a reload, and people do about it what their role may."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from dashboard_world import DashboardWorld
from known_fleet import FALLEN, HOSTILE, TENANT
from playwright.sync_api import Page, Route, expect

Visit = Callable[..., Page]
Axe = Callable[[Page], list[str]]


def test_what_fires_is_listed_gravest_first_and_hostile_names_stay_text(visit: Visit) -> None:
    page = visit("/ui/alerts", key="viewer")
    rows = page.get_by_role("table", name="Alerts").locator("tbody tr")
    expect(rows.first).to_contain_text("trust_low")
    expect(rows.first).to_contain_text("critical")
    expect(page.get_by_role("link", name=HOSTILE, exact=True)).to_be_visible()
    expect(page.get_by_text("globex-bot")).to_have_count(0)
    expect(page.get_by_role("button", name="New silence")).to_have_count(0)
    expect(page.get_by_role("checkbox", name="Choose trust_low")).to_have_count(0)
    page.get_by_label("Severity").select_option("critical")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile("severity=critical"))


def test_an_injected_alert_appears_and_is_taken_escalated_and_resolved(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/alerts", key="operator")
    expect(page.get_by_role("link", name="trust_low")).to_be_visible()
    fingerprint = "e1" + "0" * 30
    world.alert("firing", fingerprint, TENANT, "planner-01", "slow_tool", severity="critical", host="web-1")
    expect(page.get_by_role("link", name="slow_tool")).to_be_visible()  # nobody loaded it anew
    page.get_by_role("link", name="slow_tool").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("slow_tool")
    expect(page.get_by_text("Told on chat")).to_be_visible()

    page.get_by_role("button", name="Acknowledge…").click()
    expect(page.get_by_role("dialog").get_by_label("Comment")).to_be_focused()
    page.keyboard.type(f"mine {HOSTILE}")
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"Acknowledged by operator: mine {HOSTILE}")).to_be_visible()
    # What may be done now: a menu is opened when it is drawn, not before it is drawn anew.
    expect(page.get_by_role("button", name="Take back…")).to_be_visible()

    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Escalate…").click()
    page.get_by_role("dialog").get_by_role("button", name="Escalate").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".course")).to_contain_text("for boss, step 2")
    expect(page.get_by_role("button", name="Acknowledge…")).to_be_visible()

    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Escalate…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Escalate").click()
    expect(dialog).to_contain_text("has no further step")
    page.keyboard.press("Escape")

    page.get_by_role("button", name="More").click()
    expect(page.get_by_role("menuitem", name="Escalate…")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Resolve…")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    expect(page.locator("main").get_by_text("resolved").first).to_be_visible()
    expect(page.get_by_role("button", name="Silence…")).to_have_count(0)


def test_what_changed_before_the_stream_began_shows_when_it_begins(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/alerts?name=in_between", key="operator")
    page.add_init_script("window.setInterval = () => 0")  # else it is asked for again in 15 s, whatever is told
    held: list[Route] = []
    open_now: list[bool] = []
    page.route("**/api/live?*", lambda route: route.continue_() if open_now else held.append(route))
    page.reload()
    expect(page.locator("main").get_by_text("No alert fits")).to_be_visible()
    world.alert("firing", "e6" + "0" * 30, TENANT, "planner-03", "in_between", severity="info")
    expect(visit("/ui/alerts?name=in_between", key="operator").get_by_role("link", name="in_between")).to_be_visible()
    open_now.append(True)
    held[-1].continue_()
    expect(page.get_by_role("link", name="in_between")).to_be_visible()
    world.alert("resolved", "e6" + "0" * 30, TENANT, "planner-03", "in_between", severity="info")


def test_a_menu_stays_open_while_its_alert_changes(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/alerts?name=menu_open", key="operator")
    begun = ("e5" + "0" * 30, TENANT, "planner-02", "menu_open")
    world.alert("firing", *begun, severity="info", epoch=1)
    page.get_by_role("link", name="menu_open").click()
    page.get_by_role("button", name="More").click()
    first = page.get_by_role("menuitem", name="Escalate…")
    expect(first).to_be_focused()
    world.alert("firing", *begun, severity="warning", epoch=1)
    expect(page.locator("main").get_by_text("warning", exact=True).first).to_be_visible()
    expect(first).to_be_focused()
    world.alert("resolved", *begun, severity="warning", epoch=1)
    expect(page.locator("main").get_by_text("resolved").first).to_be_visible()


def test_an_incident_appears_with_its_members(visit: Visit, axe: Axe, world: DashboardWorld) -> None:
    page = visit("/ui/alerts", key="whole")
    expect(page.get_by_role("link", name="trust_low")).to_be_visible()
    members = {f"e2{number:02}" + "0" * 28: f"swarm-{number}" for number in range(6)}
    world.alerts("firing", members, "", "queue_full", severity="info", host="swarm-host")
    incident = page.get_by_role("row").filter(has_text="6 members, 6 open")
    expect(incident).to_be_visible()
    incident.get_by_role("link").first.click()
    rows = page.get_by_role("table", name="Members").locator("tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.first).to_contain_text("queue_full")
    expect(page.get_by_role("link", name="swarm-3")).to_be_visible()
    assert axe(page) == []
    world.alerts("resolved", members, "", "queue_full", severity="info", host="swarm-host")
    expect(page.locator("main").get_by_text("resolved").first).to_be_visible()


def test_a_silence_shows_what_it_fits_before_it_is_made_and_is_ended(visit: Visit, axe: Axe) -> None:
    page = visit(f"/ui/alerts/{'a1' + '0' * 30}", key="operator")
    page.get_by_role("button", name="Silence…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("1 alert fits now:")).to_be_visible()
    expect(dialog.get_by_label("Value 2")).to_have_value(FALLEN)
    assert axe(page) == []
    dialog.get_by_label("Value 1").fill("(a*)*")
    dialog.get_by_label("Operator 1").select_option("=~")
    expect(dialog).to_contain_text("a repetition may hold a single character")
    dialog.get_by_label("Operator 1").select_option("=")
    dialog.get_by_label("Value 1").fill("no_such_alert")
    expect(dialog.get_by_text("No alert fits now")).to_be_visible()
    dialog.get_by_label("Comment").fill("load test")
    dialog.get_by_role("button", name="Silence").click()
    expect(page.get_by_text("Silenced: 0 that fire now")).to_be_visible()

    page.goto("/ui/alerts?tab=silences")
    mine = page.get_by_role("row").filter(has_text="no_such_alert")
    expect(mine).to_contain_text("load test")
    mine.get_by_role("button", name="End").click()
    page.get_by_role("dialog").get_by_role("button", name="End it").click()
    expect(page.get_by_text("No silence is in force")).to_be_visible()


def test_several_alerts_are_silenced_by_keyboard_each_by_itself_or_by_what_they_share(
    visit: Visit, axe: Axe, world: DashboardWorld
) -> None:
    page = visit("/ui/alerts?name=loop_found", key="operator")
    prints = {f"e3{number:02}" + "0" * 28: f"looper-{number}" for number in range(3)}
    for fingerprint, agent in prints.items():
        world.alert("firing", fingerprint, TENANT, agent, "loop_found", severity="info", host=f"h-{agent}")
    rows = page.get_by_role("table", name="Alerts", exact=True).locator("tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_role("checkbox", name="Choose loop_found of looper-0").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Choose all 3 shown").press("Enter")
    expect(page.get_by_text("3 chosen")).to_be_visible()
    page.get_by_role("button", name="Silence…", exact=True).press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("loop_found of looper-2")).to_be_visible()
    assert axe(page) == []
    # What they share fits one more, which nobody chose.
    world.alert("firing", "e304" + "0" * 28, TENANT, "looper-3", "loop_found", severity="info", host="h-3")
    expect(page.locator("main tbody tr")).to_have_count(4)
    dialog.get_by_role("radio", name="Whatever fits what they have in common").check()
    expect(dialog.get_by_label("Value 1")).to_have_value("loop_found")
    expect(dialog.get_by_text("1 of them you did not choose:")).to_be_visible()
    expect(dialog.get_by_text("loop_found of looper-3")).to_be_visible()
    assert axe(page) == []
    dialog.get_by_role("radio", name="Each of these alerts").check()
    dialog.get_by_label("Comment").fill("load test of loops")
    dialog.get_by_role("button", name="Silence", exact=True).press("Enter")
    expect(page.get_by_text("Silenced: 3 alerts")).to_be_visible()
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("looper-3")

    page.goto("/ui/alerts?tab=silences")
    mine = page.get_by_role("row").filter(has_text="load test of loops")
    expect(mine).to_have_count(3)
    for left in (2, 1, 0):
        mine.first.get_by_role("button", name="End", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="End it").click()
        expect(mine).to_have_count(left)
    world.alerts("resolved", {**prints, "e304" + "0" * 28: "looper-3"}, TENANT, "loop_found", severity="info")


def test_attempts_to_tell_people_come_from_the_lake(visit: Visit) -> None:
    page = visit(f"/ui/alerts/{'a1' + '0' * 30}?tab=deliveries", key="whole")
    rows = page.get_by_role("table", name="Attempts to tell people").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("delivered")
    expect(rows.last).to_contain_text(f"503 {HOSTILE}")
    page.goto("/ui/alerts?tab=history")
    expect(page.get_by_role("row").filter(has_text="on-call")).to_have_count(2)


@pytest.mark.parametrize("path", ["/ui/alerts?tab=silences", "/ui/alerts?tab=history"])
def test_the_other_tabs_are_for_everybody(path: str, visit: Visit, axe: Axe) -> None:
    page = visit(path)
    page.wait_for_function("() => document.querySelector('main h1') && !document.querySelector('[aria-busy=true]')")
    assert axe(page) == []
    page.emulate_media(color_scheme="dark")
    assert axe(page) == []


def test_an_alert_that_nobody_knows_says_so(visit: Visit) -> None:
    page = visit("/ui/alerts/ffffffff", key="viewer")
    expect(page.locator("main")).to_contain_text("Not found")
