"""One gateway process put together: keys, audit trail, publisher, account, door."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from importlib.metadata import version
from typing import Any

from infra.access import AuditTrail, KeyDirectory, Principal, Refusal, auditing
from infra.access.compat import compat_principal
from infra.access.oidc import OidcVerifier, oidc_config
from infra.access.secret import server_secret
from infra.access.settings import load_access_settings
from infra.runtime.logs import get_logger
from infra.runtime.memory import calm_garbage_collector
from infra.runtime.threads import switch_threads_often
from infra.web.access import Access, Tokens
from infra.web.door import Door
from infra.web.serve import Served
from producers.gateway.account import EVERY_S, Account
from producers.gateway.app import make_app
from producers.gateway.bulk import warm_up
from producers.gateway.config import GatewayConfig
from producers.gateway.figures import PublisherFigures
from producers.gateway.health import GatewayHealth
from producers.gateway.ingest import Ingest
from producers.gateway.owners import Owners
from producers.gateway.publisher import Publisher, PublisherConfig
from producers.gateway.sessions import Sessions
from producers.gateway.state import GatewayState

_DRAIN_S = 5.0
_log = get_logger("gateway")


@contextlib.asynccontextmanager
async def gateway(config: GatewayConfig) -> AsyncIterator[Served]:
    """A gateway that is connected, or has tried for `start_within_s`; at its end it sends what waits, and settles.

    Raises `SettingError` for a secret that is missing or unfit.
    """
    directory = KeyDirectory(server_secret(config.data_dir, config.bootstrap))
    publisher = Publisher(PublisherConfig(config.bootstrap, max_waiting_bytes=config.max_waiting_bytes))
    sessions = Sessions(config.instance)
    owners = Owners()
    ingest = Ingest(publisher, sessions, config.name, owners)
    state = GatewayState(ingest, directory, owners.ready, version("fleetpulse"), config.lake)
    account = Account(config.data_dir / "accounts", sessions, publisher.published)
    async with contextlib.AsyncExitStack() as parts:
        trail = await parts.enter_async_context(auditing(config.bootstrap, f"fleetpulse:gateway:{config.name}"))
        await parts.enter_async_context(_beside(directory.follow(config.bootstrap), "keys"))
        await parts.enter_async_context(_beside(owners.follow(config.bootstrap), "owners"))
        await parts.enter_async_context(_beside(publisher.run(), "publisher"))
        await parts.enter_async_context(_accounting(account))
        await asyncio.to_thread(warm_up)
        await _connected(state, config.start_within_s)
        if config.alone:
            switch_threads_often()
            calm_garbage_collector()
        door = _door(state, config, trail)
        yield Served(door, GatewayHealth(state), config.bootstrap, {"name": config.name, "instance": config.instance})
        if not await publisher.drain(_DRAIN_S):
            _log.warning("events are left that the broker did not acknowledge", bytes=publisher.waiting_bytes)


def _door(state: GatewayState, config: GatewayConfig, trail: AuditTrail) -> Door:
    app = make_app(state, config.web.max_body_bytes)
    compat = _compatible if config.web.compat_keys else None
    access = Access(state.directory, tokens=_tokens(), compat=compat, audit=trail)
    door = Door(app, access, config.web, name="gateway")
    for name, about, read in state.gauges():
        door.figures.gauge(name, about, read)
    door.figures.registry.register(PublisherFigures(state.ingest.publisher))
    state.figures_text = door.figures.text
    return door


def _compatible(text: str, address: str) -> Principal | Refusal:
    return compat_principal(text, address=address)


def _tokens() -> Tokens | None:
    """Who checks tokens of the issuer that the settings name, if they name one."""
    issuer = oidc_config(load_access_settings())
    return OidcVerifier(issuer) if issuer is not None else None


async def _connected(state: GatewayState, within_s: float) -> None:
    """Wait until events can be taken. A gateway that starts before its broker serves, and says 503."""
    try:
        async with asyncio.timeout(within_s):
            await state.directory.ready.wait()
            await state.owners_ready.wait()
            await state.ingest.publisher.link.ready.wait()
    except TimeoutError:
        _log.warning("serving though events cannot be taken yet", reason=state.trouble())


@contextlib.asynccontextmanager
async def _accounting(account: Account) -> AsyncIterator[None]:
    """Write the account at times, and at the end."""
    async with _beside(_write_at_times(account), "account"):
        yield
    try:
        await account.write(closing=True)
    except OSError as error:
        _log.warning("the account cannot be written", error=str(error))


async def _write_at_times(account: Account) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            await account.write()
        except OSError as error:
            _log.warning("the account cannot be written", error=str(error))


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Have `work` done while the block runs; where it fails the process ends, which whoever started it sees."""
    failed = asyncio.current_task()
    running = asyncio.create_task(work, name=name)

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and failed is not None:
            _log.error("a part of the gateway ended", part=name, error=repr(task.exception()))
            failed.cancel()

    running.add_done_callback(ended)
    try:
        yield
    finally:
        running.remove_done_callback(ended)
        running.cancel()
        await asyncio.wait({running})
        if not running.cancelled() and (error := running.exception()) is not None:
            raise error
