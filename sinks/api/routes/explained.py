"""What explains the present of an agent out of its past: status, scores, and what it measures."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from infra.web.rules import needs
from sinks.api.models import answers
from sinks.api.past.agent_models import MetricNames, Timeline, TrustHistory
from sinks.api.past.measured import MEASURED_TABLES, Measured, read_measured
from sinks.api.past.metrics import MAX_POINTS, bucket_s
from sinks.api.past.scores import Row, read_scores
from sinks.api.past.shown import shown, shown_row
from sinks.api.past.timeline import MOST_CHANGES, Change, StatusSpan, read_changes, seconds_of, spans_of, with_now
from sinks.api.routes.common import AgentAsked, AgentId, Range, Since, Until, agent_asked, span_asked, until_now
from sinks.api.scope import Scope
from sinks.api.times import Span, iso

router = APIRouter(tags=["history"])


@router.get(
    "/api/agents/{agent_id:path}/timeline",
    dependencies=[needs("viewer")],
    response_model=None,
    responses=answers(Timeline),
)
async def timeline(
    request: Request, agent_id: AgentId, range_: Range = None, since: Since = None, until: Until = None
) -> dict[str, Any]:
    """What status the agent had when; of the last 24 hours unless a range is given."""
    agent = agent_asked(request, agent_id)
    span = span_asked(agent.world, range_, since, until, "24h")
    told = until_now(agent.world, span)
    looked_at = Span(told.start, max(told.end, agent.world.now()))
    found: list[Change] = await agent.past.ask(
        read_changes(told), scope=_of_one(agent), tables=("status",), span=looked_at, agent=agent_id
    )
    agent.found(found)
    cut = sum(each.at < told.end for each in found) > MOST_CHANGES
    if cut:
        found = found[1:]
        told = Span(found[0].at, told.end)
    spans = spans_of(with_now(found, _newest(agent)), told)
    return {
        "agent_id": agent_id,
        "from": iso(told.start),
        "to": iso(told.end),
        "spans": [_span(each) for each in spans],
        "seconds": seconds_of(spans),
        "changes": sum(each.reason is not None for each in spans),
        "cut": cut,
    }


@router.get(
    "/api/agents/{agent_id:path}/metric-names",
    dependencies=[needs("viewer")],
    response_model=None,
    responses=answers(MetricNames),
)
async def metric_names(
    request: Request, agent_id: AgentId, range_: Range = None, since: Since = None, until: Until = None
) -> dict[str, Any]:
    """What the agent measures, with its latest values; of the last 24 hours unless a range is given."""
    agent = agent_asked(request, agent_id)
    span = span_asked(agent.world, range_, since, until, "24h")
    found: list[Measured] = await agent.past.ask(
        read_measured(span), scope=agent.scope, tables=MEASURED_TABLES, span=span, agent=agent_id
    )
    agent.found(found)
    told = until_now(agent.world, span)
    metrics = [shown_row(asdict(each)) for each in found]
    return {"agent_id": agent_id, "from": iso(told.start), "to": iso(told.end), "metrics": metrics}


@router.get(
    "/api/agents/{agent_id:path}/trust-history",
    dependencies=[needs("viewer")],
    response_model=None,
    responses=answers(TrustHistory),
)
async def trust_history(
    request: Request,
    agent_id: AgentId,
    range_: Range = None,
    since: Since = None,
    until: Until = None,
    points: Annotated[int, Query(ge=1, le=MAX_POINTS, description="scores at most")] = 240,
) -> dict[str, Any]:
    """Score, bound and factors over time; of the last 7 days unless a range is given."""
    agent = agent_asked(request, agent_id)
    span = span_asked(agent.world, range_, since, until, "7d")
    told = until_now(agent.world, span)
    question = read_scores(span, bucket_s(told, points))
    found: list[Row] = await agent.past.ask(
        question, scope=_of_one(agent), tables=("trust",), span=span, agent=agent_id
    )
    agent.found(found)
    return {"agent_id": agent_id, "from": iso(told.start), "to": iso(told.end), "points": shown(found)}


def _of_one(agent: AgentAsked) -> Scope:
    """The scope of the one agent that memory shows under this name: a key of the whole fleet may see several."""
    memory = agent.world.memory
    slot = memory.find(agent.scope, agent.agent_id)
    return agent.scope if slot is None else agent.scope.narrowed(memory.users[slot]) or agent.scope


def _newest(agent: AgentAsked) -> Change | None:
    """The newest change of status that memory knows; None: no heartbeat ever came."""
    memory = agent.world.memory
    slot = memory.find(agent.scope, agent.agent_id)
    if slot is None or not (word := memory.status["status"][slot]):
        return None
    at = datetime.fromtimestamp(int(memory.status["timestamp"][slot]) / 1e6, UTC)
    return Change(at, word, memory.status["previous"][slot] or "", memory.status["reason"][slot] or "")


def _span(span: StatusSpan) -> dict[str, Any]:
    return {"from": iso(span.start), "to": iso(span.end), "status": span.status, "reason": span.reason}
