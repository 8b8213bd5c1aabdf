"""The listener: a door on a port, and a whole process around it.

`serving` is for who has a loop already (tests, too); `run_server` is what the commands call.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import resource
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import uvicorn
import uvloop

from infra.health import MonitorableComponent, publishing
from infra.runtime.errors import SettingError
from infra.runtime.lifecycle import stop_on_signals
from infra.web.door import Door
from infra.web.options import WebOptions
from infra.web.protocol import GuardedProtocol, Limits

FINISH_WITHIN_S = 5
_HANDSHAKE_S = 5.0
_LOOK_EVERY_TICKS = 5
_BACKLOG = 1_024


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a server listens."""

    host: str
    port: int
    url: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Served:
    """What `run_server` serves: a door, how the process is, what its ready line says besides port and url. `stopping`
    is called once the process is asked to end, before it waits for what is in flight: streams are to end by it.
    """

    door: Door
    component: MonitorableComponent
    bootstrap: str
    ready: Mapping[str, Any] = field(default_factory=dict)
    stopping: Callable[[], None] | None = None


class _Listener(uvicorn.Server):
    """uvicorn's server on a socket that is there already, with a look at its connections and no signal handlers."""

    def __init__(self, config: uvicorn.Config, limits: Limits) -> None:
        super().__init__(config)
        self._limits = limits
        self.lifespan = config.lifespan_class(config)

    async def listen(self, listener: socket.socket) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        make = functools.partial(GuardedProtocol, self.config, self.server_state, {}, limits=self._limits)
        patience_s = _HANDSHAKE_S if self.config.ssl else None
        server = await loop.create_server(
            make, sock=listener, ssl=self.config.ssl, backlog=_BACKLOG, ssl_handshake_timeout=patience_s
        )
        self.servers = [server]
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """What uvicorn does every 0.1 s, and at times a look at the connections."""
        if counter % _LOOK_EVERY_TICKS == 0:
            self._limits.look(asyncio.get_running_loop().time())
        return await super().on_tick(counter)


@contextlib.asynccontextmanager
async def serving(door: Door) -> AsyncIterator[Listening]:
    """Listen while the block runs, within the lifespan of the door's app; then finish what is in flight, within 5 s.

    Raises `SettingError` where the address or the certificate cannot be used.
    """
    async with door.app.router.lifespan_context(door.app):
        options = door.options
        limits = _limits(options)
        config = _config(door)
        listener = _bound(options)
        server = _Listener(config, limits)
        await server.listen(listener)
        turning = asyncio.create_task(server.main_loop(), name="listener")
        for name, read in _gauges(limits).items():
            door.figures.gauge(name, "Connections", read)
        host, port = listener.getsockname()[:2]
        try:
            yield Listening(host, port, _url(options, host, port), limits)
        finally:
            server.should_exit = True
            await turning
            await server.shutdown()
            listener.close()


def _gauges(limits: Limits) -> dict[str, Callable[[], float]]:
    return {"connections": lambda: len(limits.protocols), "connections_closed": limits.closed.total}


def _limits(options: WebOptions) -> Limits:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(options.max_connections, max(files - 256, files // 2))
    return Limits(
        options.header_timeout_s, options.request_timeout_s, most, min(most, options.max_connections_per_address)
    )


def _config(door: Door) -> uvicorn.Config:
    options = door.options
    config = uvicorn.Config(
        door,
        http=GuardedProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=int(options.keep_alive_s),
        timeout_graceful_shutdown=FINISH_WITHIN_S,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )
    # What a client does wrong is counted, not logged; what an application does wrong the door logs itself.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise SettingError(f"the certificate cannot be used: {error}", setting="--tls-cert and --tls-key") from error
    return config


def _bound(options: WebOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
    except OSError as error:
        listener.close()
        raise SettingError(
            f"cannot listen at {options.host}:{options.port}: {os.strerror(error.errno or 0)}",
            setting="--host and --port",
            way_out="Take another, or --port 0 for a free one",
        ) from error
    listener.setblocking(False)
    return listener


def _url(options: WebOptions, host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if options.secure else 'http'}://{shown}:{port}"


def run_server(build: Callable[[], contextlib.AbstractAsyncContextManager[Served]], *, process: str) -> None:
    """Serve what `build` makes until SIGINT or SIGTERM: one JSON ready line, self-audit as `process`, a clean end.

    Raises what `build` raises, and `SettingError`.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(build, process))


async def _run(build: Callable[[], contextlib.AbstractAsyncContextManager[Served]], process: str) -> None:
    with stop_on_signals() as asked:
        async with (
            build() as served,
            serving(served.door) as listening,
            publishing(served.component, served.bootstrap, process=process),
        ):
            told = {"event": "ready", "process": process, "port": listening.port, "url": listening.url, **served.ready}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
            await asked.wait()
            if served.stopping is not None:
                served.stopping()
