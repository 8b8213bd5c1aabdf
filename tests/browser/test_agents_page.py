"""The agents page in a real browser: the known fleet's facts, filters, groups, keyboard, changes as they come."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from dashboard_world import DashboardWorld
from known_fleet import FALLEN, HOSTILE_AGENT, OFFLINE, score_of
from playwright.sync_api import Locator, Page, expect

Visit = Callable[..., Page]
Axe = Callable[[Page], list[str]]


def rows(page: Page, count: int) -> None:
    expect(page.locator("main tbody tr")).to_have_count(count)


def row_of(page: Page, agent: str) -> Locator:
    return page.locator("main tbody tr").filter(has=page.get_by_role("link", name=agent, exact=True))


def becomes(found: Locator, script: str) -> None:
    """Wait until a script says so of an element: a window of another size is drawn with one of the next frames."""
    found.page.wait_for_function(script, arg=found.element_handle())


FITS = "each => each.scrollWidth <= each.clientWidth"


def test_every_agent_has_its_facts(visit: Visit) -> None:
    page = visit("/ui/agents?q=er-0", key="viewer", width=1700)
    rows(page, 20)
    for agent, told in (
        (FALLEN, ("online", "0.31 7 eu-1", "2.3.1", "search")),
        (OFFLINE[0], ("offline",)),
        ("planner-02", (f"{score_of('planner-02'):.2f}",)),
    ):
        for each in told:
            expect(row_of(page, agent)).to_contain_text(each, use_inner_text=True)


def test_what_one_chooses_stands_in_the_address_and_holds_after_a_reload(visit: Visit) -> None:
    page = visit("/ui/agents", key="viewer")
    page.get_by_label("Status", exact=True).select_option("offline")
    expect(page.get_by_role("link", name=OFFLINE[0], exact=True)).to_be_visible()  # other tests make others offline
    expect(page.get_by_role("link", name=HOSTILE_AGENT, exact=True)).to_have_count(0)
    page.get_by_label("Filter by something else").select_option("deployment")
    page.get_by_label("Only agents with this deployment").select_option("eu-1")
    expect(page.get_by_role("button", name="Remove the filter Deployment: eu-1")).to_be_visible()
    page.reload()
    rows(page, 2)
    assert {"status=offline", "deployment=eu-1"} <= set(page.url.partition("?")[2].split("&"))
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_role("link", name=HOSTILE_AGENT, exact=True)).to_be_visible()


def test_agents_are_sorted_and_grouped_by_the_server(visit: Visit, axe: Axe) -> None:
    page = visit("/ui/agents?q=er-0", key="viewer", theme="dark")
    page.get_by_role("button", name="Trust").click()
    first = page.locator("main tbody tr").first
    expect(first.get_by_role("link").first).to_have_text(FALLEN)
    page.get_by_label("Group agents").select_option("department")
    rows(page, 3)
    search = page.locator("main tbody tr").filter(has=page.get_by_role("link", name="search"))
    expect(search).to_have_text(re.compile(r"^\s*search\s+5\s+all\s+online"), use_inner_text=True)
    assert axe(page) == []
    page.get_by_role("link", name="search", exact=True).click()
    rows(page, 5)
    expect(page.get_by_text("5 agents fit the filters")).to_be_visible()


def test_by_keyboard_alone_one_finds_an_agent_and_opens_it(visit: Visit) -> None:
    page = visit("/ui/agents", key="viewer")
    rows_there = page.locator("main tbody tr").first
    expect(rows_there).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Find an agent", exact=True)).to_be_focused()
    page.keyboard.type("crawler-03")
    page.keyboard.press("Enter")
    rows(page, 1)
    link = page.get_by_role("link", name=FALLEN, exact=True)
    for _ in range(40):
        if link.evaluate("each => each === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/ui/agents/{FALLEN}$"))


def test_on_a_laptop_every_column_is_in_sight_and_on_a_large_screen_there_are_more(visit: Visit) -> None:
    page = visit("/ui/agents?q=er-0", key="whole", width=1366)
    rows(page, 20)
    expect(page.get_by_role("columnheader", name="Tenant", exact=True)).to_be_visible()
    expect(page.get_by_role("columnheader", name="Version", exact=True)).to_be_hidden()
    becomes(page.get_by_role("region", name="Agents", exact=True), FITS)
    page.set_viewport_size({"width": 1700, "height": 900})
    expect(page.get_by_role("columnheader", name="Version", exact=True)).to_be_visible()


def test_an_agent_that_comes_and_falls_shows_without_a_reload(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/agents?q=c-live-agent", key="whole")
    expect(page.get_by_text("No agents fit", exact=True)).to_be_visible()
    now_us = int(time.time() * 1e6)
    known = {"agent_id": "c-live-agent-1", "user_id": "c-live", "timestamp": now_us, "last_beat": now_us}
    world.publish(
        "fleet.status",
        {
            **known,
            "status": "online",
            "previous": "unknown",
            "reason": "first_beat",
            "deadline": now_us,
            "interval_s": 30.0,
        },
    )
    rows(page, 1)
    link = page.get_by_role("link", name="c-live-agent-1")
    link.focus()
    world.publish(
        "fleet.trust",
        {
            **known,
            "trust": 0.42,
            "p": 0.5,
            "n": 9.0,
            "model": "beta",
            "violations": 3,
            "oldest_source_timestamp": now_us,
        },
    )
    expect(page.locator("main tbody tr")).to_contain_text("0.42")
    expect(page.locator("main tbody tr")).to_contain_text("online")
    assert page.get_by_role("link", name=HOSTILE_AGENT).count() == 0


def test_rows_stay_where_nobody_asked_and_the_server_does_not_answer(visit: Visit) -> None:
    page = visit("/ui/agents?q=er-0", key="viewer")
    page.clock.install()
    page.reload()
    rows(page, 20)
    page.route("**/api/agents?*", lambda route: route.abort())
    with page.expect_event("requestfailed", lambda request: "/api/agents?" in request.url):
        page.clock.fast_forward(20_000)  # it asks by itself, now and then
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    rows(page, 20)
    expect(page.get_by_role("alert").filter(has_text="Try again")).to_have_count(0)
    page.unroute("**/api/agents?*")
    page.get_by_label("Status", exact=True).select_option("offline")
    rows(page, 2)


def test_a_failure_says_so_and_offers_another_try(visit: Visit) -> None:
    page = visit("/ui/agents?q=er-0", key="viewer")
    page.route("**/api/agents?*", lambda route: route.abort())
    page.reload()
    failure = page.get_by_role("alert").filter(has_text="Try again")
    expect(failure).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Agents")
    page.unroute("**/api/agents?*")
    failure.get_by_role("button", name="Try again", exact=True).click()
    rows(page, 20)


def test_long_names_keep_one_line_and_both_ends_and_are_whole_with_the_focus(
    visit: Visit, world: DashboardWorld
) -> None:
    names = [f"d-customer-support-escalation-assistant-of-eu-central-{n:04d}" for n in (1, 2)]
    now_us = int(time.time() * 1e6)
    told = {"user_id": "d-long", "timestamp": now_us, "last_beat": now_us, "status": "online", "previous": "unknown",
            "reason": "first_beat", "deadline": now_us, "interval_s": 30.0,
            "deployment_id": "d-production-of-eu-central", "host": "d-machine-of-eu-central-0001"}  # fmt: skip
    world.publish("fleet.status", *({**told, "agent_id": name} for name in names))
    page = visit("/ui/agents?q=d-customer", width=1366)
    rows(page, 2)
    first, last = (page.get_by_role("link", name=name, exact=True) for name in names)
    region = page.get_by_role("region", name="Agents", exact=True)
    for width in (1366, 1024, 700):
        page.set_viewport_size({"width": width, "height": 800})
        becomes(region, FITS)
        becomes(last, "each => each.offsetHeight < 30")
        becomes(
            last,
            "each => each.lastElementChild.getBoundingClientRect().right <= each.getBoundingClientRect().right + 1",
        )
    expect(last).to_have_attribute("title", names[1])
    page.keyboard.press("Tab")
    first.focus()
    assert first.evaluate("each => each.matches(':focus-visible') && getComputedStyle(each).whiteSpace") == "normal"
    page.set_viewport_size({"width": 360, "height": 800})
    becomes(page.locator("html"), FITS)
    becomes(last, "each => getComputedStyle(each.querySelector('.name-start')).display === 'inline'")
