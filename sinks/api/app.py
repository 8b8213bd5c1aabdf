"""The application of the query API, and what runs beside it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from infra.web.app import web_app
from infra.web.openapi import openapi_router
from sinks.api.live.alert_news import alert_listener
from sinks.api.routers import routers
from sinks.api.world import World
from sinks.dashboard.routes import Pages, dashboard_router

_ABOUT = """The latest of every agent from memory, its history from the lake, changes as they come.

Every route but the probes needs a key (`X-API-Key`) or a bearer token. A key of one tenant sees that tenant's agents
and nothing of any other's: what belongs to somebody else is answered as what does not exist."""


def create_app(world: World, *, dashboard: bool = True) -> FastAPI:
    """The app with every route, each with its rule; to be put behind a `Door`. `running` keeps its world current.

    `dashboard`: with the pages at /ui/ too.
    """
    app = web_app("fleetpulse api", version=_version(), description=_ABOUT)
    app.state.world = world
    for router in routers(world):
        app.include_router(router)
    app.include_router(openapi_router(app))
    if dashboard:
        app.include_router(dashboard_router(Pages()))
    return app


def _version() -> str:
    try:
        return version("fleetpulse")
    except PackageNotFoundError:
        return "unknown"


@contextlib.asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    """Follow the broker, the lake and the alerts while the block runs; a task that fails ends it."""
    async with asyncio.TaskGroup() as tasks:
        kept = [tasks.create_task(part) for part in world.parts()]
        await world.desk.start()
        forget = world.desk.listen(alert_listener(world.viewers))
        world.desk.listen(world.overviews.board.hear)
        try:
            yield
        finally:
            forget()
            world.spares.close()
            world.viewers.close()
            await world.desk.stop()
            for task in kept:
                task.cancel()
    world.recent.close()
    world.past.close()
