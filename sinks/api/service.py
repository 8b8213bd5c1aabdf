"""One API process put together: keys, audit trail, memory, door."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from infra.access import AuditTrail, KeyDirectory, Principal, Refusal, auditing
from infra.access.code_flow import code_flow
from infra.access.compat import compat_principal
from infra.access.oidc import OidcVerifier, oidc_config
from infra.access.secret import server_secret
from infra.access.settings import load_access_settings
from infra.runtime.logs import get_logger
from infra.runtime.trust_settings import TrustSettings
from infra.web.access import Access
from infra.web.door import Door
from infra.web.options import WebOptions
from infra.web.serve import Served
from sinks.api.app import create_app, running
from sinks.api.health import ApiHealth
from sinks.api.world import World

START_WITHIN_S = 20.0
_log = get_logger("api")


@dataclass(frozen=True)
class ApiConfig:
    """`rules`: the file of alert rules that may be replaced over HTTP; None: none may. `agents_file`: labels and
    places of agents. `dashboard`: serve the pages."""

    bootstrap: str
    data_dir: Path
    lake: Path
    web: WebOptions
    trust: TrustSettings
    rules: Path | None = None
    agents_file: Path | None = None
    dashboard: bool = True


@contextlib.asynccontextmanager
async def api(config: ApiConfig) -> AsyncIterator[Served]:
    """An API whose memory is whole, or that has tried for `START_WITHIN_S`: it serves then too, and says so.

    Raises `SettingError` for a secret that is missing or unfit.
    """
    directory = KeyDirectory(server_secret(config.data_dir, config.bootstrap))
    async with auditing(config.bootstrap, f"fleetpulse:api:{socket.gethostname()}") as trail:
        world = World(
            config.bootstrap,
            config.lake,
            trust=config.trust,
            rules=config.rules,
            directory=directory,
            audit=trail,
            agents_file=config.agents_file,
            oidc=code_flow(load_access_settings()),
            data_dir=config.data_dir,
            web=config.web,
        )
        async with running(world):
            await _whole(world, directory)
            door = _door(world, config, directory, trail)
            yield Served(door, ApiHealth(world), config.bootstrap, world.told(), world.viewers.close)


def _door(world: World, config: ApiConfig, directory: KeyDirectory, trail: AuditTrail) -> Door:
    app = create_app(world, dashboard=config.dashboard)
    compat = _compat if config.web.compat_keys else None
    oidc = oidc_config(load_access_settings())
    tokens = None if oidc is None else OidcVerifier(oidc)
    access = Access(directory, tokens=tokens, compat=compat, audit=trail, sessions=world.sign_in.sessions)
    door = Door(app, access, config.web, name="api")
    app.state.figures = door.figures
    for name, about, read in world.gauges():
        door.figures.gauge(name, about, read)
    return door


def _compat(text: str, address: str) -> Principal | Refusal:
    return compat_principal(text, address=address)


async def _whole(world: World, directory: KeyDirectory) -> None:
    try:
        async with asyncio.timeout(START_WITHIN_S):
            await directory.ready.wait()
            await world.sign_in.sessions.book.ready.wait()
            await world.follower.whole.wait()
    except TimeoutError:
        _log.warning("serving though the memory is not whole yet", why=world.follower.trouble)
