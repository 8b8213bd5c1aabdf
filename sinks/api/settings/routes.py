"""Settings and keys, for admins."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from infra.access.settings import load_access_settings
from infra.runtime.settings import PREFIX, load_settings
from infra.runtime.trust_settings import TRUST_PREFIX
from infra.web.call import principal
from infra.web.rules import needs
from sinks.api.kept import Kept
from sinks.api.models import answers
from sinks.api.once import ONCE
from sinks.api.settings.effective import effective
from sinks.api.settings.keeping import keeping_router
from sinks.api.settings.models import KeyEnded, KeyList, KeyMade, KeyOrder, RotateOrder, SettingsTold
from sinks.api.settings.office import KeyOffice
from sinks.api.settings.sessions import sessions_router
from sinks.api.settings.stored import Stored, measure, retention_told
from sinks.api.world import World

API_PREFIX = f"{PREFIX}API_"
_MEASURED_EVERY_S = 60.0
_MAX_BODY_BYTES = 16 * 1024
Lookup = Annotated[str, Path(pattern=r"^[a-z2-7]{12}$", description="public part of a key", examples=["abcdefgh2345"])]


def settings_router(world: World) -> APIRouter:
    """The routes over a world."""
    router = APIRouter(tags=["settings"], dependencies=[ONCE])
    _settings(router, world)
    _keys(router, KeyOffice(world))
    router.include_router(keeping_router(world))
    router.include_router(sessions_router(world))
    return router


def _settings(router: APIRouter, world: World) -> None:
    kept: Kept[None, dict[str, Stored]] = Kept(world.clock, _MEASURED_EVERY_S)

    @router.get("/api/settings", dependencies=[needs("admin")], response_model=None, responses=answers(SettingsTold))
    async def settings(request: Request) -> dict[str, Any]:
        """What counts: settings with their source, and how long everything is kept."""
        who = principal(request)
        whole = who.tenant is None and not who.agents
        stored = await kept.of(None, lambda: asyncio.to_thread(measure, world.lake)) if whole else None
        return {
            "version": request.app.version,
            "settings": _of_server(world) if whole else [],
            **await asyncio.to_thread(retention_told, stored, world.lake),
            "rules_file": world.rules is not None,
        }


def _of_server(world: World) -> list[dict[str, Any]]:
    process = load_settings(bootstrap=world.bootstrap, lake=world.lake, data_dir=world.data_dir)
    found = [*effective("process", PREFIX, process), *effective("access", PREFIX, load_access_settings())]
    if world.web is not None:
        found += effective("server", API_PREFIX, world.web)
    return [*found, *effective("trust", TRUST_PREFIX, world.trust)]


def _keys(router: APIRouter, office: KeyOffice) -> None:
    @router.get("/api/keys", dependencies=[needs("admin")], response_model=None, responses=answers(KeyList))
    async def keys(request: Request) -> dict[str, Any]:
        """Who has keys, what they may, when they were used last. No secrets."""
        return {"items": office.lines(request), "refused_records": office.refused_records(request)}

    @router.post(
        "/api/keys",
        dependencies=[needs("admin", max_body_bytes=_MAX_BODY_BYTES)],
        response_model=None,
        status_code=201,
        responses={201: {"model": KeyMade}, 409: {"description": "this Idempotency-Key has made a key before"}},
    )
    async def create(request: Request, response: Response, order: KeyOrder) -> dict[str, Any]:
        """Make a key. Its text is told this once and kept nowhere."""
        response.headers["Cache-Control"] = "no-store"
        return await office.create(request, order)

    @router.post(
        "/api/keys/{lookup}/rotate",
        dependencies=[needs("admin", max_body_bytes=_MAX_BODY_BYTES)],
        response_model=None,
        status_code=201,
        responses={201: {"model": KeyMade}, 409: {"description": "it has ended, or has a successor that lives"}},
    )
    async def rotate(request: Request, response: Response, lookup: Lookup, order: RotateOrder) -> dict[str, Any]:
        """Make a successor of a key; both live until the old one's time is over."""
        response.headers["Cache-Control"] = "no-store"
        return await office.rotate(request, lookup, order)

    @router.post(
        "/api/keys/{lookup}/revoke",
        dependencies=[needs("admin", max_body_bytes=_MAX_BODY_BYTES)],
        response_model=None,
        responses=answers(KeyEnded),
    )
    async def revoke(request: Request, lookup: Lookup) -> dict[str, Any]:
        """End a key now: gateways and APIs refuse it within a second. Done twice it is done once."""
        return await office.revoke(request, lookup)
