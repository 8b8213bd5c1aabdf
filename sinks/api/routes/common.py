"""What the routes about one agent share: its parameters, its scope, and whether it is there at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Path, Query, Request

from infra.web.problem import Problem, not_found
from sinks.api.pages import MAX_LIMIT
from sinks.api.past.pool import LakePool
from sinks.api.scope import Scope
from sinks.api.times import Span, TimeError, parse_span
from sinks.api.world import World, scope_in, world_of

AgentId = Annotated[str, Path(min_length=1, max_length=500, description="name of the agent", examples=["bot-7"])]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="items of a page")]
Cursor = Annotated[str | None, Query(max_length=2_000, description="`next` of the page before")]
Range = Annotated[
    str | None, Query(alias="range", max_length=40, description="so far back: 30m, 24h, 7d", examples=["24h"])
]
Since = Annotated[str | None, Query(alias="from", max_length=60, description="ISO 8601, instead of range")]
Until = Annotated[str | None, Query(alias="to", max_length=60, description="ISO 8601; now by default")]
AHEAD_S = 3_600.0
"""How far in the future rows are looked for by default: clocks of agents differ."""


@dataclass(frozen=True, slots=True)
class AgentAsked:
    """An agent as its caller sees it. `known`: whether the memory has it."""

    world: World
    scope: Scope
    agent_id: str
    known: bool

    @property
    def past(self) -> LakePool:
        """Where its history is."""
        return self.world.past

    def found(self, anything: object) -> None:
        """Raises `Problem` 404 where neither the memory nor the lake has anything of it within the scope."""
        if not self.known and not anything:
            raise not_found("there is no such agent")


def agent_asked(request: Request, agent_id: str) -> AgentAsked:
    """Of a route's `agent_id`. Raises `Problem` 404 for what cannot be the name of an agent that the caller sees."""
    world, scope = world_of(request), scope_in(request, agent_id)
    if "\0" in agent_id or not scope.sees_agent(agent_id):
        raise not_found("there is no such agent")
    return AgentAsked(world, scope, agent_id, world.memory.find(scope, agent_id) is not None)


def span_asked(world: World, range_: str | None, since: str | None, until: str | None, default: str) -> Span:
    """What a route's range, from and to ask for. Raises `Problem` 422."""
    try:
        return parse_span(world.now(), range_=range_, since=since, until=until, default=default, ahead_s=AHEAD_S)
    except TimeError as error:
        raise Problem(422, detail=str(error), type="bad-range") from None


def until_now(world: World, span: Span) -> Span:
    """The span without what is allowed for clocks that are ahead."""
    return Span(span.start, max(span.start + timedelta(seconds=1), min(span.end, world.now())))
