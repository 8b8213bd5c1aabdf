"""The way back of one request: fixed headers put in, status noted, slow readers not waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]
STREAM_SEND_S = 30.0
"""How long one piece of a stream may wait for its reader."""

SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
HSTS = (b"strict-transport-security", b"max-age=31536000")


class Answer:
    """An ASGI `send` that adds `headers` where the handler has not set them itself."""

    __slots__ = ("_headers", "_send", "complete", "status", "stream")

    def __init__(self, send: Send, headers: Headers) -> None:
        self._send = send
        self._headers = headers
        self.status = 0
        self.complete = False
        self.stream = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """Pass a message on. Raises `TimeoutError` where the reader of a stream does not read, `ValueError`
        before anything is sent where a header's value would end early."""
        if message["type"] == "http.response.start":
            own: Headers = list(message.get("headers", ()))
            names = set()
            for name, value in own:
                names.add(name)
                if b"\n" in value or b"\r" in value or b"\0" in value:
                    raise ValueError("a header's value has a line break")
            self.status = message["status"]
            message["headers"] = own + [each for each in self._headers if each[0] not in names]
        elif not message.get("more_body", False):
            self.complete = True
        if self.stream:
            async with asyncio.timeout(STREAM_SEND_S):
                await self._send(message)
        else:
            await self._send(message)
