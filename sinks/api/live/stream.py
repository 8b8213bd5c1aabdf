"""One viewer's stream of server-sent events, as an ASGI response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from infra.runtime.logs import get_logger
from sinks.api.live.render import KINDS, event
from sinks.api.live.viewers import Seen, Viewers
from sinks.api.scope import Scope
from sinks.api.times import iso_us
from sinks.api.until_gone import Ended, serve_until_gone

ALIVE_EVERY_S = 5.0
"""Something is sent so often at least: a page cannot tell a quiet fleet from a server that hangs otherwise."""
PACE_S = 0.25
"""Shortest time between two looks: what changes several times within is told once."""
LAGGED_FRAMES = 200
"""Who is so many frames behind is told that it lagged."""
LONGEST_S = 3_600.0
"""Then the viewer has to come again, with a key that is still valid."""
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_log = get_logger("api")


@dataclass(frozen=True, slots=True)
class Watch:
    """What a viewer wants: `kinds` of status, trust, alerts, fleet; within `scope`; where it begins, None: with
    everything. `resumed`: that is where it had been before.

    `caller` names who it is; `valid` says whether they may still look; `as_of_us`: as the follower has it.
    """

    kinds: frozenset[str]
    scope: Scope
    begin: Seen | None
    resumed: bool
    caller: str
    valid: Callable[[], bool]
    as_of_us: Callable[[], int]


class EventStream(Response):
    """Goes on until the viewer leaves, takes nothing for too long, or may not look any more."""

    media_type = "text/event-stream"

    def __init__(self, viewers: Viewers, watch: Watch) -> None:
        self._viewers, self._watch = viewers, watch
        self._sent_s = 0.0
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Serve it."""
        del scope
        with self._viewers.watching(self._watch.caller):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            try:
                if await serve_until_gone(self._serve(send), receive, self._watch.valid) is Ended.REFUSED:
                    await self._serve_end(send)
            except TimeoutError:
                self._viewers.dropped += 1
                _log.info("viewer takes nothing, dropped", caller=self._watch.caller)

    async def _serve(self, send: Send) -> None:
        await self._tell(send)
        await self._serve_end(send)

    async def _serve_end(self, send: Send) -> None:
        async with asyncio.timeout(self._viewers.send_within_s):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Send) -> None:
        viewers, watch = self._viewers, self._watch
        end = asyncio.get_running_loop().time() + LONGEST_S
        seen = watch.begin or Seen(0, viewers.alerts.last, -1)
        await self._put(send, self._hello())
        generation = viewers.memory.generation
        if watch.begin is None:
            seen = await self._catch_up(send, seen)
        while not viewers.closing.is_set() and watch.valid() and asyncio.get_running_loop().time() < end:
            news = await viewers.news(seen, ALIVE_EVERY_S, fleet="fleet" in watch.kinds)
            if not watch.valid():
                return
            if asyncio.get_running_loop().time() - self._sent_s >= ALIVE_EVERY_S:
                await self._put(send, event("alive", {"as_of": iso_us(watch.as_of_us())}))
            if not news:
                continue
            if viewers.memory.generation != generation or self._lags(seen):
                viewers.lagged += 1
                forgotten = viewers.memory.generation != generation
                generation = viewers.memory.generation
                await self._put(
                    send, event("lagged", {"reset": forgotten, "frames": viewers.here().frame - seen.frame})
                )
                seen = Seen(0 if forgotten else seen.frame, seen.alert)
            seen = await self._catch_up(send, seen)
            await asyncio.sleep(PACE_S)

    def _lags(self, seen: Seen) -> bool:
        viewers = self._viewers
        missed_alerts = "alerts" in self._watch.kinds and not viewers.alerts.holds_after(seen.alert)
        return viewers.here().frame - seen.frame > LAGGED_FRAMES or missed_alerts

    def _hello(self) -> bytes:
        watch = self._watch
        hello = {"resumed": watch.resumed, "topics": sorted(watch.kinds), "as_of": iso_us(watch.as_of_us())}
        return b"retry: 2000\n" + event("hello", hello)

    async def _catch_up(self, send: Send, seen: Seen) -> Seen:
        """Send what is different since `seen`; where the viewer is then. The id comes last, so half is not all."""
        here = self._viewers.here()
        told = False
        for text in self._different(seen):
            told = True
            await self._put(send, text)
        if told:
            as_of = {"as_of": iso_us(self._watch.as_of_us())}
            await self._put(send, event("frame", as_of, self._viewers.identity(here)))
        return here

    def _different(self, seen: Seen) -> Iterator[bytes]:
        viewers, watch = self._viewers, self._watch
        for kind in KINDS:
            if kind in watch.kinds:
                yield from viewers.renderer.changes(kind, watch.scope, seen.frame)
        if "alerts" in watch.kinds:
            yield from viewers.alerts.after(seen.alert, watch.scope)
        if "fleet" in watch.kinds and viewers.fleet != seen.fleet:
            yield viewers.fleet_text(watch.scope, viewers.fleet)

    async def _put(self, send: Send, text: bytes) -> None:
        async with asyncio.timeout(self._viewers.send_within_s):
            await send({"type": "http.response.body", "body": text, "more_body": True})
        self._sent_s = asyncio.get_running_loop().time()
