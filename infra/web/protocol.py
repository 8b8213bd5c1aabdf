"""uvicorn's HTTP protocol, with the limits that it does not have.

uvicorn waits for a request's head without end, keeps as many header bytes as come, queues every request that a client
pipelines, and reads the rest of a body that nobody wants for as long as it comes. Here a look at all connections, twice
a second, closes those that take too long (a timer for each request would cost more than the request's parsing).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from infra.web.answer import SECURITY
from infra.web.held_head import HeldHead
from infra.web.problem import MEDIA_TYPE, Problem, phrase_of
from infra.web.whole import AT_ONCE, AtOnce

MOST_HEAD_BYTES = 32 << 10
MOST_HEADERS = 100
MOST_PIPELINED = 32
LINGER_S = 3.0
"""How long the rest of a request may still come after it was answered."""


class HeadTooLargeError(Exception):
    """Raised within the parser's callbacks; the parser makes an error of its own of it."""


@dataclass
class Limits:
    """What the connections of one listener share. `closed` counts why connections were closed."""

    header_timeout_s: float
    body_timeout_s: float
    max_connections: int
    max_per_address: int
    per_address: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    protocols: set[GuardedProtocol] = field(default_factory=set)

    def look(self, now_s: float) -> None:
        """Close the connections that take too long; `now_s` of the loop's clock."""
        for protocol in tuple(self.protocols):
            protocol.look(now_s)


class GuardedProtocol(HttpToolsProtocol):
    """One connection. Times of the loop's clock, 0 = not so: `began_s` it began to send a request, `answered_s` that
    was answered, `refused_s` it was refused, `closing_s` it was seen to be closing.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.access_log = False
        self.limits = limits
        self.address = ""
        self.began_s = 0.0
        self.answered_s = 0.0
        self.head_bytes = 0
        self.in_head = True
        self.refused_s = 0.0
        self.closing_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Count it, or close it where there are too many."""
        super().connection_made(transport)
        limits = self.limits
        self.address = self.client[0] if self.client else ""
        limits.per_address[self.address] += 1
        limits.protocols.add(self)
        self.began_s = self.loop.time()
        if len(limits.protocols) > limits.max_connections:
            self._refuse(503, "too many connections", "connections")
        elif limits.per_address[self.address] > limits.max_per_address:
            self._refuse(503, "too many connections from this address", "connections_of_address")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        limits = self.limits
        if self in limits.protocols:
            limits.protocols.discard(self)
            limits.per_address[self.address] -= 1
            if limits.per_address[self.address] <= 0:
                del limits.per_address[self.address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; a head that grows beyond its limit is refused while it grows."""
        if self.refused_s or self.transport.is_closing():
            return
        if self.began_s == 0.0:
            self.began_s = self.loop.time()
        self.head_bytes += len(data)
        super().data_received(data)
        if self.in_head and self.head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, f"a head has at most {MOST_HEAD_BYTES} bytes", "head")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if self.began_s == 0.0:
            self.began_s = self.loop.time()
        self.in_head = True
        self.answered_s = 0.0

    def on_headers_complete(self) -> None:
        """Its head is there. Raises `HeadTooLargeError`, which the parser turns into an error of its own."""
        self.in_head = False
        if len(self.headers) > MOST_HEADERS or len(self.pipeline) >= MOST_PIPELINED:
            raise HeadTooLargeError
        if self.head_bytes > MOST_HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > MOST_HEAD_BYTES:
                raise HeadTooLargeError
        before = self.cycle
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is not before and cycle is not None and cycle.scope["method"] != "HEAD":
            cycle.transport = HeldHead(self.transport)  # type: ignore[assignment]  # all that an answer asks of one
            cycle.scope[AT_ONCE] = AtOnce(cycle, self.transport)  # type: ignore[literal-required]  # not of ASGI: for the door

    def on_message_complete(self) -> None:
        """Its body is there."""
        super().on_message_complete()
        self.in_head = True
        self.began_s = 0.0
        self.head_bytes = 0

    def on_response_complete(self) -> None:
        """It is answered, perhaps before all of it was there."""
        super().on_response_complete()
        if self.began_s:
            self.answered_s = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser could not read."""
        del msg
        self._refuse(400, "this is no request that could be read", "malformed")

    def look(self, now_s: float) -> None:
        """Close the connection where its request, or the rest of it, takes too long to come."""
        if self.refused_s and now_s - self.refused_s > LINGER_S:
            self.transport.abort()
        elif self.transport.is_closing():
            self._look_at_closing(now_s)
        elif self.began_s and not self.refused_s and not self.flow.read_paused:
            self._look_at_request(now_s)

    def _look_at_closing(self, now_s: float) -> None:
        """A close waits until the client has read what was written for it, without end if it does not."""
        self.closing_s = self.closing_s or now_s
        if now_s - self.closing_s > self.limits.body_timeout_s:
            self._close("unread_answer")

    def _look_at_request(self, now_s: float) -> None:
        took_s = now_s - self.began_s
        if self.in_head and took_s > self.limits.header_timeout_s:
            if self.head_bytes:
                self._refuse(408, "the head did not come in time", "slow_head")
            else:
                self._close("silent")
        elif self.answered_s and now_s - self.answered_s > LINGER_S:
            self._close("unwanted_body")
        elif took_s > self.limits.header_timeout_s + 2 * self.limits.body_timeout_s:
            self._close("slow_body")

    def _close(self, why: str) -> None:
        self.limits.closed[why] += 1
        self.transport.abort()

    def _refuse(self, status: int, detail: str, why: str) -> None:
        """Read no more: answer with a problem and close. Whole requests that came before are answered instead."""
        self.limits.closed[why] += 1
        self.refused_s = self.loop.time()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            cycle.disconnected = True  # its handler is told that its client is gone
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
        self.transport.write(_answer(Problem(status, detail=detail, type=why.replace("_", "-"))))
        self._close_gently()

    def _close_gently(self) -> None:
        """Say that nothing more comes, and read on for a while: what lay unread at a close would make the kernel take
        the answer back."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()


def _answer(problem: Problem) -> bytes:
    body = problem.body()
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *SECURITY,
    ]
    lines = [f"HTTP/1.1 {problem.status} {phrase_of(problem.status)}".encode(), *(b": ".join(each) for each in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
