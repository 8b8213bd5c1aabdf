"""The audit trail: who was refused, and who changed or asked what, as events of fleet.audit. Pure: numbered, bounded.

Refusals may come as fast as an attacker likes. Of each address a hundred a minute are written one by one, of all
together two thousand; the rest of the minute becomes one event an address, which says how many it stands for.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from infra.access.keys import without_secrets
from infra.access.limits import address_name
from infra.access.principal import OWN_TENANT, Principal
from infra.runtime.ids import event_id, new_session_bits
from schemas.record import encode_single_object
from schemas.registry import topic_schema

TOPIC = "fleet.audit"
REFUSED = "refused"
WINDOW_S = 60.0
ONE_BY_ONE, ONE_BY_ONE_OF_ALL = 100, 2_000
"""Refusals a minute that are written one by one: of an address, of all."""
MOST_ADDRESSES = 5_000
MOST_WAITING = 10_000
LONGEST_DETAIL, LONGEST_TEXT, LONGEST_NAME = 8_192, 200, 400
"""Characters."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One thing to be written down. `action`: `refused`, or what was done (`keys.create`, `alerts.silence`, `sql`).

    `route` as it is declared (`/api/agents/status/{id}`), never as it was asked for. `detail`: what exactly; keys
    within it lose their secret. `about`: the tenant that it is about, where that is not the principal's own.
    """

    action: str
    principal: Principal | None = None
    method: str | None = None
    route: str | None = None
    status: int | None = None
    address: str | None = None
    request_id: str | None = None
    detail: str | None = None
    about: str | None = None
    count: int = 1


@dataclass
class _Window:
    """Refusals of one minute: how many of each address; of those that are only counted how many, and the last."""

    until_s: float = 0.0
    written: int = 0
    of: dict[str, int] = field(default_factory=dict)
    over: dict[str, AuditEvent] = field(default_factory=dict)

    def takes(self, event: AuditEvent) -> bool:
        """Whether this refusal is written by itself; else it is counted."""
        name = address_name(event.address or "?")
        if name not in self.of and len(self.of) >= MOST_ADDRESSES:
            name = ""
            event = replace(event, address=None)
        self.of[name] = self.of.get(name, 0) + 1
        if self.of[name] <= ONE_BY_ONE and self.written < ONE_BY_ONE_OF_ALL and name:
            self.written += 1
            return True
        before = self.over[name].count if name in self.over else 0
        self.over[name] = replace(event, count=before + event.count)
        return False


@dataclass(frozen=True, slots=True)
class Row:
    """One encoded event of fleet.audit."""

    value: bytes
    timestamp_ms: int


class AuditLog:
    """One session of events, in the name of `agent_id` (`fleetpulse:gateway:HOST-1`); times in seconds since the epoch.

    Every event takes a number; what is dropped, because more than `most` wait, is counted and its number stays a hole.
    """

    def __init__(self, agent_id: str, started_s: float, most: int = MOST_WAITING) -> None:
        self.agent_id = agent_id
        self._bits = new_session_bits()
        self.session_id = f"{agent_id}/audit-{int(started_s * 1e6):x}-{self._bits:x}"
        self.dropped = 0
        """Events that were not written because too many waited."""
        self._seq = 0
        self._most = most
        self._waiting: deque[tuple[int, float, AuditEvent]] = deque()
        self._window = _Window()

    @property
    def waiting(self) -> list[AuditEvent]:
        """Events that have not been taken, the oldest first."""
        return [event for _, _, event in self._waiting]

    def record(self, event: AuditEvent, now_s: float) -> None:
        """Take an event in; returns at once."""
        self.close_window(now_s)
        if event.action != REFUSED or self._window.takes(event):
            self._append(event, now_s)

    def close_window(self, now_s: float) -> None:
        """Once the minute is over: one event for each address of which some were only counted."""
        if now_s < self._window.until_s:
            return
        counted = self._window.over.values()
        self._window = _Window(now_s + WINDOW_S)
        for event in counted:
            self._append(event, now_s)

    def end(self, now_s: float) -> None:
        """The session ends: what was only counted is written now."""
        self._window.until_s = 0.0
        self.close_window(now_s)

    def _append(self, event: AuditEvent, now_s: float) -> None:
        seq, self._seq = self._seq, self._seq + 1
        if len(self._waiting) >= self._most:
            self.dropped += 1
            return
        if event.detail is not None and len(event.detail) > LONGEST_DETAIL:
            event = replace(event, detail=_cut(event.detail, LONGEST_DETAIL))  # what waits takes memory
        self._waiting.append((seq, now_s, event))

    def take(self, most: int) -> list[Row]:
        """The oldest events, encoded; they wait no more."""
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        return [self._row(*entry) for entry in taken]

    def _row(self, seq: int, at_s: float, event: AuditEvent) -> Row:
        at_us = int(at_s * 1e6)
        envelope = {
            "event_id": event_id(at_us, self._bits, seq),
            "agent_id": self.agent_id,
            "user_id": _encodable(_user_of(event)),
            "deployment_id": OWN_TENANT,
            "timestamp": at_us,
            "session_id": self.session_id,
            "seq": seq,
        }
        return Row(encode_single_object(topic_schema(TOPIC), envelope | _fields(event)), at_us // 1000)


def _user_of(event: AuditEvent) -> str:
    """The tenant that may read it: the one that it is about, else that of who asked, else only who sees the fleet."""
    return event.about or (event.principal.tenant if event.principal is not None else None) or OWN_TENANT


def _fields(event: AuditEvent) -> dict[str, Any]:
    who = event.principal
    return {
        "actor": _cut(who.id, LONGEST_NAME) if who is not None else None,
        "via": who.via if who is not None else None,
        "role": who.role if who is not None else None,
        "tenant": _encodable(who.tenant) if who is not None and who.tenant is not None else None,
        "action": _encodable(event.action),
        "method": _cut(event.method, LONGEST_TEXT),
        "route": _cut(event.route, LONGEST_TEXT),
        "status": event.status,
        "address": _cut(event.address, LONGEST_TEXT),
        "request_id": _cut(event.request_id, LONGEST_TEXT),
        "detail": _cut(event.detail, LONGEST_DETAIL),
        "count": event.count,
    }


def _cut(text: str | None, longest: int) -> str | None:
    """At most `longest` characters, encodable, keys without their secret."""
    if text is None:
        return None
    return _encodable(without_secrets(text)[:longest])


def _encodable(text: str) -> str:
    """Half characters (of JSON from outside) become question marks, or the whole trail would stop at one."""
    return text.encode("utf-8", "replace").decode()
