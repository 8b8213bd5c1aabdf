"""GET /api/violations, GET /api/policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from infra.web.problem import Problem
from infra.web.rules import needs
from sinks.api.governance.coverage import coverage
from sinks.api.governance.models import Policies
from sinks.api.governance.policies import TABLES, read_policies
from sinks.api.models import answers
from sinks.api.once import ONCE
from sinks.api.pages import DEFAULT_LIMIT, decode_cursor, encode_cursor, next_link
from sinks.api.past.models import ViolationPage
from sinks.api.past.newest import Asked, newest, parse_after
from sinks.api.past.shown import shown_row
from sinks.api.routes.common import Cursor, Limit, Range, Since, Until, span_asked, until_now
from sinks.api.routes.events import VIOLATION, Severity
from sinks.api.times import iso
from sinks.api.world import scope_in, whole_memory, world_of

router = APIRouter(tags=["governance"], dependencies=[ONCE])


@router.get("/api/violations", dependencies=[needs("viewer")], response_model=None, responses=answers(ViolationPage))
async def violations(
    request: Request,
    response: Response,
    severity: Annotated[list[Severity] | None, Query(description="only these; may be repeated")] = None,
    policy: Annotated[str | None, Query(max_length=500, description="only of this policy_id")] = None,
    action: Annotated[str | None, Query(max_length=100, description="blocked, redacted, flagged")] = None,
    agent: Annotated[str | None, Query(min_length=1, max_length=500, description="only of this agent")] = None,
    q: Annotated[str | None, Query(max_length=200, description="part of the description, in any case")] = None,
    range_: Range = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Violations of the whole fleet, the newest first; of the last 24 hours unless a range is given."""
    world, scope = world_of(request), scope_in(request, agent)
    span = span_asked(world, range_, since, until, "24h")
    given = {"severity": severity, "policy_id": policy and [policy], "action": action and [action]}
    equal: dict[str, Sequence[str]] = {name: values for name, values in given.items() if values}
    asked = Asked("violations", VIOLATION, span, agent, equal, {"description": q} if q else None)
    try:
        after = parse_after(decode_cursor(cursor, (int, str)))
    except ValueError:
        raise Problem(400, detail="the cursor is of another kind: begin without one", type="bad-cursor") from None
    page = await newest(world.past, scope, asked, after, limit)
    last = page.last
    following = None if last is None else encode_cursor([last.timestamp_us, last.event_id])
    items = [shown_row(row, ("context",)) for row in page.rows]
    return {"items": items, "next": next_link(request, response, following)}


@router.get("/api/policies", dependencies=[needs("viewer")], response_model=None, responses=answers(Policies))
async def policies(request: Request, range_: Range = None, since: Since = None, until: Until = None) -> dict[str, Any]:
    """Policies by violations, and which agents are governed; of the last 24 hours unless a range is given.

    A policy that nobody violated is not known by name: agents tell how many they have loaded.
    """
    memory, world, scope = whole_memory(request), world_of(request), scope_in(request)
    span = until_now(world, span_asked(world, range_, since, until, "24h"))
    found = await world.past.ask(read_policies(span), scope=scope, tables=TABLES, span=span)
    covered = coverage(memory, scope, found.agents)
    return {"from": iso(span.start), "to": iso(span.end), **found.answer, "coverage": covered}
