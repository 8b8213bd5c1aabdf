"""Signing in and out: a key, or what an issuer says, becomes a session's cookie.

desk = SignIn(Sessions(directory), audit=trail, flow=CodeFlow(...))
app.include_router(sign_in_router(desk))
door = Door(app, Access(directory, sessions=desk.sessions), options, name="api")
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from infra.access import AuditEvent, AuditTrail, Principal, Session, Sessions, TokenBuckets, verify
from infra.access.audit import REFUSED
from infra.access.limits import address_name
from infra.access.session import LONGEST_S
from infra.web.access import Refused, refused
from infra.web.app import invalid
from infra.web.call import Call, body_of, call_of
from infra.web.cookies import (
    SESSION_COOKIE,
    forget_sessions,
    is_own_page,
    kept_session_texts,
    may_change,
    set_cookie,
)
from infra.web.openapi import json_body
from infra.web.problem import Problem, too_many, unavailable
from infra.web.rules import public

AT_ONCE, A_SECOND = 60.0, 2.0
"""Tries to sign in of one address: so many at once, then so many a second."""
_MAX_BODY_BYTES = 4_096


class SignInWith(BaseModel):
    """What a person types: a key."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=200)


class SignIn:
    """What the routes share. `now_s` gives seconds since the epoch."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        audit: AuditTrail | None = None,
        issuer: str = "",
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.sessions = sessions
        self.issuer = issuer
        """Who else may say who somebody is, as people know it (its host); "": nobody."""
        self.now_s = now_s
        self._audit = audit
        self._tries = TokenBuckets(A_SECOND, AT_ONCE)

    def begin(self, call: Call, who: Principal, lives_s: float | None = None) -> tuple[Session, str]:
        """A session of `who` and its `Set-Cookie`, written down. Raises `Problem` 403 for who reads nothing,
        `ValueError` where the cookie would be too long to be kept."""
        call.principal = who
        if not who.may("viewer"):
            raise refused(403, f"there is nothing to see with the role {who.role}: it writes events", "role")
        now_s = self.now_s()
        lives_s = LONGEST_S if lives_s is None else lives_s
        text, session = self.sessions.begin(who, now_s, lives_s, call.address)
        self.note(call, "session.begin", f"until {iso(session.until_s)}")
        return session, set_cookie(call, SESSION_COOKIE, text, session.until_s - now_s)

    def end(self, call: Call) -> list[str]:
        """End the sessions that a browser shows; the `Set-Cookie`s that forget them."""
        now_s = self.now_s()
        for text in kept_session_texts(call):
            found = self.sessions.recognise(text, now_s)
            if isinstance(found, Session):
                call.principal = found.principal
                self.sessions.end(found, now_s)
                self.note(call, "session.end", "signed out")
        return forget_sessions(call)

    def limit(self, call: Call) -> None:
        """Raises `Problem` 429 where an address tries too often."""
        if (wait_s := self._tries.take(address_name(call.address), time.monotonic())) > 0:
            raise too_many("too many tries to sign in from this address", retry_after_s=wait_s)

    def refuse(self, call: Call, problem: Problem) -> None:
        """Have it written that somebody was not signed in, where the browser is told by a page instead of a problem."""
        reason = problem.reason if isinstance(problem, Refused) else problem.type
        self._record(call, REFUSED, reason, problem.status)

    def note(self, call: Call, action: str, detail: str) -> None:
        """Have it written to the audit trail."""
        self._record(call, action, detail)

    def _record(self, call: Call, action: str, detail: str, status: int | None = None) -> None:
        if self._audit is not None:
            self._audit.record(
                AuditEvent(
                    action,
                    principal=call.principal,
                    method=call.method,
                    route=call.template or None,
                    status=status,
                    address=call.address,
                    request_id=call.request_id,
                    detail=detail,
                )
            )


def sign_in_router(desk: SignIn) -> APIRouter:
    """POST /session with a key, DELETE /session."""
    router = APIRouter(tags=["session"])

    # Public: who calls has no session yet; the key in the body is judged here.
    @router.post(
        "/session",
        dependencies=[public(max_body_bytes=_MAX_BODY_BYTES)],
        response_class=Response,
        responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}},
        openapi_extra=json_body(SignInWith, example={"key": "fp_v_..."}),
    )
    async def begin(request: Request) -> Response:
        """Sign a browser in with a key: sets a cookie that no script reads, for 12 hours at most."""
        call = call_of(request)
        _assert_not_elsewhere(call)
        desk.limit(call)
        session, cookie = desk.begin(call, _whose(desk, _given(body_of(request))))
        return Response(json.dumps(shown(session)), 200, {"set-cookie": cookie}, "application/json")

    # Public: a session that is over can be forgotten, too.
    @router.delete("/session", dependencies=[public()], status_code=204, response_class=Response)
    async def end(request: Request) -> Response:
        """Sign out: the session counts no more, and the browser forgets its cookie."""
        call = call_of(request)
        if kept_session_texts(call) and not may_change(call):
            raise refused(403, "signing out goes from a page of ours alone", "cross_site")
        answer = Response(status_code=204)
        for cookie in desk.end(call):
            answer.headers.append("set-cookie", cookie)
        return answer

    # Public: who asks wants to sign in.
    @router.get(
        "/session/ways",
        dependencies=[public()],
        response_class=Response,
        responses={200: {"content": {"application/json": {"example": {"key": True, "oidc": {"name": "id.example"}}}}}},
    )
    async def ways(_request: Request) -> Response:
        """Which ways to sign in there are: by key always, through an issuer where one is set."""
        oidc = {"name": desk.issuer} if desk.issuer else None
        return Response(json.dumps({"key": True, "oidc": oidc}), media_type="application/json")

    return router


_EXAMPLE = {"name": "ops", "role": "operator", "tenant": "acme", "expires_at": "2026-11-22T07:00:00Z"}


def shown(session: Session) -> dict[str, Any]:
    """What is told of a session."""
    who = session.principal
    return {"name": who.name, "role": who.role, "tenant": who.tenant, "expires_at": iso(session.until_s)}


def iso(at_s: float) -> str:
    """Seconds since the epoch as people and programs read them, UTC."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _assert_not_elsewhere(call: Call) -> None:
    """A page of somebody else must not sign its reader in as somebody: what they then do would be told to that one."""
    said = b"sec-fetch-site" in call.headers or b"origin" in call.headers
    if said and not is_own_page(call):
        raise refused(403, "signing in goes from a page of ours alone", "cross_site")


def _given(body: bytes) -> str:
    try:
        return SignInWith.model_validate_json(body).key.strip()
    except ValidationError as error:
        told = invalid(error.errors(include_input=False, include_url=False))
        raise told from None


def _whose(desk: SignIn, text: str) -> Principal:
    found = verify(text, desk.sessions.directory, desk.now_s())
    if isinstance(found, Principal):
        return found
    if found.reason == "not_ready":
        raise unavailable("keys cannot be checked yet", type="not-ready")
    raise refused(401, "this key is not valid: mistyped, over, or revoked", found.reason, found.lookup or "")
