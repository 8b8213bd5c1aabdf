"""Who calls: from a request's credentials to a principal, and whether the route's rule lets them.

    access = Access(directory, tokens=oidc, compat=compat_keys, audit=trail)
    door = Door(app, access, options, name="gateway")

A credential is a key in `X-API-Key`, a key or an issuer's token in `Authorization: Bearer`, or a key in the path where
the rule says so. Two at once are refused: which of them counts the next proxy would guess differently. Where there is
none, a browser's session counts (`infra.web.cookies`), if the server has sessions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeAlias

from infra.access import (
    AuditEvent,
    AuditTrail,
    KeyDirectory,
    Principal,
    Refusal,
    Session,
    Sessions,
    looks_like_key,
    verify,
)
from infra.access.audit import REFUSED
from infra.access.compat import compat_principal
from infra.access.limits import is_loopback
from infra.web.call import Call, body_of, call_of, principal
from infra.web.cookies import SAFE, may_change, may_look, session_texts
from infra.web.problem import Problem, unavailable
from infra.web.rules import Rule, needs, public, ruled
from infra.web.table import RouteTable, assert_every_route_has_a_rule

__all__ = [
    "Access",
    "RouteTable",
    "Rule",
    "assert_every_route_has_a_rule",
    "body_of",
    "call_of",
    "compat_keys",
    "needs",
    "principal",
    "public",
    "ruled",
]

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="fleetpulse"'}
LOCAL = Principal("local", "this machine", None, (), "viewer", False, "local")
"""Who calls from a loopback address without a key, where a rule allows it: reads what the rule's route shows."""
_LONGEST = 8_192


class Tokens(Protocol):
    """Tokens of an issuer."""

    async def verify(self, token: str, now_s: float) -> Principal | Refusal:
        """Whom a bearer token stands for, at `now_s` since the epoch."""
        ...


CompatKeys: TypeAlias = Callable[[str, str], Principal | Refusal]
"""Of a key in the sources' format and the address that it came from, whom it stands for."""


class Access:
    """Keys, tokens and rules together; `now_s` gives seconds since the epoch."""

    def __init__(
        self,
        directory: KeyDirectory,
        *,
        tokens: Tokens | None = None,
        compat: CompatKeys | None = None,
        audit: AuditTrail | None = None,
        sessions: Sessions | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory
        self._sessions = sessions
        self._audit = audit
        self._tokens = tokens
        self._compat = compat
        self._now_s = now_s

    async def admit(self, call: Call, rule: Rule, path_key: str = "") -> None:
        """Set `call.principal`. Raises `Problem` 400, 401, 403, 503 where `rule` does not let the caller in."""
        text, bearer = _credential(call, path_key)
        if text:
            call.principal = await self._recognised(call, text, bearer=bearer)
        elif rule.role is not None and (session := self._session(call)) is not None:
            call.session, call.principal = session, session.principal
        elif rule.loopback and is_from_here(call):
            call.principal = LOCAL
            return
        if rule.role is None:
            return
        if call.principal is None:
            raise refused(401, "a key is needed: X-API-Key, or Authorization: Bearer", "no-key")
        if not call.principal.may(rule.role):
            raise refused(403, f"this needs the role {rule.role}; the key has {call.principal.role}", "role")
        if rule.sql and not (call.principal.sql or call.principal.role == "admin"):
            raise refused(403, "the key does not allow SQL", "no-sql")

    def note_refusal(self, call: Call, method: str, problem: Problem) -> str:
        """Have a 401, 403 or 429 written to the audit trail; the reason."""
        reason = problem.reason if isinstance(problem, Refused) else problem.type
        if self._audit is not None:
            lookup = problem.lookup if isinstance(problem, Refused) else ""
            self._audit.record(
                AuditEvent(
                    REFUSED,
                    principal=call.principal,
                    method=method,
                    route=call.template or None,
                    status=problem.status,
                    address=call.address,
                    request_id=call.request_id,
                    detail=f"{reason} {lookup}".rstrip(),
                )
            )
        return reason

    def _session(self, call: Call) -> Session | None:
        """Of a browser that showed nothing but its cookie, on a page of ours; None where it showed none."""
        if self._sessions is None or not (texts := session_texts(call)) or not may_look(call):
            return None
        tried = [self._sessions.recognise(text, self._now_s()) for text in texts]
        found = next((each for each in tried if isinstance(each, Session)), tried[0])
        if isinstance(found, Refusal):
            if found.reason == "not_ready":
                raise unavailable("sessions cannot be checked yet", type="not-ready")
            raise refused(401, "the session is over: sign in again", found.reason, found.lookup or "")
        if not may_change(call):
            call.principal = found.principal
            raise refused(403, "a session changes things from a page of ours alone, in JSON", "cross_site")
        return found

    async def _recognised(self, call: Call, text: str, *, bearer: bool) -> Principal:
        found = await self._verify(call, text, bearer=bearer)
        if isinstance(found, Principal):
            return found
        if found.reason in {"not_ready", "issuer_away"}:
            raise unavailable("keys cannot be checked yet", type=found.reason.replace("_", "-"))
        raise refused(401, "the key or token is not valid", found.reason, found.lookup or "")

    async def _verify(self, call: Call, text: str, *, bearer: bool) -> Principal | Refusal:
        if looks_like_key(text):
            return verify(text, self.directory, self._now_s())
        if self._compat is not None and text.startswith("promethios_"):
            return self._compat(text, call.address) if is_from_here(call) else Refusal("not_local")
        if bearer and self._tokens is not None:
            return await self._tokens.verify(text, self._now_s())
        return Refusal("malformed")


def compat_keys(text: str, address: str) -> Principal | Refusal:
    """The sources' keys; for `Access(compat=...)` of a server with --compat-keys alone."""
    return compat_principal(text, address=address)


def is_from_here(call: Call) -> bool:
    """Whether a program on this machine calls: neither somebody behind a proxy, nor a web page from elsewhere in a
    browser here. A page whose name was made to mean this machine (DNS rebinding) is told by the Host; one that has the
    browser call us, such as by a picture at /ping/KEY, by Origin and Sec-Fetch-Site.
    """
    headers = call.headers
    if not is_loopback(call.address) or b"x-forwarded-for" in headers or b"forwarded" in headers:
        return False
    if not _is_own_or_typed(call):
        return False
    if b"origin" in headers and not _means_here(call.header(b"origin").rpartition("://")[2]):
        return False
    return _means_here(call.header(b"host"))


def _is_own_or_typed(call: Call) -> bool:
    """Whether a browser asks for a page of ours, or for who typed the address; who says nothing is no browser."""
    site = call.headers.get(b"sec-fetch-site")
    return site in {None, b"same-origin"} or (site == b"none" and call.method in SAFE)


def _means_here(host: str) -> bool:
    """Whether HOST[:PORT] is a name of this machine."""
    host = host.lower()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name == "localhost" or is_loopback(name)


class Refused(Problem):
    """401 or 403. `reason` and `lookup`, the key's public part, go to the audit trail; the client is told `detail`."""

    def __init__(self, status: int, detail: str, reason: str, lookup: str = "") -> None:
        kind = "unauthorized" if status == 401 else "forbidden"
        super().__init__(status, detail=detail, type=kind, headers=CHALLENGE if status == 401 else None)
        self.reason = reason
        self.lookup = lookup


def refused(status: int, detail: str, reason: str, lookup: str = "") -> Problem:
    """An answer 401 or 403."""
    return Refused(status, detail, reason, lookup)


def _credential(call: Call, path_key: str) -> tuple[str, bool]:
    """The credential and whether it is a bearer token; ("", False) where there is none. Raises `Problem`."""
    key = path_key or call.header(b"x-api-key")
    given = call.headers.get(b"authorization")
    if given is None:
        return key, False
    if key:
        raise Problem(400, detail="one credential, not two: X-API-Key or Authorization", type="two-credentials")
    scheme, _, token = given.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > _LONGEST:
        raise refused(401, "Authorization wants: Bearer KEY-OR-TOKEN", "scheme")
    return token.strip(), True
