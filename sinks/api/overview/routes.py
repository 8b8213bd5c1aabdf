"""GET /api/overview, GET /api/changes, GET /api/ledger."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from infra.web.problem import unavailable
from infra.web.rules import needs
from sinks.api.models import answers
from sinks.api.once import ONCE
from sinks.api.overview.changes import (
    KINDS,
    After,
    Kind,
    Row,
    after_of,
    read_changes,
    read_span,
    shown_change,
    tables_of,
)
from sinks.api.overview.models import ChangePage, LedgerPage, Overview
from sinks.api.pages import DEFAULT_LIMIT, decode_cursor, encode_cursor, next_link
from sinks.api.routes.common import Cursor, Limit, Range, Since, Until, span_asked
from sinks.api.world import scope_in, whole_memory, world_of

router = APIRouter(tags=["overview"], dependencies=[ONCE])


@router.get("/api/overview", dependencies=[needs("viewer")], response_model=None, responses=answers(Overview))
async def overview(request: Request) -> dict[str, Any]:
    """How the fleet is: agents, trust, alerts, violations, throughput, delivery, and what changed in the last hour.

    From memory alone; what only the lake knows was asked for before, and says when.
    """
    whole_memory(request)
    return world_of(request).overviews.of(scope_in(request))


@router.get("/api/changes", dependencies=[needs("viewer")], response_model=None, responses=answers(ChangePage))
async def changes(
    request: Request,
    response: Response,
    kind: Annotated[list[Kind] | None, Query(description="only these; may be repeated")] = None,
    agent: Annotated[str | None, Query(min_length=1, max_length=500, description="only of this agent")] = None,
    range_: Range = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Changes of status, alerts that began or ended, falls of trust; of the last hour unless a range is given."""
    world = world_of(request)
    span = span_asked(world, range_, since, until, "1h")
    kinds = tuple(dict.fromkeys(kind or KINDS))
    values = decode_cursor(cursor, (int, str))
    question = read_changes(span, kinds, None if values is None else After(*values), limit + 1)
    rows: list[Row] = await world.past.ask(
        question, scope=scope_in(request, agent), tables=tables_of(kinds), span=read_span(span), agent=agent, empty=[]
    )
    following = None
    if len(rows) > limit:
        last = after_of(rows[limit - 1])
        following = encode_cursor([last.at_us, last.id])
    return {"items": [shown_change(row) for row in rows[:limit]], "next": next_link(request, response, following)}


@router.get("/api/ledger", dependencies=[needs("viewer")], response_model=None, responses=answers(LedgerPage))
async def ledger(
    request: Request,
    q: Annotated[str, Query(max_length=200, description="part of the agent's name, in any case")] = "",
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """What each agent published, what of it landed and what is missing; as the overview has it in sum."""
    world = world_of(request)
    world.overviews.beside.looked_at()
    found = world.overviews.beside.ledger_by_agent(scope_in(request), q, offset, limit)
    if found is None:
        raise unavailable("the ledger is being added up", retry_after_s=5.0, type="starting")
    return found
