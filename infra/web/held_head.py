"""One write for a whole answer: uvicorn writes head and body apart, and each write is a system call and a packet."""

from __future__ import annotations

import asyncio
from typing import Any

_LENGTH = b"\r\ncontent-length: "
_CONTINUE = b"HTTP/1.1 100 "


class HeldHead:
    """The transport of one answer, which keeps a head back until its body comes. A head without a length is that of a
    stream, whose body may come late, and goes at once. Everything else is the transport's own."""

    __slots__ = ("_head", "_over", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None
        self._over = False

    def write(self, data: bytes) -> None:
        """Write, or keep for the next write."""
        if self._over or data.startswith(_CONTINUE):
            self._transport.write(data)
        elif self._head is not None:
            self._over = True
            self._transport.write(self._head + data)
        elif _LENGTH in data:
            self._head = data
        else:
            self._over = True
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the transport has
        return getattr(self._transport, name)
