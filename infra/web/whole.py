"""An answer that is known as a whole: written at once, its head put together once and not for every request.

A hot route answers the same few things again and again. The way of ASGI, a message for the head and one for the body,
with every header checked by the door and again by the server, cost a tenth of a heartbeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

if TYPE_CHECKING:
    from infra.web.answer import Headers

AT_ONCE = "fleetpulse.at_once"
"""Where the `AtOnce` of a request lies in its ASGI scope, on a server that has it."""


class Whole(Response):
    """A response that may be given many times. Without the server's help, or where headers are to be added that
    differ from request to request, it is a response like others."""

    def __init__(self, body: bytes, status: int, media_type: str) -> None:
        super().__init__(body, status, media_type=media_type)
        self.head = head_of(self.raw_headers)


def head_of(headers: Headers) -> bytes:
    """Headers as lines."""
    return b"".join(b"%s: %s\r\n" % each for each in headers)


class AtOnce:
    """Writes whole answers of one request. `cycle`, `transport`: uvicorn's."""

    __slots__ = ("_cycle", "_transport")

    def __init__(self, cycle: Any, transport: Any) -> None:  # noqa: ANN401  # uvicorn's insides
        self._cycle = cycle
        self._transport = transport

    def write(self, response: Whole, head: bytes) -> bool:
        """Answer with `response` and more lines of head; False where it has to go the usual way: the client is gone
        or does not read, the connection closes afterwards, or an answer has begun."""
        cycle = self._cycle
        if cycle.disconnected or cycle.response_started or cycle.flow.write_paused or not cycle.keep_alive:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        parts = (STATUS_LINE[response.status_code], head_of(cycle.default_headers), response.head, head, b"\r\n")
        self._transport.write(b"".join((*parts, response.body)))
        cycle.message_event.set()
        cycle.on_response()
        return True
