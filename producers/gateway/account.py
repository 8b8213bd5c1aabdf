"""What the gateway says of the sessions that it numbers: `DATA_DIR/accounts/gateway-<instance>.json`, for the ledger.

An agent that reports over HTTP lives on when a gateway stops, so no beat of its says `stopping` for it; a session of a
gateway is closed by its line here, which says that every number has a fate and that there will be no more. While a
gateway lives it renews `as_of`, when the file was written, also where nothing else has changed: who was killed is known
by one that is long ago.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.whole_file import write_whole
from producers.gateway.sessions import Session, Sessions

EVERY_S = 15.0
RENEWED_EVERY_S = 60.0
"""The ledger takes a gateway for dead after ten times as long (`sinks.lake.accounts`)."""
MOST_ENDED = 20_000
"""Ended sessions in the file of a process; more go into files of their own and out of memory, since an agent that says
`stopping` again and again makes as many as it likes."""


class Account:
    """Keeps the file of one gateway process. `published`: acknowledged events by topic, of these sessions; what carries
    numbers of others (the SDK's, those of an Idempotency-Key) is not this gateway's to count."""

    def __init__(
        self,
        folder: Path,
        sessions: Sessions,
        published: Mapping[str, int],
        most_ended: int = MOST_ENDED,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._folder = folder
        self._name = f"gateway-{sessions.instance}"
        self._sessions = sessions
        self._published = published
        self._most_ended = most_ended
        self._ended: list[dict[str, Any]] = []
        self._put_away = 0
        self._written: dict[str, Any] = {}
        self._renewed_s = -RENEWED_EVERY_S

    async def write(self, *, closing: bool = False) -> None:
        """Write the file where it has changed, or was not for a minute. `closing`: no number will be given any more.

        Raises `OSError`.
        """
        self._ended += [_line(session, ended=True) for session in self._sessions.take_ended() if session.issued]
        while len(self._ended) > self._most_ended:
            away = {"process": self._name, "sessions": self._ended[: self._most_ended]}
            await asyncio.to_thread(self._write, f"{self._name}.{self._put_away + 1}", away)
            self._put_away += 1
            del self._ended[: self._most_ended]
        live = [_line(session, ended=closing and session.settled) for session in self._sessions.live()]
        content = {
            "process": self._name,
            "published": {topic: count for topic, count in sorted(self._published.items()) if count},
            "sessions": self._ended + live,
        }
        now_s = self._clock.monotonic_s()
        if content != self._written or now_s - self._renewed_s >= RENEWED_EVERY_S:
            await asyncio.to_thread(self._write, self._name, {"as_of": self._clock.now_s(), **content})
            self._written, self._renewed_s = content, now_s

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / f"{name}.json", json.dumps(content))


def _line(session: Session, *, ended: bool) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "agent_id": session.agent_id,
        "issued": session.issued,
        "acknowledged": session.acknowledged,
        "dropped": session.dropped,
        "ended": ended,
    }
