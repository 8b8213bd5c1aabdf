"""Changes as they come."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from infra.web.call import call_of, principal
from infra.web.problem import Problem
from infra.web.rules import needs
from sinks.api.live.stream import EventStream, Watch
from sinks.api.world import scope_in, whole_memory, world_of

router = APIRouter(tags=["live"])
TOPICS = frozenset({"status", "trust", "alerts", "fleet"})
_EXAMPLE = """retry: 2000
event: hello
data: {"resumed":false,"topics":["status"],"as_of":"2026-11-21T19:00:00.000Z"}

event: status
data: {"items":[{"agent_id":"bot-7","user_id":"acme","deployment_id":null,"status":"late","previous":"online",\
"reason":"beat_late","at":"2026-11-21T19:00:00.000Z"}]}

event: frame
id: 3f2a9c0b1d4e-812-0
data: {"as_of":"2026-11-21T19:00:00.250Z"}

"""


@router.get(
    "/api/live",
    dependencies=[needs("viewer", stream=True)],
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}}}},
)
async def live(
    request: Request,
    topics: Annotated[
        str, Query(max_length=100, description="of status, trust, alerts, fleet")
    ] = "status,trust,alerts",
    last_event_id: Annotated[str | None, Header(max_length=200, description="the last `id` that came")] = None,
    snapshot: Annotated[bool, Query(description="begin with how everything is; false: with what changes")] = True,
) -> Response:
    """Server-sent events: `status` and `trust` of agents, `alert`, and after a batch `frame` with the id to go on.

    `fleet`, a few times a second at most: what `GET /api/overview` answers.
    """
    whole_memory(request)
    kinds = frozenset(name.strip() for name in topics.split(","))
    if not kinds <= TOPICS:
        raise Problem(422, detail="topics are of status, trust, alerts, fleet", type="bad-topics")
    world, who, session = world_of(request), principal(request), call_of(request).session
    begin = world.viewers.place(last_event_id)
    resumed = begin is not None
    if not resumed and not snapshot:
        begin = world.viewers.here()
    watch = Watch(
        kinds,
        scope_in(request),
        begin,
        resumed,
        who.id,
        lambda: world.still_valid(who, session),
        lambda: world.follower.as_of_us,
    )
    return EventStream(world.viewers, watch)
