"""Signing in and out as a person does, by keyboard, on a phone, with keys that are not taken."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from dashboard_world import DashboardWorld
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]
EVERYBODY = "/ui/sign-in"


def test_a_key_leads_to_the_page_that_was_asked_for(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/agents?status=late", key=None)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_hidden()
    page.get_by_label("Key", exact=True).fill(f"  {world.keys['viewer']} ")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{world.url}/ui/agents?status=late")
    expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")


@pytest.mark.parametrize(("typed", "said"), [("", "Paste your key"), ("fp_v_wrong", "is not valid")])
def test_a_key_that_is_not_taken_is_said_beside_its_field(visit: Visit, typed: str, said: str) -> None:
    page = visit(EVERYBODY, key=None)
    field = page.get_by_label("Key", exact=True)
    field.fill(typed)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".field-error")).to_contain_text(said)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()


def test_who_signs_out_is_out(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/settings", key="viewer")
    page.locator(".account").get_by_role("button").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert page.context.cookies() == []
    page.goto("/ui/agents")
    expect(page).to_have_url(f"{world.url}/ui/sign-in?next=%2Fui%2Fagents")


def test_nobody_is_led_elsewhere(visit: Visit, world: DashboardWorld) -> None:
    for following in ("//evil.example/ui/", "/ui/../../etc"):
        page = visit(f"{EVERYBODY}?next={following}", key=None)
        page.get_by_label("Key", exact=True).fill(world.keys["viewer"])
        page.keyboard.press("Enter")
        expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_visible()
        assert page.url.startswith(f"{world.url}/")
        page.context.close()


def test_what_failed_at_the_issuer_is_said_in_words_of_ours(visit: Visit) -> None:
    page = visit(f"{EVERYBODY}?error=no_role", key=None)
    expect(page.get_by_role("alert").first).to_contain_text("gives you no role here")
    page = visit(f"{EVERYBODY}?error=%3Cimg%20src=x%20onerror=alert(1)%3E", key=None)
    expect(page.get_by_role("alert").first).to_contain_text("could not be trusted")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_there_for_everybody(visit: Visit, axe: Callable[[Page], list[str]], theme: str) -> None:
    page = visit(f"{EVERYBODY}?error=state", key=None, theme=theme, width=360)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_text("No key?").click()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= 360")
