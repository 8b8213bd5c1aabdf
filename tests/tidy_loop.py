"""Event loops that end with every connection closed, whoever forgot it, and that say which.

A connection that outlives its loop is found by the garbage collector during some later test, which then fails for it,
however innocent: on a busy machine each time another one. So the loop closes what is left when it ends. Most of it is
nobody's fault here and nobody is told of it:

- asyncio keeps a connection that was closed while bytes were waiting until they are sent, or one of TLS until the
  peer says goodbye, too. Where the peer reads nothing (many of our peers are rude on purpose) that is for ever.
- aiokafka forgets its first connection to a broker where `start()` is cancelled while that waits for the topics (a time
  limit on a busy machine does that): `AIOKafkaClient.bootstrap` closes it for errors, not for a cancellation, and no
  client knows it yet. The same goes for one to a node whose handshake is cancelled. Where the garbage collector
  finds such a one before its loop ends, it is closed then.
- anyio's are here always connections of httpx: a request that is cancelled can leave one that no client knows any more.
- One that a server of `asyncio.start_server` has accepted, as only rude peers of tests are: where the loop ends before
  its handler has begun, the handler, cancelled, never reaches the `finally` that would close it. Where it ends still
  sooner, or the server is closed meanwhile, no transport is made of what was accepted; such sockets the loop keeps.
- A process that has ended, while another that it had started holds its output open.

The rest is in `LEFT_OPEN`, and `conftest.py` warns of it by the name of the test.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import sys
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, AIOKafkaProtocol

LEFT_OPEN: list[str] = []
"""Connections that nobody had closed when their loops ended."""


class LeftOpenWarning(pytest.PytestWarning):
    """A connection outlived its loop. No error, for a busy machine that cancels something midway can do that."""


class TidyLoop(asyncio.SelectorEventLoop):
    """The usual loop; when it ends its connections are closed, and what was accepted and has no transport yet."""

    def __init__(self) -> None:
        super().__init__()
        self._accepted: set[socket.socket] = set()
        self._processes: weakref.WeakSet[Any] = weakref.WeakSet()

    def _accept_connection2(
        self,
        protocol_factory: Any,  # noqa: ANN401  # asyncio's own, without public types
        conn: socket.socket,
        extra: dict[str, object],
        sslcontext: ssl.SSLContext | None = None,
        server: asyncio.Server | None = None,
        *rest: Any,  # noqa: ANN401  # asyncio's own
    ) -> Coroutine[Any, Any, None]:
        self._accepted.add(conn)
        make_transport = super()._accept_connection2  # type: ignore[misc]  # asyncio's own, without public types

        async def accept() -> None:
            self._accepted.discard(conn)
            if server is not None and not server.sockets:
                conn.close()  # asyncio would assert that the server is open, and forget a half-made transport
            else:
                await make_transport(protocol_factory, conn, extra, sslcontext, server, *rest)

        return accept()

    async def _make_subprocess_transport(self, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401  # asyncio's own
        made = await super()._make_subprocess_transport(*arguments, **more)  # type: ignore[misc]  # asyncio's own
        self._processes.add(made)
        return made

    def close(self) -> None:
        """Close every connection, drop what is unsent, and end."""
        if not self.is_closed() and not self.is_running():
            let_go(self)
            for process in [each for each in self._processes if each.get_returncode() is not None]:
                process.close()
            self.run_until_complete(asyncio.sleep(0))
            while self._accepted:
                self._accepted.pop().close()
        super().close()


def let_go(loop: Any) -> None:  # noqa: ANN401  # asyncio's registry of transports has no public name
    """Close all transports, and note those that somebody should have closed."""
    transports = list(loop._transports.values())
    if any(isinstance(_protocol(each), AIOKafkaProtocol) for each in transports if not each.is_closing()):
        _close_what_was_cancelled(loop)
    for transport in transports:
        if not (_is_closing(transport) or _is_of_anyio(transport) or _is_accepted(transport)):
            LEFT_OPEN.append(_described(transport))
        transport.abort()


def _described(transport: asyncio.Transport) -> str:
    protocol = _protocol(transport)
    kind = f"{type(protocol).__module__}.{type(protocol).__qualname__}"
    return f"{kind} from {transport.get_extra_info('sockname')} to {transport.get_extra_info('peername')}"


def _protocol(transport: asyncio.BaseTransport) -> asyncio.BaseProtocol:
    """Whose it is; where TLS is in between, behind that."""
    protocol = transport.get_protocol()
    return getattr(protocol, "_app_protocol", None) or protocol


def _is_closing(transport: asyncio.BaseTransport) -> bool:
    """Whether its owner has closed it; with TLS the socket stays open until the peer has said goodbye, too."""
    above = getattr(transport.get_protocol(), "_app_transport", None)
    return transport.is_closing() or (above is not None and above.is_closing())


def _is_of_anyio(transport: asyncio.Transport) -> bool:
    return type(_protocol(transport)).__module__.startswith("anyio.")


def _is_accepted(transport: asyncio.Transport) -> bool:
    return getattr(_protocol(transport), "_client_connected_cb", None) is not None


def _is_nobodys(connection: AIOKafkaConnection) -> bool:
    """Whether no client has taken it over: it has no callback for its end, or is none of those that its client has."""
    told = getattr(connection, "_on_close_cb", None)
    client = getattr(told, "__self__", None)
    return told is None or (isinstance(client, AIOKafkaClient) and connection not in client._conns.values())


def _is_forgotten(connection: AIOKafkaConnection) -> bool:
    """Whether it is open and nobody's."""
    return connection.connected() and _is_nobodys(connection)


def _close_what_was_cancelled(loop: asyncio.AbstractEventLoop) -> None:
    """Close connections of aiokafka that no client will."""
    for each in gc.get_objects():
        if (
            issubclass(type(each), AIOKafkaConnection)  # not isinstance: some objects answer that by importing
            and each._loop is loop
            and _is_forgotten(each)
        ):
            each.close()


def _collected(connection: AIOKafkaConnection) -> None:
    if _is_forgotten(connection) and not connection._loop.is_closed():
        connection._on_close_cb = None
        connection.close()
    _WARN_OF_UNCLOSED(connection)


_WARN_OF_UNCLOSED = AIOKafkaConnection.__del__


def use_tidy_loops() -> None:
    """Have `asyncio.run`, threads and pytest-asyncio make such loops from now on."""
    AIOKafkaConnection.__del__ = _collected
    if sys.platform == "win32":
        return
    policy: Any = type(asyncio.get_event_loop_policy())
    policy._loop_factory = TidyLoop
