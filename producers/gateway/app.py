"""The FastAPI application of the gateway: its routes around what they share."""

from __future__ import annotations

from fastapi import FastAPI

from infra.web.app import web_app
from infra.web.openapi import openapi_router
from producers.gateway.bulk import Bulk
from producers.gateway.routes import ROUTERS
from producers.gateway.state import GatewayState

_ABOUT = "Takes events of agents over HTTP and answers 202 when the broker has them."


def make_app(state: GatewayState, max_body_bytes: int) -> FastAPI:
    """The application; a `Door` belongs around it."""
    app = web_app("fleetpulse gateway", version=state.version, description=_ABOUT)
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(openapi_router(app))
    app.state.gateway = state
    app.state.ingest = state.ingest
    app.state.bulk = Bulk(state.ingest)
    app.state.max_body_bytes = max_body_bytes
    return app
