"""Every router of the API."""

from __future__ import annotations

from fastapi import APIRouter

from infra.web.sign_in import sign_in_router
from infra.web.sign_in_oidc import oidc_router
from sinks.api.alerts.routes import alerts_router
from sinks.api.governance.routes import router as governance
from sinks.api.hosts.routes import hosts_router
from sinks.api.overview.routes import router as overview
from sinks.api.pipeline.routes import pipeline_router
from sinks.api.reports.routes import reports_router
from sinks.api.routes import agents, events, explained, fleet, groups, ledger, live, me, metrics, probes, runs, trust
from sinks.api.rules.routes import rules_router
from sinks.api.settings.routes import settings_router
from sinks.api.sql.routes import sql_router
from sinks.api.trends.routes import router as trends
from sinks.api.views.routes import router as views
from sinks.api.world import World


def routers(world: World) -> list[APIRouter]:
    """The routers, of which each route has its rule."""
    own = [
        module.router
        for module in (agents, groups, fleet, events, explained, metrics, trust, ledger, runs, live, probes)
    ]
    own += [overview, governance]
    own += [me.router, sign_in_router(world.sign_in)]
    own += [] if world.oidc is None else [oidc_router(world.sign_in, world.oidc)]
    own += [trends, views]
    own += [hosts_router(world), pipeline_router(world), settings_router(world)]
    alerts = alerts_router(world.desk, world.past, world.rules, world.audit)
    rules = rules_router(world.book, world.lake, world.audit, world.still_valid)
    return [*own, alerts, rules, reports_router(world.past), sql_router(world.lake, world.audit, world.spares)]
