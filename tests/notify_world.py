"""Receivers on loopback that behave in every way receivers do, and alerts to tell them."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@dataclass
class Request:
    """What came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  # whatever it holds
        return json.loads(self.body)


def status(code: int, extra: str = "", body: str = "the receiver's secret words") -> bytes:
    return f"HTTP/1.1 {code} X\r\nContent-Length: {len(body)}\r\n{extra}\r\n{body}".encode()


@dataclass
class Receiver:
    """An HTTP server. `answers` are used up one by one, the last one stays; each is bytes or a coroutine function."""

    answers: list[bytes | Answer] = field(default_factory=lambda: [status(200)])
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    serving: list[asyncio.Task[Any] | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/T0KEN"

    async def wait_for(self, condition: Callable[[], bool], within_s: float = 120) -> None:
        async with asyncio.timeout(within_s), self.changed:
            await self.changed.wait_for(condition)

    def told(self) -> list[tuple[str, str]]:
        """Fingerprint and status of every alert in webhook bodies, as they came."""
        return [(a["fingerprint"], a["status"]) for r in self.requests for a in r.json["alerts"]]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        # The loop refers weakly to tasks, and asyncio lets go of one whose client is gone: it would end as rubbish.
        self.serving.append(asyncio.current_task())
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not isinstance(answer, bytes) and getattr(answer, "before_body", False):
            await answer(reader, writer)
            return False
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        async with self.changed:
            self.requests.append(Request(head[0].split(" ")[1], headers, body))
            self.changed.notify_all()
        if isinstance(answer, bytes):
            writer.write(answer)
            await writer.drain()
            return True
        await answer(reader, writer)
        return False


@asynccontextmanager
async def receiver(*answers: bytes | Answer) -> AsyncIterator[Receiver]:
    made = Receiver(list(answers)) if answers else Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    tasks_before = asyncio.all_tasks()
    try:
        yield made
    finally:
        server.close()
        await _end_connections(tasks_before)


async def _end_connections(tasks_before: set[asyncio.Task[Any]]) -> None:
    """Also of a connection that is just being accepted: its task is there when the loop's own one for it is done."""
    while True:
        named = [(task, task.get_coro().__qualname__) for task in asyncio.all_tasks() - tasks_before]  # type: ignore[union-attr]  # every task has a coroutine
        # The last is the name that tests' own loops give what accepts: tidy_loop.py.
        accepting = ("._accept_connection2", "._accept_connection2.<locals>.accept")
        ours = [(task, name) for task, name in named if name.endswith((".serve", *accepting))]
        if not ours:
            return
        for task, name in ours:
            if name.endswith(".serve"):
                task.cancel()
        await asyncio.gather(*(task for task, _ in ours), return_exceptions=True)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await reader.read()


async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Leaves the body in the socket."""
    await asyncio.Event().wait()


never_reads.before_body = True  # type: ignore[attr-defined]  # read by Receiver


async def dribbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers a byte at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """RST instead of an answer."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """FIN instead of an answer."""
    writer.close()


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An answer without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Not HTTP."""
    writer.write(b"\x00\xffSSH-2.0 what?\r\n\r\n")
    await writer.drain()
    writer.close()


def fingerprint() -> str:
    return uuid4().hex
