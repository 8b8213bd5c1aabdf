"""Signing in through a real issuer on loopback: there, back, and every way in which it may go wrong."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from local_issuer import AUDIENCE, LocalIssuer, local_issuer
from web_world import Keys, Running, app_of, running

from infra.access import AuditTrail, Sessions
from infra.access.code_flow import CodeFlow, code_flow
from infra.access.settings import load_access_settings
from infra.runtime.errors import SettingError
from infra.web.access import Access
from infra.web.cookies import SESSION_COOKIE
from infra.web.sign_in import SignIn, sign_in_router
from infra.web.sign_in_oidc import TRIP_COOKIE, TRIP_S, oidc_router
from sinks.api.routes.me import router as me


@pytest.fixture(scope="module")
def shared_issuer() -> Iterator[LocalIssuer]:
    with local_issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(shared_issuer: LocalIssuer) -> LocalIssuer:
    shared_issuer.broken, shared_issuer.client = False, ("dashboard", "")
    shared_issuer.person, shared_issuer.access, shared_issuer.forged = {"preferred_username": "alice"}, {}, {}
    return shared_issuer


@dataclass
class Away:
    """A server whose people sign in at the issuer; `skew_s` moves its clock."""

    server: Running
    browser: httpx.AsyncClient
    audit: AuditTrail
    skew_s: float = 0.0

    async def leave(self, following: str = "/ui/agents?status=late") -> str:
        """Where the issuer sends the browser back to."""
        there = await self.browser.get("/session/oidc", params={"next": following})
        assert there.status_code == 303, there.text
        back = await self.browser.get(there.headers["location"])
        assert back.status_code == 302, back.text
        return back.headers["location"]

    async def refusal(self, url: str) -> str:
        """Why a way back leads to no session, as the page is told; the audit trail must be told the same."""
        answer = await self.browser.get(url)
        assert answer.status_code == 303, answer.text
        assert SESSION_COOKIE not in self.browser.cookies
        assert TRIP_COOKIE not in self.browser.cookies
        to = urlsplit(answer.headers["location"])
        assert (to.netloc, to.path) == ("", "/ui/sign-in")
        [reason] = parse_qs(to.query)["error"]
        written = self.audit.log.waiting[-1]
        assert (written.action, written.detail) == ("refused", reason)
        return reason


@contextlib.asynccontextmanager
async def away(flow: CodeFlow) -> AsyncIterator[Away]:
    """A server of whom `flow` is the issuer's side."""
    keys, audit, found = Keys(), AuditTrail("", "fleetpulse:api:test"), []

    def now_s() -> float:
        return time.time() + (found[0].skew_s if found else 0.0)

    desk = SignIn(Sessions(keys.directory), audit=audit, issuer=flow.name, now_s=now_s)
    access = Access(keys.directory, audit=audit, sessions=desk.sessions, now_s=now_s)
    app = app_of(sign_in_router(desk), oidc_router(desk, flow), me)
    app.state.world = None
    async with (
        running(app, keys, access) as server,
        httpx.AsyncClient(base_url=server.listening.url, timeout=60) as browser,
    ):
        found.append(Away(server, browser, audit))
        yield found[0]


def flow_of(issuer: LocalIssuer, **given: object) -> CodeFlow:
    asked = {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, "oidc_client_id": "dashboard", **given}
    found = code_flow(load_access_settings(**asked))
    assert found is not None
    return found


async def test_who_signs_in_at_the_issuer_comes_back_with_a_session(issuer: LocalIssuer) -> None:
    async with away(flow_of(issuer)) as world:
        ways = (await world.browser.get("/session/ways")).json()
        assert ways == {"key": True, "oidc": {"name": urlsplit(issuer.url).netloc}}
        answer = await world.browser.get(await world.leave())
        assert answer.headers["location"] == "/ui/agents?status=late"
        cookies = answer.headers.get_list("set-cookie")
        assert cookies[0].endswith("; Path=/; Max-Age=28800; HttpOnly; SameSite=Strict") or "28799" in cookies[0]
        assert TRIP_COOKIE not in world.browser.cookies
        assert [each.action for each in world.audit.log.waiting] == ["session.begin"]


@pytest.mark.parametrize("secret", ["", "of the client: %&"])
async def test_a_client_with_a_secret_shows_it(issuer: LocalIssuer, secret: str) -> None:
    issuer.client = ("dashboard", "of%20the%20client%3A%20%25%26" if secret else "")
    async with away(flow_of(issuer, oidc_client_secret=secret)) as world:
        assert (await world.browser.get(await world.leave())).headers["location"] == "/ui/agents?status=late"
    issuer.client = ("dashboard", "another")
    async with away(flow_of(issuer, oidc_client_secret=secret)) as world:
        assert await world.refusal(await world.leave()) == "code_refused"


async def test_the_session_is_of_whom_the_issuer_named(issuer: LocalIssuer) -> None:
    issuer.person = {"email": "bob@acme.example", "sub": "bob", "roles": ["operator"], "tenant": "globex"}
    async with away(flow_of(issuer, oidc_session_s=600)) as world:
        await world.browser.get(await world.leave())
        told = (await world.browser.get("/api/me")).json()
        assert (told["id"], told["name"], told["role"]) == ("oidc:bob", "bob@acme.example", "operator")
        assert (told["tenant"], told["via"], told["session"]) == ("globex", "oidc", True)
        world.skew_s = 601
        assert (await world.browser.get("/api/me")).status_code == 401


async def test_many_claims_do_not_fill_the_cookie(issuer: LocalIssuer) -> None:
    issuer.person = {"groups": [f"a group with a long name {number}" for number in range(2_000)], "name": "n" * 5_000}
    async with away(flow_of(issuer)) as world:
        answer = await world.browser.get(await world.leave())
        [session] = [each for each in answer.headers.get_list("set-cookie") if each.startswith(SESSION_COOKIE)]
        assert len(session.partition(";")[0]) < 1_000
        assert (await world.browser.get("/api/me")).json()["name"] == "n" * 200


async def test_a_token_that_is_too_long_is_called_so(issuer: LocalIssuer) -> None:
    issuer.person = {"groups": [f"a group with a long name {number}" for number in range(5_000)]}
    async with away(flow_of(issuer)) as world:
        assert await world.refusal(await world.leave()) == "too_long"


async def test_roles_that_only_the_access_token_carries_count(issuer: LocalIssuer) -> None:
    issuer.person, issuer.access = {"roles": None}, {"roles": ["admin"]}
    async with away(flow_of(issuer)) as world:
        await world.browser.get(await world.leave())
        assert (await world.browser.get("/api/me")).json()["role"] == "admin"
    issuer.access = {"roles": ["admin"], "sub": "mallory"}
    async with away(flow_of(issuer)) as world:
        assert await world.refusal(await world.leave()) == "no_role"


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        ({"roles": []}, "no_role"),
        ({"roles": ["ingest"]}, "no_role"),
        ({"tenant": None}, "no_tenant"),
        ({"tenant": "fleetpulse"}, "no_tenant"),
    ],
)
async def test_who_has_no_place_here_is_told_so(issuer: LocalIssuer, person: dict[str, object], reason: str) -> None:
    issuer.person = person
    async with away(flow_of(issuer)) as world:
        assert await world.refusal(await world.leave()) == reason


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": AUDIENCE}, "claims"),
        ({"azp": "another"}, "claims"),
        ({"iss": "https://evil.example"}, "claims"),
        ({"exp": 1_000}, "expired"),
    ],
)
async def test_an_id_token_that_was_not_asked_for_is_refused(
    issuer: LocalIssuer, forged: dict[str, object], reason: str
) -> None:
    issuer.forged = forged
    async with away(flow_of(issuer)) as world:
        assert await world.refusal(await world.leave()) == reason


async def test_a_code_is_good_once_and_for_who_left(issuer: LocalIssuer) -> None:
    async with away(flow_of(issuer)) as world:
        back = await world.leave()
        thief = httpx.AsyncClient(base_url=world.server.listening.url, timeout=60)
        async with thief:
            assert "error=state" in (await thief.get(back)).headers["location"]
            await thief.get("/session/oidc")
            assert "error=state" in (await thief.get(back)).headers["location"]
        kept = dict(world.browser.cookies)
        assert "/ui/agents" in (await world.browser.get(back)).headers["location"]
        world.browser.cookies.clear()
        world.browser.cookies.set(TRIP_COOKIE, kept[TRIP_COOKIE], path="/session/oidc")
        assert "code_refused" in (await world.browser.get(back)).headers["location"]


async def test_another_trips_code_does_not_fit_the_verifier(issuer: LocalIssuer) -> None:
    async with away(flow_of(issuer)) as world:
        stolen = parse_qs(urlsplit(await world.leave()).query)["code"][0]
        back = await world.leave()
        own = parse_qs(urlsplit(back).query)["code"][0]
        assert await world.refusal(back.replace(own, stolen)) == "code_refused"


async def test_who_takes_too_long_begins_again(issuer: LocalIssuer) -> None:
    async with away(flow_of(issuer)) as world:
        back = await world.leave()
        world.skew_s = TRIP_S + 1
        assert await world.refusal(back) == "state"


async def test_what_the_issuer_says_instead_is_passed_on_in_words_of_ours(issuer: LocalIssuer) -> None:
    async with away(flow_of(issuer)) as world:
        for said, reason in (("access_denied", "access_denied"), ("<script>alert(1)</script>", "issuer_refused")):
            state = parse_qs(urlsplit(await world.leave()).query)["state"][0]
            answer = httpx.QueryParams({"error": said, "state": state})
            assert await world.refusal(f"/session/oidc/callback?{answer}") == reason
        back = await world.leave()
        assert await world.refusal(f"{back}&iss=https://evil.example") == "issuer"


async def test_an_issuer_that_is_away_is_said_to_be(issuer: LocalIssuer) -> None:
    issuer.broken = True
    async with away(flow_of(issuer)) as world:
        assert await world.refusal("/session/oidc") == "issuer_away"
    issuer.broken = False
    async with away(flow_of(issuer)) as world:
        assert (await world.browser.get("/session/oidc")).status_code == 303


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/",
        "//evil.example",
        "/ui/..\\evil",
        "/\\evil.example",
        "/uix",
        "/ui/ a",
        "",
        "/ui/" + "a" * 2_000,
    ],
)
async def test_nobody_is_sent_elsewhere_afterwards(issuer: LocalIssuer, following: str) -> None:
    async with away(flow_of(issuer)) as world:
        answer = await world.browser.get(await world.leave(following))
        assert answer.headers["location"] == "/ui/"


async def test_a_host_that_is_none_is_not_sent_to_the_issuer(issuer: LocalIssuer) -> None:
    async with away(flow_of(issuer)) as world:
        answer = await world.browser.get("/session/oidc", headers={"Host": "a b/../c"})
        assert answer.status_code == 400
    back = "https://fleet.example/session/oidc/callback"
    async with away(flow_of(issuer, oidc_redirect_url=back)) as world:
        there = await world.browser.get("/session/oidc", headers={"Host": "evil.example"})
        assert parse_qs(urlsplit(there.headers["location"]).query)["redirect_uri"] == [back]


@pytest.mark.parametrize(
    "given",
    [
        {"oidc_client_id": "a"},
        {"oidc_client_id": "a", "oidc_issuer": "https://id.example"},
        {
            "oidc_client_id": "a",
            "oidc_issuer": "https://id.example",
            "oidc_audience": "b",
            "oidc_redirect_url": "http://fleet.example/session/oidc/callback",
        },
    ],
)
def test_settings_that_do_not_fit_are_told(given: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        code_flow(load_access_settings(**given))


def test_without_a_client_nobody_is_sent_anywhere() -> None:
    assert code_flow(load_access_settings()) is None
