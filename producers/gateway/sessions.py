"""Numbers for the events of agents that keep none themselves: one session per gateway process and agent.

A number is taken when an event is put into a batch and never before, so every number has a fate: acknowledged, or
dropped and counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from infra.runtime.ids import new_session_bits

MOST_SESSIONS = 200_000
"""Agents that have a session at a time, about 0.4 kB each."""


@dataclass(slots=True)
class Session:
    """The numbers of one agent: `issued` so far, and what became of them. `bits`: its share of event ids."""

    session_id: str
    agent_id: str
    bits: int = field(default_factory=new_session_bits)
    issued: int = 0
    acknowledged: int = 0
    dropped: int = 0

    def take(self, count: int = 1) -> int:
        """The first of `count` fresh numbers."""
        first = self.issued
        self.issued += count
        return first

    @property
    def settled(self) -> bool:
        """Whether every number has a fate."""
        return self.issued == self.acknowledged + self.dropped


class Sessions:
    """The sessions of one gateway process, `gw-<instance>/<agent>`; the next one of the same agent is `.../2`.

    An agent that says `stopping` ends its session; the next event begins another, so that it counts as come back.
    When there are `MOST_SESSIONS`, those that were used least recently and are settled end as well.
    """

    def __init__(self, instance: str, most: int = MOST_SESSIONS) -> None:
        self.instance = instance
        self._most = most
        self._live: dict[str, Session] = {}
        self._ended: list[Session] = []
        self._generation = 1

    def of(self, agent_id: str) -> Session:
        """The session of an agent; a new one where it has none."""
        session = self._live.get(agent_id)
        if session is None:
            if len(self._live) >= self._most:
                self._make_room()
            session = self._live[agent_id] = Session(f"{self._prefix()}/{agent_id}", agent_id)
        return session

    def _prefix(self) -> str:
        return f"gw-{self.instance}" if self._generation == 1 else f"gw-{self.instance}.{self._generation}"

    def end(self, agent_id: str) -> None:
        """No more numbers from the agent's session; its next event begins another."""
        session = self._live.pop(agent_id, None)
        if session is not None:
            self._ended.append(session)
            self._generation += 1

    def _make_room(self) -> None:
        """End the older half, those that wait for nothing."""
        for agent_id in [s.agent_id for s in list(self._live.values())[: self._most // 2] if s.settled]:
            self._ended.append(self._live.pop(agent_id))
        self._generation += 1

    def take_ended(self) -> list[Session]:
        """Sessions that have ended and are settled, each once: for the account."""
        done = [session for session in self._ended if session.settled]
        self._ended = [session for session in self._ended if not session.settled]
        return done

    def live(self) -> Iterator[Session]:
        """The sessions that go on, and those that have ended with numbers out."""
        yield from self._live.values()
        yield from self._ended

    def __len__(self) -> int:
        return len(self._live)


def repeatable_session(principal_id: str, idempotency_key: str) -> str:
    """The session of a request that its client may try again at any gateway: the same key of the same principal is
    the same session, so a second try is the same rows."""
    digest = hashlib.sha256(f"{principal_id}\0{idempotency_key}".encode()).hexdigest()
    return f"idem-{digest[:32]}"
