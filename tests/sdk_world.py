"""Helpers of the SDK's tests: what a reporter queued, and a gateway of a few lines whose answers the test writes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from producers.sdk import AgentReporter, Reporter

NOWHERE = "127.0.0.1:1"
Said = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


def agent(folder: Path, **settings: Any) -> AgentReporter:  # noqa: ANN401  # any setting
    """A reporter that is not started, without a broker."""
    return AgentReporter(**{"agent_id": "a", "user_id": "t", "bootstrap": NOWHERE, "spool_dir": folder} | settings)


def queued(reporter: Reporter) -> list[tuple[str, Mapping[str, Any]]]:
    """(topic, fields) of everything that was reported since the last call."""
    return [(topic, fields) for _, _, topic, fields in reporter._buffer.take(1_000_000)]


def kinds(reporter: Reporter) -> list[str]:
    """The kinds of lifecycle and run events reported since the last call, in order."""
    return [str(fields["kind"]) for _, fields in queued(reporter) if "kind" in fields]


@dataclass
class Request:
    """What a client sent; names of `headers` in small letters."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def records(self) -> list[bytes]:
        """The framed events of the body."""
        found, at = [], 0
        while at < len(self.body):
            size = int.from_bytes(self.body[at : at + 4], "big")
            found.append(self.body[at + 4 : at + 4 + size])
            at += 4 + size
        return found


def hello(**more: Any) -> Said:  # noqa: ANN401  # whatever a gateway says
    """What a gateway says of a key."""
    return 200, {}, json.dumps({"tenant": "t", "agents": [], "max_body_bytes": 1_000_000} | more).encode()


def taken(request: Request) -> Said:
    """202 for all events of a request."""
    return 202, {}, json.dumps({"accepted": len(request.records)}).encode()


def usual(request: Request) -> Said:
    """A gateway that takes everything."""
    return hello() if request.method == "GET" else taken(request)


@dataclass
class LoopbackGateway:
    """HTTP/1.1 on a port of its own. `answer` decides what it says; `requests` is what it was asked."""

    answer: Callable[[Request], Said] = usual
    port: int = 0
    tls: ssl.SSLContext | None = None
    hang_up_after_answer: bool = False
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http{'s' if self.tls is not None else ''}://127.0.0.1:{self.port}"

    @property
    def posts(self) -> list[Request]:
        """Those that brought events."""
        return [request for request in self.requests if request.method == "POST"]

    async def asked(self, enough: Callable[[LoopbackGateway], bool], within_s: float = 60) -> None:
        """Wait until that holds. Raises `TimeoutError`."""
        async with asyncio.timeout(within_s), self._arrived:
            await self._arrived.wait_for(lambda: enough(self))

    async def serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to its end."""
        self.connections += 1
        number = self.connections
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while (request := await _read(reader, number)) is not None:
                status, headers, body = self.answer(request)
                lines = [f"HTTP/1.1 {status} said", f"content-length: {len(body)}"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                self.requests.append(request)  # first: who has the answer may look for the request at once
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                async with self._arrived:
                    self._arrived.notify_all()
                if self.hang_up_after_answer:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return  # a reporter that ends hangs up, in the middle of a body, too
        finally:
            self._tasks.discard(task)
            writer.close()

    async def hang_up(self) -> None:
        """End all connections."""
        for task in list(self._tasks):
            task.cancel()
            await asyncio.wait({task})


async def _read(reader: asyncio.StreamReader, connection: int) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body, connection)


@contextlib.asynccontextmanager
async def loopback(answer: Callable[[Request], Said] = usual, **more: Any) -> AsyncIterator[LoopbackGateway]:  # noqa: ANN401  # fields of it
    """A loopback gateway while the block runs."""
    gateway = LoopbackGateway(answer, **more)
    server = await asyncio.start_server(gateway.serve_one, "127.0.0.1", gateway.port, ssl=gateway.tls)
    gateway.port = server.sockets[0].getsockname()[1]
    try:
        yield gateway
    finally:
        server.close()
        await gateway.hang_up()
        await server.wait_closed()
