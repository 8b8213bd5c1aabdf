"""Changes of slots as server-sent events."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from sinks.api.live.columns import Columns, Slots
from sinks.api.live.memory import Memory
from sinks.api.live.words import number, status_word
from sinks.api.scope import Scope
from sinks.api.times import iso_us

CHUNK = 200
"""Agents of one event at most."""
_KEPT_AGENTS = 2_000
_KEPT_TEXTS = 64

Describe = Callable[[Memory, int], dict[str, Any]]


def event(kind: str, data: object, identity: str | None = None) -> bytes:
    """One server-sent event."""
    mark = f"id: {identity}\n" if identity is not None else ""
    return f"event: {kind}\n{mark}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def status_change(memory: Memory, slot: int) -> dict[str, Any]:
    """A status as viewers are told it."""
    columns = memory.status
    return {
        "agent_id": memory.agents[slot],
        "user_id": memory.users[slot],
        "deployment_id": columns["deployment_id"][slot],
        "status": status_word(memory, slot),
        "previous": columns["previous"][slot],
        "reason": columns["reason"][slot],
        "at": iso_us(int(columns["timestamp"][slot])),
    }


def trust_change(memory: Memory, slot: int) -> dict[str, Any]:
    """A score as viewers are told it."""
    columns = memory.trust
    return {
        "agent_id": memory.agents[slot],
        "user_id": memory.users[slot],
        "deployment_id": columns["deployment_id"][slot],
        "trust": number(columns["trust"][slot]),
        "violations": int(columns["violations"][slot]),
        "at": iso_us(int(columns["timestamp"][slot])),
    }


KINDS: dict[str, Describe] = {"status": status_change, "trust": trust_change}


class Renderer:
    """Texts of changes; who sees the same and saw the same frame last is told the same text, made once."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._texts: OrderedDict[tuple[str, Scope, int, int], list[bytes]] = OrderedDict()

    def changes(self, kind: str, scope: Scope, after: int) -> Iterator[bytes]:
        """Events of what changed in a scope after a frame; as long as many are made, each as it is when it is sent."""
        memory = self._memory
        columns: Columns = memory.status if kind == "status" else memory.trust
        key = (kind, scope, after, memory.frame)
        known = self._texts.get(key)
        if known is not None:
            yield from known
            return
        slots = memory.changed(columns, scope, after)
        if slots.size > _KEPT_AGENTS:
            yield from self._events(kind, slots)
            return
        texts = self._texts[key] = list(self._events(kind, slots))
        if len(self._texts) > _KEPT_TEXTS:
            self._texts.popitem(last=False)
        yield from texts

    def _events(self, kind: str, slots: Slots) -> Iterator[bytes]:
        memory, generation = self._memory, self._memory.generation
        for first in range(0, slots.size, CHUNK):
            if memory.generation != generation:
                return  # forgotten meanwhile: these slots are others now
            items = [KINDS[kind](memory, slot) for slot in slots[first : first + CHUNK].tolist()]
            yield event(kind, {"items": items})
