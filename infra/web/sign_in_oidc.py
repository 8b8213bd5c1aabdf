"""Signing in through an issuer: there by one redirect, back by another, a session at the end."""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from infra.access import Principal, Refusal
from infra.access.code_flow import CodeFlow, Trip
from infra.access.jwks import IssuerError
from infra.web.access import refused
from infra.web.call import Call, call_of
from infra.web.cookies import cookie_texts, set_cookie
from infra.web.problem import Problem
from infra.web.rules import public
from infra.web.sign_in import SignIn

TRIP_COOKIE = "fleetpulse_sign_in"
TRIP_S = 600.0
"""How long somebody may take at the issuer."""
_PATH = "/session/oidc"
_CALLBACK = f"{_PATH}/callback"
_NEXT = re.compile(r"/ui(?:/[!-\[\]-~]*)?")
"""Pages of ours: no backslash, no blank; what begins with /ui cannot name another host."""
_HOST = re.compile(r"[A-Za-z0-9.\-]+(?::[0-9]+)?|\[[0-9A-Fa-f:.]+\](?::[0-9]+)?")
_LONGEST_NEXT = 1_000
_ERRORS = frozenset({"access_denied", "login_required", "temporarily_unavailable", "server_error"})
"""What an issuer may say and we pass on (RFC 6749, 4.1.2.1); the page has words for each."""


def oidc_router(desk: SignIn, flow: CodeFlow) -> APIRouter:
    """GET /session/oidc and its callback."""
    router = APIRouter(tags=["session"])
    going: dict[int | str, dict[str, Any]] = {303: {"description": "to the issuer, or to a page that says why not"}}

    # Public: who calls has no session yet, and a browser comes here by a link.
    @router.get(_PATH, dependencies=[public()], status_code=303, response_class=Response, responses=going)
    async def leave(request: Request) -> Response:
        """Go and sign in at the issuer; `next` is the page to come back to."""
        call = call_of(request)
        desk.limit(call)
        state, now_s = secrets.token_urlsafe(24), desk.now_s()
        try:
            to = await flow.begin(Trip.of(desk.sessions, state, _back_to(flow, call)))
        except IssuerError as error:
            desk.refuse(call, refused(401, str(error), "issuer_away"))
            return _see("/ui/sign-in?error=issuer_away")
        following = _page(request.query_params.get("next", ""))
        sealed = desk.sessions.seal("trip", {"state": state, "next": following, "until": now_s + TRIP_S})
        return _see(to, set_cookie(call, TRIP_COOKIE, sealed, TRIP_S, same_site="Lax"))

    # Public: the issuer sends the browser here; what it brings is judged below.
    @router.get(_CALLBACK, dependencies=[public()], status_code=303, response_class=Response, responses=going)
    async def come_back(request: Request) -> Response:
        """Where the issuer sends the browser to: a session, or why there is none."""
        call = call_of(request)
        desk.limit(call)
        forget = set_cookie(call, TRIP_COOKIE, "", 0, same_site="Lax")
        trip = _trip_of(desk, call, request.query_params.get("state", ""))
        found = trip if isinstance(trip, Refusal) else await _who(desk, flow, request, trip[0])
        if isinstance(found, Refusal) or isinstance(trip, Refusal):
            return _refuse(desk, call, found if isinstance(found, Refusal) else Refusal("state"), forget)
        try:
            _, cookie = desk.begin(call, found, flow.client.session_s)
        except Problem:
            return _refuse(desk, call, Refusal("no_role"), forget)
        except ValueError:
            return _refuse(desk, call, Refusal("too_long"), forget)
        return _see(trip[1], cookie, forget)

    return router


def _trip_of(desk: SignIn, call: Call, state: str) -> tuple[str, str] | Refusal:
    """(state, page to go to) of the browser that comes back: the one that left, with the state that it was given."""
    for text in cookie_texts(call, TRIP_COOKIE):
        claims = desk.sessions.unseal("trip", text)
        if isinstance(claims, Refusal) or not hmac.compare_digest(str(claims["state"]).encode(), state.encode()):
            continue
        if desk.now_s() < float(claims["until"]):
            return state, _page(str(claims["next"]))
    return Refusal("state")


async def _who(desk: SignIn, flow: CodeFlow, request: Request, state: str) -> Principal | Refusal:
    said = request.query_params
    if (error := said.get("error")) is not None:
        return Refusal(error if error in _ERRORS else "issuer_refused")
    if said.get("iss", flow.issuer) != flow.issuer:  # RFC 9207: the answer of another issuer
        return Refusal("issuer")
    trip = Trip.of(desk.sessions, state, _back_to(flow, call_of(request)))
    return await flow.finish(trip, said.get("code", ""), desk.now_s())


def _refuse(desk: SignIn, call: Call, found: Refusal, forget: str) -> Response:
    desk.refuse(call, refused(401, "signing in at the issuer failed", found.reason))
    return _see(f"/ui/sign-in?error={found.reason}", forget)


def _back_to(flow: CodeFlow, call: Call) -> str:
    """The callback as browsers reach it. Raises `Problem` 400 for a Host that is none."""
    if flow.client.redirect_url:
        return flow.client.redirect_url
    host = call.header(b"host")
    if not _HOST.fullmatch(host):
        raise Problem(400, detail="the Host is no name", type="malformed")
    return f"{'https' if call.secure else 'http'}://{host}{_CALLBACK}"


def _page(given: str) -> str:
    """A page of ours to go to after signing in."""
    return given if len(given) <= _LONGEST_NEXT and _NEXT.fullmatch(given) else "/ui/"


def _see(to: str, *cookies: str) -> Response:
    answer = Response(status_code=303, headers={"location": to})
    for cookie in cookies:
        answer.headers.append("set-cookie", cookie)
    return answer
