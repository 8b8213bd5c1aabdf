"""JSON lines as they come, as an ASGI response that ends what makes them when its reader leaves or may not read on."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from infra.runtime.logs import get_logger
from sinks.api.until_gone import Ended, serve_until_gone

SEND_WITHIN_S = 30.0
"""A reader that takes nothing for so long is dropped."""
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_REFUSED = {"event": "failed", "detail": "Your session or key has ended, and this with it: sign in again."}
_log = get_logger("api")


class JsonLines(Response):
    """`lines` are made by one task, which is cancelled when the reader leaves, or is not `allowed` any more: then they
    are told by a line `failed`. `over` is called at the end of all."""

    media_type = "application/x-ndjson"

    def __init__(
        self, lines: AsyncGenerator[dict[str, Any], None], over: Callable[[], None], allowed: Callable[[], bool]
    ) -> None:
        self._lines, self._over, self._allowed = lines, over, allowed
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        del scope
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if await serve_until_gone(self._serve(send), receive, self._allowed) is Ended.REFUSED:
                await _finish(send, _line(_REFUSED))
        except TimeoutError:
            _log.info("the reader of JSON lines takes nothing, dropped")
        finally:
            self._over()

    async def _serve(self, send: Send) -> None:
        async with contextlib.aclosing(self._lines) as lines:
            async for line in lines:
                await _put(send, _line(line), more=True)
        await _finish(send, b"")


def _line(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


async def _finish(send: Send, body: bytes) -> None:
    await _put(send, body, more=False)


async def _put(send: Send, body: bytes, *, more: bool) -> None:
    """Raises `TimeoutError`."""
    async with asyncio.timeout(SEND_WITHIN_S):
        await send({"type": "http.response.body", "body": body, "more_body": more})
