"""The fleet as a whole, of what the caller sees."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from infra.web.problem import not_found
from infra.web.rules import needs
from sinks.api.live.fleet import BINS
from sinks.api.models import Answer, Moment, Share, answers
from sinks.api.times import iso_us
from sinks.api.world import scope_in, whole_memory, world_of

router = APIRouter(tags=["agents"])


class Deployment(Answer):
    """Agents of a deployment."""

    deployment_id: str | None
    agents: int
    by_status: dict[str, int] = Field(examples=[{"online": 41, "late": 1}])


class Distribution(Answer):
    """How scores are spread."""

    scored: int = Field(description="agents with a score")
    mean: Share | None
    quantiles: dict[str, float | None] = Field(examples=[{"p01": 0.41, "p10": 0.72, "p50": 0.91, "p90": 0.97}])
    bins: list[int] = Field(description=f"agents by trust, {BINS} equal steps from 0 to 1")


class LowTrust(Answer):
    """One of the lowest scores."""

    agent_id: str
    user_id: str
    trust: Share | None


class Fleet(Answer):
    """What the caller sees of the fleet."""

    agents: int
    by_status: dict[str, int] = Field(examples=[{"online": 97, "late": 1, "offline": 2, "degraded": 0, "unknown": 0}])
    by_deployment: list[Deployment] = Field(description="the largest first")
    trust: Distribution
    lowest_trust: list[LowTrust]
    violations: int = Field(description="since the state began")
    as_of: Moment


@router.get("/api/fleet", dependencies=[needs("viewer")], response_model=None, responses=answers(Fleet))
async def of_fleet(
    request: Request, tenant: Annotated[str | None, Query(max_length=500, description="only of this tenant")] = None
) -> dict[str, Any]:
    """Agents by status and deployment, and how far they are trusted."""
    whole_memory(request)
    world = world_of(request)
    scope = scope_in(request).narrowed(tenant)
    if scope is None:
        raise not_found("there is no such tenant")
    return world.fleets.of(scope) | {"as_of": iso_us(world.follower.as_of_us)}
