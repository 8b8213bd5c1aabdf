"""Whether the process lives, is ready, and what it counts."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request, Response

from infra.web.figures import MEDIA_TYPE
from infra.web.rules import needs, public
from sinks.api.live.follow import STALE_S
from sinks.api.models import Answer, Moment
from sinks.api.times import iso_us
from sinks.api.world import World, world_of

router = APIRouter(tags=["probes"])


class Ready(Answer):
    """Whether answers are current. Nothing here is of any tenant."""

    status: str
    as_of: Moment | None
    why: str


def _ready(world: World) -> Response:
    follower = world.follower
    ready = follower.age_s() <= STALE_S
    why = "" if ready else "the latest state is still being read" if not follower.as_of_us else "what is told is old"
    body = {"status": "ready" if ready else "not ready", "as_of": iso_us(follower.as_of_us), "why": why}
    return Response(json.dumps(body), 200 if ready else 503, media_type="application/json")


@router.get("/livez", dependencies=[public()], response_class=Response)
async def livez(_request: Request) -> Response:
    """The process answers."""
    return Response(b'{"status": "alive"}', media_type="application/json")


@router.get(
    "/readyz", dependencies=[public()], responses={200: {"model": Ready}, 503: {"model": Ready}}, response_model=None
)
async def readyz(request: Request) -> Response:
    """Whether the memory is whole and current: 503 while it is not."""
    return _ready(world_of(request))


@router.get(
    "/healthz", dependencies=[public()], responses={200: {"model": Ready}, 503: {"model": Ready}}, response_model=None
)
async def healthz(request: Request) -> Response:
    """As /readyz."""
    return _ready(world_of(request))


@router.get("/metrics", dependencies=[needs("viewer", loopback=True)], response_class=Response)
async def metrics(request: Request) -> Response:
    """Prometheus' text format. From a loopback address without a key."""
    return Response(request.app.state.figures.text(), media_type=MEDIA_TYPE)
