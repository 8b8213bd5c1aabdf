"""The page of one agent: why its status and score, where its flags are, what is forecast, what arrived."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from itertools import count
from urllib.parse import quote

from api_world import Lake, status
from dashboard_world import DashboardWorld
from known_fleet import FALLEN, HOSTILE, HOSTILE_AGENT, MINUTE_US, host_of
from playwright.sync_api import Locator, Page, Route, expect

Visit = Callable[..., Page]


def _card(page: Page, title: str) -> Locator:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=title, exact=True))


def test_the_summary_says_why_it_is_as_it_is(visit: Visit) -> None:
    page = visit(f"/ui/agents/{FALLEN}", key="viewer")
    expect(page.get_by_role("heading", level=1)).to_have_text(FALLEN)
    expect(page).to_have_title(re.compile(f"^{FALLEN}"))
    expect(_card(page, "Why this status")).to_contain_text("heartbeats came again")
    expect(_card(page, "Why this status")).to_contain_text("It beats every 30 s")
    expect(_card(page, "Why this status").get_by_role("img", name=re.compile("late 30 min"))).to_be_visible()
    score = _card(page, "Why this score")
    expect(score.get_by_role("listitem").filter(has_text="Caution")).to_contain_text("lower bound")
    expect(score.get_by_role("listitem").last).to_contain_text("0.31")
    moved = _card(page, "What moved it").get_by_role("row")
    expect(moved.nth(1)).to_contain_text("critical, blocked: No personal data")
    expect(moved.nth(1)).to_contain_text("−0.")
    expect(page.get_by_role("table", name="Alerts of this agent")).to_contain_text("trust_low")


def test_metrics_have_flags_and_forecasts(visit: Visit) -> None:
    page = visit(f"/ui/agents/{FALLEN}?range=6h", key="viewer")
    page.get_by_role("tab", name="Metrics").click()
    expect(page).to_have_url(re.compile("tab=metrics"))
    response = _card(page, "Response time")
    expect(response).to_contain_text("3 flagged")
    response.scroll_into_view_if_needed()
    expect(response.locator("canvas, svg.chart-svg").first).to_be_visible()
    expect(_card(page, "queue_depth")).to_be_attached()
    flag = _card(page, "Flagged values").get_by_role("row").nth(1)
    expect(flag).to_contain_text("755 above it")
    flag.get_by_role("button", name="Why").click()
    expect(page.get_by_role("dialog")).to_contain_text("Most of it is the fast average")
    page.keyboard.press("Escape")
    expect(flag.get_by_role("button", name="Why")).to_be_focused()
    expect(_card(page, "Forecasts").get_by_role("row").nth(1)).to_contain_text("83%")


def test_a_span_is_zoomed_into_by_keys_and_there_is_a_way_back(visit: Visit) -> None:
    page = visit(f"/ui/agents/{FALLEN}?range=6h&tab=metrics", key="viewer")
    chart = _card(page, "Response time").locator(".chart-canvas")
    out = page.get_by_role("button", name="Zoom out", exact=True)
    chart.focus()
    expect(out).to_have_count(0)
    page.keyboard.press("+")
    expect(page).to_have_url(re.compile("from=.*&to="))
    expect(out).to_be_visible()
    expect(chart).to_be_focused()
    expect(page.get_by_role("link", name="Flagged values")).to_contain_text("in 3 h")
    page.go_back()
    expect(page.get_by_role("button", name="6 h", exact=True)).to_have_attribute("aria-pressed", "true")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile("from=.*&to="))
    out.click()
    expect(out).to_have_count(0)
    expect(page.get_by_role("button", name="6 h", exact=True)).to_be_focused()
    expect(page).to_have_url(re.compile("range=6h"))
    assert "from=" not in page.url


def test_charts_go_on_in_place(visit: Visit) -> None:
    page = visit(f"/ui/agents/{FALLEN}?range=6h&tab=metrics", key="viewer")
    page.clock.install()
    page.reload()
    chart = _card(page, "Response time").locator(".chart-canvas")
    chart.focus()
    chart.evaluate("each => { each.same = true; }")
    with page.expect_response(lambda answer: "/metrics?" in answer.url) as answer:
        page.clock.fast_forward(31_000)
    assert answer.value.ok
    expect(chart).to_be_focused()
    assert chart.evaluate("each => each.same") is True


def test_of_an_agent_that_is_minutes_old_the_range_is_one_that_it_fills(world: DashboardWorld, visit: Visit) -> None:
    agent = "agent-page-young"
    known = {"agent_id": agent, "user_id": "acme", "session_id": "young", "cpu_usage": 20.0}
    now_us = int(time.time() * 1e6)
    lake = Lake(world.data_dir / "lake", count(5_000_000))  # beside the offsets of the known fleet
    lake.add("metrics", [known | {"timestamp": now_us - n * MINUTE_US, "seq": 5 - n} for n in range(5, 0, -1)])
    world.publish("fleet.status", status(agent, "acme", at_us=now_us - 5 * MINUTE_US, reason="first_beat"))
    page = visit(f"/ui/agents/{agent}?tab=metrics", key="viewer")
    expect(page.get_by_role("button", name="15 min", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("link", name="Flagged values")).to_contain_text("in 15 min")
    expect(_card(page, "CPU usage")).to_be_visible()
    assert "range=" not in page.url
    page.get_by_role("button", name="24 h", exact=True).click()
    expect(page).to_have_url(re.compile("range=24h"))
    expect(page.get_by_role("link", name="Flagged values")).to_contain_text("in 24 h")


def test_runs_logs_violations_and_delivery_by_keyboard(visit: Visit) -> None:
    page = visit(f"/ui/agents/{FALLEN}?tab=runs", key="viewer")
    page.get_by_role("link", name="nightly crawl").click()
    run = page.locator(".card").filter(has=page.get_by_role("heading", name="Run run-7"))
    expect(run).to_contain_text("tool_error: TIMEOUT")
    expect(run.get_by_role("table", name="Steps in their order").get_by_role("row")).to_have_count(3)
    expect(run.get_by_role("table", name="Turns of the agent within the run")).to_contain_text("tool completed")
    page.get_by_role("tab", name="Runs").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tabpanel")).to_contain_text("1 missing")
    expect(page.get_by_role("tabpanel").get_by_role("row").nth(1)).to_contain_text("r-crawler-03")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tabpanel").get_by_role("row")).to_have_count(8)
    page.get_by_label("Least severity").select_option("critical")
    expect(page.get_by_role("tabpanel").get_by_role("row")).to_have_count(3)
    page.get_by_role("tab", name="Logs").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("tool search failed: timed out after 30 s")


def test_the_tile_and_the_tab_of_delivery_tell_the_same_whenever_they_are_looked_at(
    world: DashboardWorld, visit: Visit
) -> None:
    page = visit("/ui/hosts", key="viewer")
    found, answers = world.get(f"/api/agents/{FALLEN}/ledger", "viewer"), count(1)

    def one_more_lands_each_time(route: Route) -> None:
        more = 1_000 * next(answers)
        sums = {name: found["total"][name] + more for name in ("published", "landed")}
        route.fulfill(json=found | {"total": found["total"] | sums})

    def they_agree() -> None:
        page.wait_for_function(
            """() => {
              const [tile, tab] = ["a.stat", ".tabs div.stat"].map((each) => [...document.querySelectorAll(each)]);
              const said = (all, label) => all.find((each) => each.textContent.startsWith(label))?.textContent ?? "";
              const landed = /Landed([\\d,]+)/.exec(said(tab, "Landed"))?.[1];
              return landed && said(tile, "Delivery").includes(`${landed} of `);
            }"""
        )

    page.route(re.compile(r"/api/agents/[^/]+/ledger$"), one_more_lands_each_time)
    page.clock.install()
    page.goto(f"/ui/agents/{FALLEN}")
    tile = page.get_by_role("link", name=re.compile("^Delivery"))
    expect(tile).to_contain_text(re.compile("events landed, counted .* ago|just now"))
    tile.click()
    they_agree()
    for _ in range(2):
        before = tile.inner_text()
        page.clock.fast_forward(120_000)
        expect(tile).not_to_have_text(before)
        they_agree()


def _delivery(page: Page) -> tuple[Locator, Locator]:
    """The tile and the tab of it."""
    return page.locator(".agent-strip-part").nth(2), page.get_by_role("tabpanel", name="Delivery")


def test_a_count_of_delivery_that_fails_takes_the_last_good_one_from_nobody(
    world: DashboardWorld, visit: Visit
) -> None:
    page = visit("/ui/hosts", key="viewer")
    found, answers = world.get(f"/api/agents/{FALLEN}/ledger", "viewer"), count(1)

    def every_second_fails(route: Route) -> None:
        number = next(answers)
        if number % 2 == 0:
            return route.fulfill(status=503, json={"type": "busy", "title": "Busy", "status": 503})
        sums = {"published": number * 1_000, "landed": number * 1_000}
        return route.fulfill(json=found | {"total": found["total"] | sums})

    page.route(re.compile(r"/api/agents/[^/]+/ledger$"), every_second_fails)
    page.clock.install()
    page.goto(f"/ui/agents/{FALLEN}?tab=delivery")
    both = _delivery(page)
    for each in both:
        expect(each).to_contain_text("1,000")
    with page.expect_response(re.compile("/ledger$")) as answer:
        page.clock.fast_forward(120_000)
    assert answer.value.status == 503
    with page.expect_response(re.compile("/ledger$")) as answer:
        page.clock.fast_forward(120_000)
    assert answer.value.ok
    for each in both:
        expect(each).to_contain_text("3,000")


def test_who_tries_the_delivery_again_tries_it_for_all_that_show_it(visit: Visit) -> None:
    page = visit("/ui/hosts", key="viewer")
    away = re.compile(r"/api/agents/[^/]+/ledger$")
    page.route(away, lambda route: route.fulfill(status=503, json={"type": "busy", "title": "Busy", "status": 503}))
    page.goto(f"/ui/agents/{FALLEN}?tab=delivery")
    tile, tab = _delivery(page)
    for each in (tile, tab):
        expect(each).to_contain_text("Not ready just now")
    page.unroute(away)
    tab.get_by_role("button", name="Try again").click()
    expect(tab).to_contain_text("By session")
    expect(tile).to_contain_text("events landed")


def test_a_change_of_status_comes_without_reload(world: DashboardWorld, visit: Visit) -> None:
    agent = "agent-page-live"
    common = {"agent_id": agent, "user_id": "acme", "previous": "unknown", "interval_s": 30.0, "host": host_of(FALLEN)}
    world.publish("fleet.status", {**common, "timestamp": world.now_us, "status": "online", "reason": "first_beat"})
    page = visit(f"/ui/agents/{agent}", key="viewer")
    expect(_card(page, "Why this status")).to_contain_text("its first heartbeat came")
    gone = {"timestamp": world.now_us + MINUTE_US, "status": "offline", "reason": "stopped", "previous": "online"}
    world.publish("fleet.status", {**common, **gone})
    expect(_card(page, "Why this status")).to_contain_text("it was stopped on purpose")


def test_hostile_texts_stay_texts(visit: Visit) -> None:
    for tab in ("summary", "metrics", "logs", "violations"):
        page = visit(f"/ui/agents/{quote(HOSTILE_AGENT, safe='')}?tab={tab}", key="viewer")
        expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE_AGENT)
        expect(page.get_by_role("tabpanel")).to_contain_text(HOSTILE[:30])
        assert page.evaluate("() => window.hacked") is None
        page.context.close()


def test_who_does_not_exist_and_who_is_anothers_are_told_alike(visit: Visit) -> None:
    for name in ("nobody", FALLEN):
        page = visit(f"/ui/agents/{name}", key="other")
        expect(page.get_by_text("There is no such agent", exact=True)).to_be_visible()
        expect(page.get_by_role("tab")).to_have_count(0)
        page.context.close()
