"""Agents by what they have in common, and the same as a picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from infra.web.rules import needs
from sinks.api.live.facets import FACETS, LABEL, facets_of
from sinks.api.live.groups import Slots, figures, grouped
from sinks.api.live.listing import Wanted, fitting
from sinks.api.live.memory import Memory
from sinks.api.live.topology import Asked, topology
from sinks.api.models import Answer, Moment, Share, answers
from sinks.api.routes.asking import WantedAgents
from sinks.api.scope import Scope
from sinks.api.times import iso_us
from sinks.api.world import World, scope_in, whole_memory, world_of

router = APIRouter(tags=["agents"])
BY_PATTERN = rf"^({'|'.join(FACETS)}|{LABEL}[A-Za-z_][A-Za-z0-9_.-]{{0,62}})$"
MOST_GROUPS = 1_000
By = Annotated[str, Query(pattern=BY_PATTERN, description=f"{', '.join(FACETS)}, or label:NAME")]


class Group(Answer):
    """Agents that have a value in common."""

    value: str | None = Field(description="null: those that have none", examples=["eu-1"])
    agents: int
    by_status: dict[str, int] = Field(examples=[{"online": 41, "late": 1, "offline": 0, "degraded": 0, "unknown": 0}])
    trust_mean: Share | None
    trust_p10: Share | None
    trust_lowest: Share | None
    violations_24h: int


class Groups(Answer):
    """Groups of agents, the largest first."""

    by: str = Field(examples=["deployment"])
    facets: list[str] = Field(description="by what these agents can be grouped", examples=[["deployment", "status"]])
    total: int = Field(description="groups, over all pages")
    agents: int = Field(description="agents in all of them")
    items: list[Group]
    as_of: Moment


class Tiles(Answer):
    """Columns of one length, the least trusted first."""

    names: list[str | None]
    agents: list[int] = Field(description="how many agents each stands for")
    trust: list[float | None] = Field(description="score, of several agents the mean")
    status: list[int] = Field(description="place in `statuses`; of several agents the gravest that anybody has")
    places: list[tuple[float, float, float] | None] = Field(description="x, y, z of the agents file")
    more: int = Field(description="tiles that are not told")


class TileGroup(Group):
    """A group with what is in it."""

    tiles: Tiles


class Topology(Answer):
    """The fleet as a picture."""

    by: str = Field(examples=["deployment"])
    within: str = Field(examples=["host"])
    tiles_are: Literal["agents", "parts"] = Field(description="parts: agents of one `within` each")
    statuses: list[str]
    agents: int
    groups_total: int
    groups_largest: int = Field(description="so many of `groups` are the largest; those after them the least trusted")
    agents_left_out: int = Field(description="agents of groups that are not among `groups`")
    groups: list[TileGroup] = Field(description="the largest, then the least trusted of the others, at most 60")
    facets: list[str]
    as_of: Moment


@router.get("/api/agents/groups", dependencies=[needs("viewer")], response_model=None, responses=answers(Groups))
async def groups(
    request: Request,
    wanted: WantedAgents,
    by: By = "deployment",
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_GROUPS)] = 200,
) -> Response:
    """Agents by a status, a host, a label or another facet, with what the list of agents filters by."""
    memory, world, scope = whole_memory(request), world_of(request), scope_in(request)

    def told() -> dict[str, Any]:
        slots = _slots(memory, scope, wanted)
        found = grouped(memory, slots, by)
        counted = figures(memory, slots, found.which, len(found.values), world.recent.violations_24h())
        order = np.argsort(-counted.agents, kind="stable")[offset : offset + limit].tolist()
        return {
            "by": by,
            "facets": facets_of(memory, memory.visible(scope)),
            "total": len(found.values),
            "agents": int(slots.size),
            "items": [{"value": found.values[group], **counted.told(group)} for group in order],
            "as_of": iso_us(world.follower.as_of_us),
        }

    return await _kept(world, (scope, wanted, by, offset, limit), told)


@router.get("/api/topology", dependencies=[needs("viewer")], response_model=None, responses=answers(Topology))
async def picture(
    request: Request,
    wanted: WantedAgents,
    by: By = "deployment",
    within: By = "host",
) -> Response:
    """Groups of tiles. Up to some thousands each agent is a tile; of more, the agents of one `within` are."""
    memory, world, scope = whole_memory(request), world_of(request), scope_in(request)

    def told() -> dict[str, Any]:
        found = topology(memory, _slots(memory, scope, wanted), Asked(by, within), world.recent.violations_24h())
        facets = facets_of(memory, memory.visible(scope))
        return found | {"facets": facets, "as_of": iso_us(world.follower.as_of_us)}

    return await _kept(world, (scope, wanted, by, within), told)


async def _kept(world: World, key: Hashable, told: Callable[[], dict[str, Any]]) -> Response:
    """An answer that many may look at: made once a second."""

    async def made() -> bytes:
        return json.dumps(told(), separators=(",", ":")).encode()

    return Response(await world.pictures.of(key, made), media_type="application/json")


def _slots(memory: Memory, scope: Scope, wanted: Wanted) -> Slots:
    return np.flatnonzero(fitting(memory, scope, wanted))
