"""Signing in through an issuer, in a browser: there by a link, back with a code, in, and out. The API is a process with
the settings of docs/access.md, the issuer a server on loopback; their names are of different sites, as in real life."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from dashboard_world import DashboardWorld
from local_issuer import AUDIENCE, LocalIssuer, local_issuer
from playwright.sync_api import Browser, Page, expect

from infra.supervisor.child import die_with_parent

ALICE = {"preferred_username": "alice@acme.example", "groups": ["sre"], "tenant": "acme", "roles": None}


@dataclass
class Issued:
    """An API at `url` whose people come from `issuer`."""

    url: str
    issuer: LocalIssuer


@pytest.fixture(scope="module")
def issued(world: DashboardWorld) -> Iterator[Issued]:
    with local_issuer() as issuer, _api(world, issuer) as url:
        issuer.asks = True
        yield Issued(url, issuer)


@contextlib.contextmanager
def _api(world: DashboardWorld, issuer: LocalIssuer) -> Iterator[str]:
    """`fleetpulse api` beside the world's own; its URL by the name localhost: the issuer's is 127.0.0.1."""
    settings = {
        "FLEETPULSE_DATA_DIR": str(world.data_dir),
        "FLEETPULSE_SELF_AUDIT": "false",
        "FLEETPULSE_OIDC_ISSUER": issuer.url,
        "FLEETPULSE_OIDC_AUDIENCE": AUDIENCE,
        "FLEETPULSE_OIDC_CLIENT_ID": "dashboard",
        "FLEETPULSE_OIDC_ROLES_CLAIM": "groups",
        "FLEETPULSE_OIDC_ROLE_MAP": json.dumps({"sre": "operator", "leads": "admin"}),
    }
    command = (sys.executable, "-c", "from infra.cli.main import main; main()", "api", "--port", "0")
    process = subprocess.Popen(
        (*command, "--bootstrap", world.broker.bootstrap),
        env={**os.environ, **settings}, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent(),  # noqa: PLW1509  # loads nothing after the fork
    )  # fmt: skip
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        assert ready, "the API has ended"
        yield json.loads(ready)["url"].replace("127.0.0.1", "localhost")
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@pytest.fixture
def arrive(world: DashboardWorld, chromium: Browser, issued: Issued) -> Iterator[Callable[..., Page]]:
    """`arrive(person)`: a page of a browser that knows nobody; whom the issuer will name is given. The world
    begins before the browser, whose loop stays at work in this thread."""
    contexts = []

    def come(path: str = "/ui/agents?status=late", **person: object) -> Page:
        issued.issuer.person = {**ALICE, **person}
        context = chromium.new_context(base_url=issued.url, reduced_motion="reduce", locale="en-GB")
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.goto(path)
        return page

    yield come
    for context in contexts:
        context.close()


def to_the_issuer(page: Page, issuer: LocalIssuer) -> None:
    page.get_by_role("link", name=f"Continue with {urlsplit(issuer.url).netloc}").click()
    expect(page).to_have_title("Issuer")


def signed_in(page: Page, issued: Issued) -> None:
    to_the_issuer(page, issued.issuer)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_visible()


def asked(page: Page, path: str) -> dict[str, object]:
    """Status and body of a GET by the page, with its cookie."""
    found: dict[str, object] = page.evaluate(
        "path => fetch(path).then(async answer => ({status: answer.status, body: await answer.json()}))", path
    )
    return found


def test_who_the_issuer_names_is_in_with_their_role_and_out_again(arrive: Callable[..., Page], issued: Issued) -> None:
    page = arrive()
    expect(page).to_have_url(re.compile(r"/ui/sign-in\?next="))
    signed_in(page, issued)
    expect(page).to_have_url(f"{issued.url}/ui/agents?status=late")
    account = page.get_by_role("button", name="alice@acme.example")
    expect(account).to_be_visible()
    expect(page.locator(".account")).to_have_attribute("title", "operator of acme")
    me = asked(page, "/api/me")["body"]
    assert isinstance(me, dict)
    assert (me["id"], me["role"], me["tenant"], me["via"]) == ("oidc:alice", "operator", "acme", "oidc")
    assert asked(page, "/api/keys")["status"] == 403
    [cookie] = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("fleetpulse_session", True, "Strict")

    account.click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert page.context.cookies() == []
    page.context.add_cookies([cookie])  # who kept it has nothing by it
    assert asked(page, "/api/me")["status"] == 401


def test_the_challenge_of_pkce_and_a_nonce_go_along(arrive: Callable[..., Page], issued: Issued) -> None:
    page = arrive()
    to_the_issuer(page, issued.issuer)
    for part in ("code_challenge=", "code_challenge_method=S256", "nonce=", "state=", "client_id=dashboard"):
        assert part in page.url
    assert "code_verifier" not in page.url


@pytest.mark.parametrize("state", ["wrong", ""])
def test_an_answer_to_somebody_elses_question_signs_nobody_in(
    arrive: Callable[..., Page], issued: Issued, state: str
) -> None:
    page = arrive()
    to_the_issuer(page, issued.issuer)
    back = issued.issuer.authorize(page.url.removeprefix(issued.issuer.url))
    page.goto(re.sub(r"state=[^&]*", f"state={state}", back))
    expect(page.get_by_role("alert").first).to_contain_text("begun in another browser")
    assert asked(page, "/api/me")["status"] == 401
    page.goto(back)  # what was left is over, with the right state too
    expect(page.get_by_role("alert").first).to_contain_text("begun in another browser")


def test_a_code_that_was_used_is_refused(arrive: Callable[..., Page], issued: Issued) -> None:
    page = arrive()
    to_the_issuer(page, issued.issuer)
    back = issued.issuer.authorize(page.url.removeprefix(issued.issuer.url))
    [trip] = page.context.cookies()
    page.goto(back)
    expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_visible()
    page.goto("about:blank")  # a page that finds itself signed out would go elsewhere meanwhile
    page.context.clear_cookies()
    page.context.add_cookies([trip])
    page.goto(back)
    expect(page.get_by_role("alert").first).to_contain_text("did not stand by its own answer")


@pytest.mark.parametrize(
    ("person", "said"),
    [({"groups": ["guests"]}, "gives you no role here"), ({"tenant": None}, "names no tenant of yours")],
)
def test_who_has_no_place_here_is_told_so(
    arrive: Callable[..., Page], issued: Issued, person: dict[str, object], said: str
) -> None:
    page = arrive(**person)
    to_the_issuer(page, issued.issuer)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text(said)
    assert page.context.cookies() == []


def test_who_changes_their_mind_comes_back_to_the_keys(arrive: Callable[..., Page], issued: Issued) -> None:
    page = arrive()
    to_the_issuer(page, issued.issuer)
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("alert").first).to_contain_text("was cancelled there")
    expect(page.get_by_label("Key", exact=True)).to_be_visible()
