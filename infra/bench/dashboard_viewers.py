"""Viewers of the dashboard without a browser: each holds the stream of a page, and notes when a probe changes."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from urllib.parse import urlsplit

from infra.bench.dashboard_load import PROBE

TOPICS = "status,trust,alerts,fleet"
_TOLD = re.compile(rb'"agent_id":"' + PROBE.encode() + rb'\d+"[^}]*?"at":"([^"]+)"')
_MARK = PROBE.encode()


class Viewer(asyncio.Protocol):
    """One stream of server-sent events; `waits_s`: from a probe's timestamp to its coming, `bytes_in` all that came."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._rest = b""
        self.waits_s: list[float] = []
        self.bytes_in = 0
        self.status = b""
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note the probes of every event that is whole; the begin of the next is kept."""
        self.bytes_in += len(data)
        self.status = self.status or data[:15]
        whole, end, rest = (self._rest + data).rpartition(b"\n\n")
        self._rest = rest
        if end and _MARK in whole:
            now_s = time.time()
            self.waits_s += [now_s - _at_s(found) for found in _TOLD.findall(whole)]

    def connection_lost(self, exc: Exception | None) -> None:
        """The server ended it."""
        del exc
        self.lost = True


def _at_s(text: bytes) -> float:
    return datetime.fromisoformat(text.decode()).timestamp()


@asynccontextmanager
async def viewers(url: str, cookie: str, count: int) -> AsyncIterator[list[Viewer]]:
    """So many viewers of one session's streams while the block runs."""
    loop, parts = asyncio.get_running_loop(), urlsplit(url)
    head = f"GET /api/live?topics={TOPICS}&snapshot=false HTTP/1.1\r\nHost: {parts.netloc}\r\nCookie: {cookie}\r\n\r\n"
    opened: list[tuple[asyncio.Transport, Viewer]] = []
    try:
        for _ in range(count):
            made = await loop.create_connection(lambda: Viewer(head.encode()), parts.hostname or "", parts.port or 80)
            opened.append(made)  # one after the other
        yield [viewer for _, viewer in opened]
    finally:
        for transport, _ in opened:
            transport.abort()
