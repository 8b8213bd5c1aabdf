"""The routes of the gateway. A new module of routes: make a `router` in it and name it here."""

from fastapi import APIRouter

from producers.gateway.routes import agents, batch, events, health, otlp, ping, runs

ROUTERS: tuple[APIRouter, ...] = (
    agents.router,
    runs.router,
    batch.router,
    events.router,
    otlp.router,
    ping.router,
    health.router,
)
