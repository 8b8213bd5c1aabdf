"""Sessions over HTTP, as browsers use them and as others would like to."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse
from web_world import NOW_S, SECRET, Keys, Running, app_of, running

from infra.access import AuditTrail, KeyDirectory, Role, Sessions, lookup_of, make_key
from infra.web import sign_in
from infra.web.access import Access, needs, principal
from infra.web.cookies import SESSION_COOKIE
from infra.web.sign_in import AT_ONCE, SignIn, sign_in_router

JSON = {"Content-Type": "application/json"}
OURS = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Signed:
    """A server with sessions; its clock stands at `now_s`."""

    server: Running
    keys: Keys
    audit: AuditTrail
    now_s: float = NOW_S
    browsers: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self) -> httpx.AsyncClient:
        """A browser without cookies; it is closed with the server."""
        self.browsers.append(httpx.AsyncClient(base_url=self.server.listening.url, timeout=60))
        return self.browsers[-1]

    async def signed_in(self, key: str) -> httpx.AsyncClient:
        """A browser that signed in."""
        client = self.client()
        answer = await client.post("/session", json={"key": key}, headers=OURS)
        assert answer.status_code == 200, answer.text
        return client

    def cookie(self, client: httpx.AsyncClient) -> str:
        """The session's text."""
        return client.cookies[SESSION_COOKIE]

    def written(self) -> list[str]:
        """What the audit trail was told: action, and of refusals why."""
        return [f"{e.action} {e.detail}" if e.action == "refused" else e.action for e in self.audit.log.waiting]


def _routes() -> APIRouter:
    router = APIRouter()

    async def who(request: Request) -> JSONResponse:
        who = principal(request)
        return JSONResponse({"id": who.id, "tenant": who.tenant, "role": who.role})

    for method in ("GET", "POST", "PUT", "DELETE"):
        role: Role = "viewer" if method == "GET" else "operator"
        router.add_api_route("/who", who, methods=[method], dependencies=[needs(role)], name=method)
    return router


@contextlib.asynccontextmanager
async def signing(*, sessions: bool = True) -> AsyncIterator[Signed]:
    """A server with sessions, or without."""
    keys, audit = Keys(), AuditTrail("", "fleetpulse:api:test")
    clock: list[Signed] = []
    desk = SignIn(Sessions(keys.directory), audit=audit, now_s=lambda: clock[0].now_s)
    known = desk.sessions if sessions else None
    access = Access(keys.directory, audit=audit, sessions=known, now_s=lambda: clock[0].now_s)
    async with running(app_of(_routes(), sign_in_router(desk)), keys, access) as server:
        clock.append(Signed(server, keys, audit))
        try:
            yield clock[0]
        finally:
            for browser in clock[0].browsers:
                await browser.aclose()


async def test_a_key_becomes_a_cookie_that_no_script_reads() -> None:
    async with signing() as world:
        key = world.keys.make("operator", "acme")
        answer = await world.client().post("/session", json={"key": f" {key}\n"}, headers=OURS)
        assert answer.json() == {
            "name": "operator of acme",
            "role": "operator",
            "tenant": "acme",
            "expires_at": "2027-01-15T20:00:00Z",
        }
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{SESSION_COOKIE}=s1.")
        assert cookie.endswith("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict")
        assert key.rpartition("_")[2] not in cookie
        assert world.written() == ["session.begin"]


async def test_the_cookie_is_for_https_alone_where_the_browser_came_by_it() -> None:
    async with (
        signing() as world,
        running(world.server.door.app, access=world.server.door.access, trusted_proxy=["127.0.0.1"]) as proxied,
    ):  # type: ignore[arg-type]  # a FastAPI
        answer = await proxied.client.post(
            "/session",
            json={"key": world.keys.make("viewer")},
            headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"},
        )
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"__Host-{SESSION_COOKIE}=s1.")
        assert cookie.endswith("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure")


def _behind_https(**more: str) -> dict[str, str]:
    return {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9", **OURS, **more}


async def test_behind_https_only_the_cookie_counts_that_no_sibling_can_set() -> None:
    async with (
        signing() as world,
        running(world.server.door.app, access=world.server.door.access, trusted_proxy=["127.0.0.1"]) as proxied,  # type: ignore[arg-type]  # a FastAPI
    ):
        text = world.cookie(await world.signed_in(world.keys.make("viewer")))
        for name, status in ((SESSION_COOKIE, 401), (f"__Host-{SESSION_COOKIE}", 200)):
            answer = await proxied.client.get("/who", headers=_behind_https(Cookie=f"{name}={text}"))
            assert answer.status_code == status, name
        # A proxy that is not named says nothing that counts.
        answer = await world.client().get("/who", headers=_behind_https(Cookie=f"__Host-{SESSION_COOKIE}={text}"))
        assert answer.status_code == 401


async def test_signing_out_behind_https_ends_what_was_begun_without_it_too() -> None:
    async with (
        signing() as world,
        running(world.server.door.app, access=world.server.door.access, trusted_proxy=["127.0.0.1"]) as proxied,  # type: ignore[arg-type]  # a FastAPI
    ):
        plain, secure = [world.cookie(await world.signed_in(world.keys.make("viewer"))) for _ in range(2)]
        both = f"{SESSION_COOKIE}={plain}; __Host-{SESSION_COOKIE}={secure}"
        answer = await proxied.client.delete("/session", headers=_behind_https(Cookie=both))
        forgotten = [each.partition(";")[0] for each in answer.headers.get_list("set-cookie")]
        assert forgotten == [f"__Host-{SESSION_COOKIE}=", f"{SESSION_COOKIE}="]
        for text in (plain, secure):
            kept = {"Cookie": f"{SESSION_COOKIE}={text}"}
            assert (await world.client().get("/who", headers=kept)).status_code == 401


async def test_who_signed_in_sees_what_the_key_sees() -> None:
    async with signing() as world:
        for tenant in ("acme", "other", None):
            key = world.keys.make("viewer", tenant)
            client = await world.signed_in(key)
            assert (await client.get("/who")).json() == {
                "id": f"key:{lookup_of(key)}",
                "tenant": tenant,
                "role": "viewer",
            }
            assert (await client.post("/who", json={}, headers=OURS)).status_code == 403


@pytest.mark.parametrize("given", ["fp_v_aaaaaaaaaaaa_" + "a" * 32, "nonsense", "promethios_a_b_1", "x" * 200])
async def test_a_wrong_key_is_refused_and_written_down(given: str) -> None:
    async with signing() as world:
        answer = await world.client().post("/session", json={"key": given}, headers=OURS)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert "not valid" in answer.json()["detail"]
        assert world.written()[0].startswith("refused ")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"key": ""}', b'{"key": 1}', b'{"key": "a", "more": 1}', b"[", b"\xff"])
async def test_a_body_that_does_not_fit_is_told_so_without_what_was_typed(body: bytes) -> None:
    async with signing() as world:
        answer = await world.client().post("/session", content=body, headers=JSON)
        assert answer.status_code == 422
        assert all(each["input"] is None for each in answer.json()["errors"])


async def test_who_only_writes_events_has_nothing_to_sign_in_for() -> None:
    async with signing() as world:
        answer = await world.client().post("/session", json={"key": world.keys.make("ingest")}, headers=OURS)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_a_revoked_key_is_out_at_once() -> None:
    async with signing() as world:
        key = world.keys.make("viewer")
        client = await world.signed_in(key)
        entry = world.keys.directory.entry(lookup_of(key) or "")
        assert entry is not None
        world.keys.directory.put(entry.record.revoked_at(NOW_S).sealed(SECRET))
        answer = await client.get("/who")
        assert answer.status_code == 401
        assert answer.json()["detail"] == "the session is over: sign in again"
        assert world.written()[-1] == f"refused revoked {lookup_of(key)}"


async def test_a_session_is_over_after_twelve_hours() -> None:
    async with signing() as world:
        client = await world.signed_in(world.keys.make("viewer"))
        world.now_s += 12 * 3_600 - 1
        assert (await client.get("/who")).status_code == 200
        world.now_s += 1
        assert (await client.get("/who")).status_code == 401


async def test_forged_cookies_are_nobody() -> None:
    async with signing() as world:
        client = await world.signed_in(world.keys.make("viewer"))
        text = world.cookie(client)
        _, record = make_key(b"t" * 32, name="evil", role="admin", tenant=None, now_s=NOW_S)
        evil, _ = Sessions(KeyDirectory(b"t" * 32, [record])).begin(record.principal(), NOW_S)
        for forged in (evil, text[:-2], text + "a", text.replace("s1", "s2"), "", "a.b.c", "x" * 9_000):
            answer = await world.client().get("/who", headers={"Cookie": f"{SESSION_COOKIE}={forged}"})
            assert answer.status_code == 401, forged
        assert {"refused forged", "refused malformed"} <= set(world.written())


async def test_a_cookie_of_a_siblings_name_does_not_lock_anybody_out() -> None:
    async with signing() as world:
        text = world.cookie(await world.signed_in(world.keys.make("viewer")))
        both = f"theme=dark; {SESSION_COOKIE}=rubbish; {SESSION_COOKIE}={text}"
        assert (await world.client().get("/who", headers={"Cookie": both})).status_code == 200


async def test_beside_a_header_the_cookie_does_not_count() -> None:
    async with signing() as world:
        client = await world.signed_in(world.keys.make("admin", "acme"))
        other = world.keys.make("viewer", "other")
        assert (await client.get("/who", headers={"X-API-Key": other})).json()["tenant"] == "other"
        assert (await client.post("/who", headers={"X-API-Key": other, **OURS}, json={})).status_code == 403
        assert (await client.get("/who", headers={"Authorization": "Bearer nonsense"})).status_code == 401
        assert (await client.get("/who", headers={"X-API-Key": "fp_v_wrong"})).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "{own}"}, 200),
        ({}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "{own}", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
    ],
)
async def test_only_pages_of_ours_change_things_by_a_session(headers: dict[str, str], status: int) -> None:
    async with signing() as world:
        client = await world.signed_in(world.keys.make("operator"))
        sent = {name: value.replace("{own}", world.server.listening.url) for name, value in headers.items()}
        for method in ("POST", "PUT", "DELETE"):
            answer = await client.request(method, "/who", headers=sent, json={} if method != "DELETE" else None)
            assert answer.status_code == status, (method, answer.text)
        if status == 403:
            assert world.written()[-1] == "refused cross_site"


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "Text/Plain", ""]
)
async def test_no_form_changes_things_by_a_session(kind: str) -> None:
    async with signing() as world:
        client = await world.signed_in(world.keys.make("operator"))
        answer = await client.post("/who", content=b"a=b", headers={**OURS, "Content-Type": kind})
        assert answer.status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_another_page_has_a_browser_ask_for_is_asked_by_nobody(site: str) -> None:
    async with signing() as world:
        client = await world.signed_in(world.keys.make("viewer"))
        assert (await client.get("/who", headers={"Sec-Fetch-Site": site})).status_code == 401
        assert (await client.get("/who", headers={"Sec-Fetch-Site": "none"})).status_code == 200


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_nobody_elses_page_signs_its_reader_in_or_out(headers: dict[str, str]) -> None:
    async with signing() as world:
        key = world.keys.make("operator")
        answer = await world.client().post("/session", json={"key": key}, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        client = await world.signed_in(key)
        assert (await client.delete("/session", headers=headers)).status_code == 403
        assert (await client.get("/who")).status_code == 200


async def test_who_signed_out_is_out_even_with_the_cookie_kept() -> None:
    async with signing() as world:
        client = await world.signed_in(world.keys.make("viewer"))
        kept = {"Cookie": f"{SESSION_COOKIE}={world.cookie(client)}"}
        answer = await client.delete("/session", headers=OURS)
        assert answer.status_code == 204
        assert SESSION_COOKIE not in client.cookies
        assert (await world.client().get("/who", headers=kept)).status_code == 401
        assert world.written() == ["session.begin", "session.end", "refused signed_out"]
        assert (await world.client().delete("/session")).status_code == 204


async def test_tries_to_sign_in_are_limited_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "A_SECOND", 0.01)  # a busy machine takes so long to try that it might try for ever
    async with signing() as world:
        client = world.client()
        tries: list[Any] = [await client.post("/session", json={"key": "x"}) for _ in range(int(AT_ONCE) + 5)]
        assert tries[0].status_code == 401
        assert tries[-1].status_code == 429
        assert int(tries[-1].headers["retry-after"]) >= 1


async def test_a_server_without_sessions_looks_at_no_cookie() -> None:
    async with signing(sessions=False) as world:
        client = await world.signed_in(world.keys.make("viewer"))
        answer = await client.get("/who")
        assert answer.status_code == 401
        assert "key is needed" in answer.json()["detail"]


async def test_the_ways_to_sign_in_are_told_to_everybody() -> None:
    async with signing() as world:
        assert (await world.client().get("/session/ways")).json() == {"key": True, "oidc": None}
