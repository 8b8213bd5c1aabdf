"""The last changes of alerts, numbered, for who watches."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sinks.api.live.render import event
from sinks.api.scope import Scope

KEPT = 2_000
MOST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    user_id: str
    agent_id: str
    text: bytes


class AlertRing:
    """Bounded in number and bytes; what was pushed out is gone, and who had not seen it is told so."""

    def __init__(self, kept: int = KEPT, most_bytes: int = MOST_BYTES) -> None:
        self._kept, self._most_bytes = kept, most_bytes
        self._entries: deque[_Entry] = deque()
        self._bytes = 0
        self.last = 0
        """Number of the newest, from 1."""

    def add(self, user_id: str, agent_id: str, document: dict[str, Any]) -> None:
        """A change of an alert. One that is of no tenant ('') only the whole fleet sees; of no agent: its tenant."""
        self.last += 1
        text = event("alert", json.loads(json.dumps(document, default=str)))
        self._entries.append(_Entry(self.last, user_id, agent_id, text))
        self._bytes += len(text)
        while len(self._entries) > self._kept or self._bytes > self._most_bytes:
            self._bytes -= len(self._entries.popleft().text)

    def holds_after(self, number: int) -> bool:
        """Whether everything after `number` is still here."""
        return not self._entries or self._entries[0].number <= number + 1 or number >= self.last

    def after(self, number: int, scope: Scope) -> Iterator[bytes]:
        """Events of a scope after a number."""
        for entry in tuple(self._entries):
            if entry.number > number and scope.sees_tenant(entry.user_id) and _of(scope, entry.agent_id):
                yield entry.text


def _of(scope: Scope, agent_id: str) -> bool:
    return scope.sees_agent(agent_id) if agent_id else not scope.agents
