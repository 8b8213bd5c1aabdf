"""Routes of alerts: what fires, one of them, silences, the past, and orders."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi import Path as PathParameter

from infra.access import AuditTrail
from infra.web.call import principal
from infra.web.problem import Problem
from infra.web.rules import needs
from sinks.api.alerts import deliveries
from sinks.api.alerts.desk import AlertDesk
from sinks.api.alerts.history import TABLES, Asked, history
from sinks.api.alerts.models import (
    AlertDetails,
    AlertPage,
    Carried,
    DeliveryPage,
    HistoryPage,
    Order,
    ReplaceRules,
    SilenceList,
)
from sinks.api.alerts.orders import AnyOrder, Orders
from sinks.api.noting import note
from sinks.api.once import ONCE
from sinks.api.pages import MAX_LIMIT, decode_cursor, encode_cursor, next_link
from sinks.api.past.pool import LakePool
from sinks.api.times import Span, TimeError, parse_span
from sinks.api.world import scope_in

_MAX_BODY_BYTES = 1024 * 1024
_MOST_NOTED = 2_000
Pattern = Annotated[str | None, Query(max_length=200, description="* and ? fit any text")]
Fingerprint = Annotated[str, PathParameter(max_length=200, description="or how it begins", examples=["5f3a09c1"])]
Cursor = Annotated[str | None, Query(max_length=2_000, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="items of a page")]
Matchers = Annotated[
    list[str],
    Query(max_length=20, description="NAME=VALUE, NAME!=VALUE, NAME=~REGEX, NAME!~REGEX", examples=[["host=web-1"]]),
]


def alerts_router(desk: AlertDesk, past: LakePool, rules: Path | None, audit: AuditTrail) -> APIRouter:
    """Routes over a desk that is kept elsewhere."""
    router = APIRouter(tags=["alerts"], dependencies=[ONCE])
    _reading(router, desk)
    _looking_back(router, past)
    _telling(router, past)
    _ordering(router, Orders(desk, rules), audit)
    _one(router, desk)  # last: its path fits the others, too
    return router


def _reading(router: APIRouter, desk: AlertDesk) -> None:
    @router.get("/alerts", dependencies=[needs("viewer")], response_model=None, responses={200: {"model": AlertPage}})
    async def alerts(
        request: Request,
        response: Response,
        severity: Pattern = None,
        agent: Pattern = None,
        name: Pattern = None,
        matcher: Matchers = [],  # noqa: B006  # FastAPI copies it
        everything: Annotated[
            bool, Query(alias="all", description="also what is suppressed, and what is over of late")
        ] = False,
        cursor: Cursor = None,
        limit: Limit = 200,
    ) -> dict[str, Any]:
        """What fires and what is acknowledged, the gravest and newest first."""
        after = decode_cursor(cursor, (bool, int, int, str))
        found = await desk.ask(
            "list", scope_in(request), severity=severity, agent=agent, name=name, matchers=matcher,
            everything=everything, most=limit, after=after,
        )  # fmt: skip
        place = found["next"]
        following = next_link(request, response, None if place is None else encode_cursor(place))
        return {
            "items": found["alerts"], "total": found["total"], "next": following,
            "hidden": found["hidden"], "manager": found["manager"],
        }  # fmt: skip

    @router.get(
        "/silences", dependencies=[needs("viewer")], response_model=None, responses={200: {"model": SilenceList}}
    )
    async def silences(request: Request) -> dict[str, Any]:
        """The silences in force."""
        return await desk.ask("silences", scope_in(request))


def _one(router: APIRouter, desk: AlertDesk) -> None:
    @router.get(
        "/alerts/{fingerprint}",
        dependencies=[needs("viewer")],
        response_model=None,
        responses={200: {"model": AlertDetails}},
    )
    async def alert(
        request: Request,
        fingerprint: Fingerprint,
    ) -> dict[str, Any]:
        """Everything of one alert: its members, its changes, and who was told when."""
        return await desk.ask("show", scope_in(request), fingerprints=[fingerprint])


def _looking_back(router: APIRouter, past: LakePool) -> None:
    @router.get(
        "/alerts/history", dependencies=[needs("viewer")], response_model=None, responses={200: {"model": HistoryPage}}
    )
    async def alert_history(
        request: Request,
        response: Response,
        since: Annotated[str | None, Query(alias="from", max_length=50)] = None,
        until: Annotated[str | None, Query(alias="to", max_length=50)] = None,
        length: Annotated[str | None, Query(alias="range", max_length=20, examples=["24h"])] = None,
        fingerprint: Annotated[str, Query(max_length=200, description="how it begins")] = "",
        agent: Pattern = None,
        name: Pattern = None,
        deliveries: Annotated[bool, Query(description="also every attempt to tell somebody")] = True,
        cursor: Cursor = None,
        limit: Limit = 200,
    ) -> dict[str, Any]:
        """Every change of alerts and every attempt to tell somebody, the newest first; of the last day unless said."""
        scope = scope_in(request)
        span = _span(length, since, until, "24h")
        place = decode_cursor(cursor, (int, str, int, str))
        asked = Asked(
            round(span.start.timestamp() * 1e6), round(span.end.timestamp() * 1e6), fingerprint, agent, name,
            deliveries, None if place is None else (place[0], place[1], place[2], place[3]), limit, scope,
        )  # fmt: skip
        items, last = await past.ask(history(asked), scope=scope, tables=TABLES, span=span)
        following = next_link(request, response, None if last is None else encode_cursor(last))
        return {"items": items, "next": following}


def _telling(router: APIRouter, past: LakePool) -> None:
    @router.get(
        "/alerts/{fingerprint}/deliveries",
        dependencies=[needs("viewer")],
        response_model=None,
        responses={200: {"model": DeliveryPage}},
    )
    async def alert_deliveries(
        request: Request,
        response: Response,
        fingerprint: Fingerprint,
        since: Annotated[str | None, Query(alias="from", max_length=50)] = None,
        until: Annotated[str | None, Query(alias="to", max_length=50)] = None,
        length: Annotated[str | None, Query(alias="range", max_length=20, examples=["7d"])] = None,
        cursor: Cursor = None,
        limit: Limit = 200,
    ) -> dict[str, Any]:
        """Every attempt to tell somebody of an alert, the newest first; of the last seven days unless said."""
        scope, span = scope_in(request), _span(length, since, until, "7d")
        place = decode_cursor(cursor, (int, int, str))
        asked = deliveries.Asked(
            round(span.start.timestamp() * 1e6), round(span.end.timestamp() * 1e6), fingerprint,
            None if place is None else (place[0], place[1], place[2]), limit, scope,
        )  # fmt: skip
        items, last = await past.ask(deliveries.deliveries(asked), scope=scope, tables=deliveries.TABLES, span=span)
        following = next_link(request, response, None if last is None else encode_cursor(last))
        return {"items": items, "next": following}


def _span(length: str | None, since: str | None, until: str | None, default: str) -> Span:
    try:
        return parse_span(datetime.now(UTC), range_=length, since=since, until=until, default=default)
    except TimeError as error:
        raise Problem(422, detail=str(error), type="bad-range") from error


def _ordering(router: APIRouter, orders: Orders, audit: AuditTrail) -> None:
    @router.post(
        "/alerts",
        dependencies=[needs("operator", max_body_bytes=_MAX_BODY_BYTES)],
        response_model=None,
        responses={
            200: {"model": Carried},
            202: {"model": Carried, "description": "kept until an alert manager works"},
        },
    )
    async def order(request: Request, response: Response, given: Annotated[Order, Body()]) -> dict[str, Any]:
        """Acknowledge, take that back, resolve, escalate, silence, end a silence, or replace the rules."""
        who = principal(request)
        noted = _noted(given)
        try:
            done = await orders.carry_out(given, who, scope_in(request))
        except Problem as problem:
            note(audit, request, f"alerts.{given.action}", problem.status, {**noted, "refused": problem.detail})
            raise
        response.status_code = 200 if done["done"] else 202
        note(
            audit,
            request,
            f"alerts.{given.action}",
            response.status_code,
            {**noted, "silences": done.get("silences", [])},
        )
        return done


def _noted(order: AnyOrder) -> Mapping[str, Any]:
    """The order as it is written down; a text of rules by its beginning."""
    document = order.model_dump(by_alias=True)
    return document | {"yaml": order.yaml[:_MOST_NOTED]} if isinstance(order, ReplaceRules) else document
