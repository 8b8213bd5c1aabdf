"""A receiver of webhooks on loopback that costs as little as one can: it notes when what came, and answers 200."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Received:
    """Requests as they came: when (seconds since the epoch) and with which body."""

    port: int = 0
    requests: list[tuple[float, bytes]] = field(default_factory=list)
    _read: int = 0
    _first: dict[str, float] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    def first_s(self, label: str) -> dict[str, float]:
        """When the first firing alert with each value of a label (or of `fingerprint`) came. Cheap to ask again."""
        for at_s, body in self.requests[self._read :]:
            for alert in json.loads(body)["alerts"]:
                name = alert["fingerprint"] if label == "fingerprint" else alert["labels"].get(label)
                if alert["status"] == "firing" and name is not None:
                    self._first.setdefault(name, at_s)
        self._read = len(self.requests)
        return self._first


class _Connection(asyncio.Protocol):
    def __init__(self, received: Received) -> None:
        self._received = received
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head := self._buffer.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._buffer, 0, head)
            end = head + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < end:
                return
            self._received.requests.append((time.time(), bytes(self._buffer[head + 4 : end])))
            del self._buffer[:end]
            assert self._transport is not None
            self._transport.write(_OK)


@asynccontextmanager
async def receiving() -> AsyncIterator[Received]:
    """A receiver while the block runs."""
    received = Received()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(received), "127.0.0.1", 0)
    received.port = server.sockets[0].getsockname()[1]
    try:
        yield received
    finally:
        server.close()
