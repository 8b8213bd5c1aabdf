"""Agents as they are now: a list by pages, one by its name; from memory alone."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from infra.web.problem import not_found
from infra.web.rules import needs
from sinks.api.live.facets import FACETS, LABEL, facets_of
from sinks.api.live.listing import NUMBERS, Place, list_agents
from sinks.api.live.words import agent_line, agent_status
from sinks.api.models import AgentPage, AgentStatus, answers
from sinks.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, encode_cursor, next_link
from sinks.api.routes.asking import WantedAgents
from sinks.api.times import iso_us
from sinks.api.world import scope_in, whole_memory, world_of

router = APIRouter(tags=["agents"])
AGENT_PARAMETER = {
    "name": "agent_id", "in": "path", "required": True, "description": "name of the agent",
    "schema": {"type": "string", "examples": ["customer_service_bot"]},
}  # fmt: skip

MOST_SKIPPED = 1_000_000
SORT_PATTERN = rf"^-?({'|'.join((*NUMBERS, *FACETS))}|{LABEL}[A-Za-z_][A-Za-z0-9_.-]{{0,62}})$"

AgentId = Annotated[str, Path(max_length=500, description="name of the agent", examples=["customer_service_bot"])]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="items of a page")]
Cursor = Annotated[str | None, Query(max_length=2_000, description="`next` of the page before")]


@router.get("/api/agents", dependencies=[needs("viewer")], response_model=None, responses=answers(AgentPage))
async def agents(
    request: Request,
    response: Response,
    wanted: WantedAgents,
    sort: Annotated[
        str,
        Query(pattern=SORT_PATTERN, description=f"{', '.join(NUMBERS)}, or what agents are grouped by; -: falling"),
    ] = "agent_id",
    cursor: Cursor = None,
    offset: Annotated[int, Query(ge=0, le=MOST_SKIPPED, description="so many of the page are left out")] = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Agents as they are now, by pages: by `cursor`, on which nothing is missed or told twice, or by `offset`."""
    memory, follower = whole_memory(request), world_of(request).follower
    after = _place(cursor, sort)
    found = list_agents(memory, scope_in(request), wanted, sort, after, limit, offset)
    last = found.last
    following = None if last is None else encode_cursor([sort, last.value, last.agent_id, last.user_id])
    return {
        "items": [agent_line(memory, slot) for slot in found.slots],
        "total": found.total,
        "next": next_link(request, response, following),
        "facets": facets_of(memory, memory.visible(scope_in(request))),
        "as_of": iso_us(follower.as_of_us),
    }


def _place(cursor: str | None, sort: str) -> Place | None:
    """Where a cursor goes on; one of another order begins anew."""
    kind = float if sort.removeprefix("-") in NUMBERS else str
    values = decode_cursor(cursor, (str, kind, str, str))
    return Place(*values[1:]) if values is not None and values[0] == sort else None


@router.get(
    "/api/agents/status/{agent_id:path}",
    dependencies=[needs("viewer")],
    response_model=None,
    responses=answers(AgentStatus),
    openapi_extra={"parameters": [AGENT_PARAMETER]},
)
async def status_of(request: Request) -> Response:
    """The latest of one agent, from memory."""
    memory, world = whole_memory(request), world_of(request)
    agent_id = request.path_params["agent_id"]
    slot = memory.find(scope_in(request, agent_id), agent_id)
    if slot is None:
        raise not_found("there is no such agent")
    as_of = iso_us(world.follower.as_of_us) or ""
    return Response(
        json.dumps(agent_status(memory, slot, world.recent.violations(slot), as_of)), media_type="application/json"
    )
