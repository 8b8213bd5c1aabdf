"""Sessions that end under an open page, and other tabs of the same browser."""

from __future__ import annotations

from collections.abc import Callable

from dashboard_world import DashboardWorld
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]


def signed_in(page: Page, world: DashboardWorld, key: str) -> None:
    """The browser's cookie is that of another key, and no tab was told."""
    answer = page.context.request.post("/session", data={"key": world.keys[key]}, headers={"Origin": world.url})
    assert answer.ok, answer.text()


def test_who_is_sent_to_the_sign_in_by_an_ended_session_reads_why(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/sign-in", key=None)
    expect(page.get_by_label("Key", exact=True)).to_be_visible()
    expect(page.get_by_text("Your session has ended")).to_have_count(0)
    signed_in(page, world, "viewer")
    page.goto("/ui/hosts")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hosts")
    page.context.clear_cookies()
    page.get_by_role("link", name="Governance", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="Your session has ended")).to_be_visible()
    page.get_by_label("Key", exact=True).fill(world.keys["viewer"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{world.url}/ui/governance")


def test_a_tab_shows_who_is_signed_in_in_another_one(visit: Visit, world: DashboardWorld) -> None:
    first = visit("/ui/alerts", key="operator")
    silence = first.get_by_role("button", name="New silence").first
    expect(silence).to_be_visible()
    signed_in(first, world, "plain")
    second = first.context.new_page()
    second.goto("/ui/agents")
    expect(first.locator(".account")).to_contain_text("plain")
    expect(first.get_by_role("heading", level=1)).to_have_text("Alerts")
    expect(silence).to_have_count(0)


def test_signing_out_is_signing_out_in_every_tab(visit: Visit, world: DashboardWorld) -> None:
    first = visit("/ui/settings", key="viewer")
    expect(first.locator(".account")).to_be_visible()
    second = first.context.new_page()
    second.goto("/ui/settings")
    second.locator(".account").get_by_role("button").click()
    second.get_by_role("menuitem", name="Sign out").click()
    expect(first).to_have_url(f"{world.url}/ui/sign-in?next=%2Fui%2Fsettings")


def test_a_tab_asks_who_is_signed_in_only_where_another_one_found_somebody_else(
    visit: Visit, world: DashboardWorld
) -> None:
    first = visit("/ui/hosts", key="viewer")
    expect(first.locator(".account")).to_be_visible()
    asked: list[str] = []
    first.on("request", lambda request: asked.append(request.url) if request.url.endswith("/api/me") else None)
    second = first.context.new_page()
    second.goto("/ui/hosts")
    expect(second.locator(".account")).to_be_visible()
    signed_in(first, world, "plain")
    with first.expect_event("load"):  # that message comes after the one about the same person
        second.reload()
    expect(first.locator(".account")).to_contain_text("plain")
    assert len(asked) == 2  # when it was told of another person, and when it loaded for it


def test_a_key_that_is_being_typed_stays_when_another_tab_is_signed_in(visit: Visit, world: DashboardWorld) -> None:
    first = visit("/ui/sign-in", key=None)
    key = first.get_by_label("Key", exact=True)
    key.fill("fp_half")
    signed_in(first, world, "viewer")
    second = first.context.new_page()
    with first.expect_response("**/api/me") as answer:
        second.goto("/ui/hosts")
    assert answer.value.ok
    expect(second.locator(".account")).to_be_visible()
    expect(key).to_have_value("fp_half")
    key.fill(world.keys["operator"])
    first.keyboard.press("Enter")
    expect(first.locator(".account")).to_contain_text("operator")
    expect(second.locator(".account")).to_contain_text("operator")


def test_a_link_with_what_cannot_be_asked_says_what_and_leads_on(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/agents?status=asleep")
    said = page.get_by_role("alert").filter(has_text="This cannot be asked")
    expect(said).to_contain_text("Status: Input should be 'online'")
    said.get_by_role("link", name="Show the page without it").click()
    expect(page).to_have_url(f"{world.url}/ui/agents")
    expect(page.get_by_role("link", name="crawler-01")).to_be_visible()
