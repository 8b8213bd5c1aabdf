"""Sessions of browsers: a text under the server's secret that says who signed in, and until when (`Seals`).

What is kept is which there are, to be listed, and which were ended (`SessionBook`).

The session of a key names the key alone: what the key may, and whether it still may, the directory says at every
request. The session of somebody whom an issuer named says all of it itself, since nobody tells us when it changes.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.access.directory import KeyDirectory
from infra.access.principal import Principal, Refusal
from infra.access.recognise import ended
from infra.access.sealed import Seals
from infra.access.session_book import Begun, SessionBook

LONGEST_S = 12 * 3_600.0
"""How long a session lives at most; it is not prolonged by use."""
_ID_BYTES = 12


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in. `id` is no secret; `until_s`: seconds since the epoch."""

    id: str
    principal: Principal
    until_s: float


class Sessions(Seals):
    """Begins, recognises and ends sessions; `now_s` is always seconds since the epoch."""

    def __init__(self, directory: KeyDirectory) -> None:
        super().__init__(directory.secret)
        self.directory = directory
        self.book = SessionBook(self)

    def begin(self, who: Principal, now_s: float, lives_s: float = LONGEST_S, address: str = "") -> tuple[str, Session]:
        """The text of a new session and what it says; it ends with its key, or after `lives_s`. `address`: of who
        signs in, to be listed.

        Raises `ValueError` for who has neither a key nor a token of an issuer, and where the text would be too long.
        """
        until_s = min(now_s + min(lives_s, LONGEST_S), self._key_until_s(who))
        session = Session(secrets.token_hex(_ID_BYTES), who, until_s)
        claims = {"id": session.id, "until": until_s, **_claims_of(who)}
        text = self.seal("session", claims)
        self.book.begin(Begun(session.id, who.id, who.name, who.role, who.tenant, address, now_s, until_s))
        return text, session

    def recognise(self, text: str, now_s: float) -> Session | Refusal:
        """Whose session a text is. Refused as: malformed, forged, session_over, signed_out, and as keys are."""
        if not (self.directory.ready.is_set() and self.book.ready.is_set()):
            return Refusal("not_ready")
        claims = self.unseal("session", text)
        if isinstance(claims, Refusal):
            return claims
        try:
            identity, until_s = str(claims["id"]), float(claims["until"])
            if now_s >= until_s:
                return Refusal("session_over")
            if self.book.is_ended(identity):
                return Refusal("signed_out")
            who = self._of_key(str(claims["key"]), now_s) if "key" in claims else _stated(claims)
        except (KeyError, TypeError, ValueError):
            return Refusal("malformed")
        return who if isinstance(who, Refusal) else Session(identity, who, until_s)

    def is_over(self, session: Session, now_s: float) -> bool:
        """Whether a session that was good when a stream began is over or was ended; its key is looked at elsewhere."""
        return now_s >= session.until_s or self.book.is_ended(session.id)

    def end(self, session: Session, now_s: float) -> None:
        """Have a session refused from now on: here at once, by the other APIs of the fleet within a second."""
        self.book.end(session.id, session.until_s, now_s)

    def live(self, now_s: float) -> list[Begun]:
        """Every session that would be recognised, the newest first."""
        return [each for each in self.book.live(now_s) if self._key_lives(each.who, now_s)]

    def _key_lives(self, who: str, now_s: float) -> bool:
        if not who.startswith("key:"):
            return True
        entry = self.directory.entry(who.removeprefix("key:"))
        return entry is not None and ended(entry, now_s) is None

    def _key_until_s(self, who: Principal) -> float:
        entry = self.directory.entry(who.id.removeprefix("key:")) if who.via == "key" else None
        return float("inf") if entry is None else entry.expires_s

    def _of_key(self, lookup: str, now_s: float) -> Principal | Refusal:
        entry = self.directory.entry(lookup)
        if entry is None:
            return Refusal("unknown", lookup)
        if (reason := ended(entry, now_s)) is not None:
            return Refusal(reason, lookup)
        self.directory.used(lookup, now_s)
        return entry.principal


def _claims_of(who: Principal) -> dict[str, Any]:
    if who.via == "key":
        return {"key": who.id.removeprefix("key:")}
    if who.via != "oidc":
        raise ValueError(f"no session for who came by {who.via}")
    return {"who": who.id, "name": who.name, "tenant": who.tenant, "role": who.role, "sql": who.sql}


def _stated(claims: Mapping[str, Any]) -> Principal:
    return Principal(claims["who"], claims["name"], claims["tenant"], (), claims["role"], claims["sql"], "oidc")
