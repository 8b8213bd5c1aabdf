"""A server of ours on a free port of loopback, keys in memory, and raw sockets to be rude with."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from infra.access import KeyDirectory, Role, make_key
from infra.web.access import Access
from infra.web.app import web_app
from infra.web.door import Door
from infra.web.options import WebOptions, load_options
from infra.web.serve import Listening, serving

SECRET = b"of tests" * 4
NOW_S = 1_800_000_000.0


@dataclass
class Keys:
    """Keys in a directory in memory."""

    directory: KeyDirectory = field(default_factory=lambda: KeyDirectory(SECRET, []))

    def make(self, role: Role, tenant: str | None = "acme", *agents: str, sql: bool = False) -> str:
        """The text of a new key."""
        text, record = make_key(
            SECRET, name=f"{role} of {tenant}", role=role, tenant=tenant, now_s=NOW_S, agents=agents, sql=sql
        )
        assert self.directory.put(record)
        return text


def options_of(**given: Any) -> WebOptions:  # noqa: ANN401  # any option
    """Options with a free port."""
    return load_options("FLEETPULSE_TEST_", **{"port": 0, **given})


async def until(holds: Callable[[], bool], within_s: float = 60) -> None:
    """Wait until a condition holds that nobody tells of. Raises `TimeoutError`."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + within_s
    while not holds():  # what is looked at has no event
        if loop.time() > end_s:
            raise TimeoutError
        await asyncio.sleep(0.005)


def app_of(*routers: APIRouter) -> FastAPI:
    """An application with these routes."""
    app = web_app("test", version="1", description="of tests")
    for router in routers:
        app.include_router(router)
    return app


@dataclass
class Running:
    """A server that listens, and a client of it. `await running.raw(b"...")` sends bytes as they are."""

    door: Door
    keys: Keys
    listening: Listening
    client: httpx.AsyncClient

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection."""
        return await asyncio.open_connection("127.0.0.1", self.listening.port)

    async def raw(self, sent: bytes, within_s: float = 60) -> bytes:
        """Send bytes as they are; what comes until the server closes. Raises `TimeoutError`.

        By a bare socket: a server that closes with bytes of ours unread resets the connection, and asyncio's streams
        would throw the answer away that came before.
        """
        loop, found = asyncio.get_running_loop(), bytearray()
        with socket.socket() as connection:
            connection.setblocking(False)
            async with asyncio.timeout(within_s):
                await loop.sock_connect(connection, ("127.0.0.1", self.listening.port))
                sending = asyncio.create_task(loop.sock_sendall(connection, sent))
                try:
                    while piece := await loop.sock_recv(connection, 65_536):
                        found += piece
                except ConnectionResetError:
                    pass  # another way to close
                finally:
                    sending.cancel()
                    await asyncio.wait({sending})
        if not sending.cancelled() and not isinstance(error := sending.exception(), (ConnectionError, type(None))):
            raise error
        return bytes(found)

    def by(self, role: Role, tenant: str | None = "acme", *agents: str, sql: bool = False) -> dict[str, str]:
        """The header of a new key."""
        return {"X-API-Key": self.keys.make(role, tenant, *agents, sql=sql)}


def _client(url: str) -> httpx.AsyncClient:
    """Patient: a busy machine may take longer than httpx waits by itself."""
    return httpx.AsyncClient(base_url=url, verify=False, timeout=60)


@contextlib.asynccontextmanager
async def running(
    app: FastAPI,
    keys: Keys | None = None,
    access: Access | None = None,
    **options: Any,  # noqa: ANN401  # any option
) -> AsyncIterator[Running]:
    """Serve `app` while the block runs."""
    known = keys or Keys()
    door = Door(app, access or Access(known.directory, now_s=lambda: NOW_S), options_of(**options), name="test")
    async with serving(door) as listening, _client(listening.url) as client:
        yield Running(door, known, listening, client)
