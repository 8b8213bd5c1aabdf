"""Violations, logs, forecasts, flagged values and lifecycle of an agent, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from infra.web.problem import Problem
from infra.web.rules import needs
from sinks.api.models import answers
from sinks.api.pages import DEFAULT_LIMIT, decode_cursor, encode_cursor, next_link
from sinks.api.past.agent_models import AnomalyPage, LifecyclePage
from sinks.api.past.models import ForecastPage, LogPage, ViolationPage
from sinks.api.past.newest import Asked, newest, parse_after
from sinks.api.past.shown import shown_row
from sinks.api.routes.common import AgentAsked, AgentId, Cursor, Limit, Range, Since, Until, agent_asked, span_asked

router = APIRouter(tags=["history"])

Severity = Literal["low", "medium", "high", "critical"]
Level = Literal["debug", "info", "warn", "error", "critical"]
_COMMON = ("agent_id", "user_id", "deployment_id")
VIOLATION = (
    *_COMMON, "type", "policy_id", "policy_name", "severity", "description", "action", "context",
    "remediation_suggested", "run_id",
)  # fmt: skip
LOG = (*_COMMON, "level", "category", "source", "message", "metadata", "run_id")
FORECAST = (
    *_COMMON, "metric", "kind", "horizon_s", "threshold", "probability", "value", "expected_at", "p_walk", "p_trend",
    "p_exceed", "slope_per_hour",
)  # fmt: skip
ANOMALY = (
    *_COMMON, "metric", "value", "expected", "lower", "upper", "score", "threshold", "term_fast", "term_medium",
    "term_slow", "term_record", "term_record_smooth", "confidence",
)  # fmt: skip
LIFECYCLE = (
    *_COMMON, "kind", "run_id", "thread_id", "tool", "tool_call_id", "deadline_s", "latency_ms", "status",
    "claimed_health",
)  # fmt: skip


@router.get(
    "/api/agents/{agent_id:path}/violations",
    dependencies=[needs("viewer")],
    response_model=None,
    responses=answers(ViolationPage),
)
async def violations(
    request: Request,
    response: Response,
    agent_id: AgentId,
    severity: Annotated[list[Severity] | None, Query(description="only these; may be repeated")] = None,
    policy: Annotated[str | None, Query(max_length=500, description="only of this policy_id")] = None,
    range_: Range = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Violations of an agent; of the last 30 days unless a range is given."""
    agent = agent_asked(request, agent_id)
    equal = _given(severity=severity, policy_id=None if policy is None else [policy])
    asked = Asked("violations", VIOLATION, span_asked(agent.world, range_, since, until, "30d"), agent_id, equal)
    return await _page(request, response, agent, asked, cursor, limit, "context")


@router.get(
    "/api/agents/{agent_id:path}/logs",
    dependencies=[needs("viewer")],
    response_model=None,
    responses=answers(LogPage),
)
async def logs(
    request: Request,
    response: Response,
    agent_id: AgentId,
    level: Annotated[list[Level] | None, Query(description="only these; may be repeated")] = None,
    q: Annotated[str | None, Query(max_length=200, description="part of the message, in any case")] = None,
    range_: Range = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Log lines of an agent; of the last 24 hours unless a range is given."""
    agent = agent_asked(request, agent_id)
    contains = None if q is None else {"message": q}
    span = span_asked(agent.world, range_, since, until, "24h")
    asked = Asked("logs", LOG, span, agent_id, _given(level=level), contains)
    return await _page(request, response, agent, asked, cursor, limit, "metadata")


@router.get(
    "/api/agents/{agent_id:path}/forecasts",
    dependencies=[needs("viewer")],
    response_model=None,
    responses=answers(ForecastPage),
)
async def forecasts(
    request: Request,
    response: Response,
    agent_id: AgentId,
    metric: Annotated[str | None, Query(max_length=200)] = None,
    range_: Range = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Predicted crossings of thresholds; of the last 24 hours unless a range is given."""
    agent = agent_asked(request, agent_id)
    span = span_asked(agent.world, range_, since, until, "24h")
    asked = Asked("forecasts", FORECAST, span, agent_id, _given(metric=None if metric is None else [metric]))
    return await _page(request, response, agent, asked, cursor, limit)


@router.get(
    "/api/agents/{agent_id:path}/anomalies",
    dependencies=[needs("viewer")],
    response_model=None,
    responses=answers(AnomalyPage),
)
async def anomalies(
    request: Request,
    response: Response,
    agent_id: AgentId,
    metric: Annotated[str | None, Query(max_length=500, description="only of this metric; custom:NAME")] = None,
    range_: Range = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Flagged values with what was expected and why; of the last 24 hours unless a range is given."""
    agent = agent_asked(request, agent_id)
    span = span_asked(agent.world, range_, since, until, "24h")
    asked = Asked("anomalies", ANOMALY, span, agent_id, _given(metric=None if metric is None else [metric]))
    return await _page(request, response, agent, asked, cursor, limit)


@router.get(
    "/api/agents/{agent_id:path}/lifecycle",
    dependencies=[needs("viewer")],
    response_model=None,
    responses=answers(LifecyclePage),
)
async def lifecycle(
    request: Request,
    response: Response,
    agent_id: AgentId,
    run: Annotated[str | None, Query(max_length=500, description="only of this run")] = None,
    range_: Range = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Steps of the agent's turns: started, tools, completed; of the last 24 hours unless a range is given."""
    agent = agent_asked(request, agent_id)
    span = span_asked(agent.world, range_, since, until, "24h")
    asked = Asked("lifecycle", LIFECYCLE, span, agent_id, _given(run_id=None if run is None else [run]))
    return await _page(request, response, agent, asked, cursor, limit)


def _given(**values: Sequence[str] | None) -> dict[str, Sequence[str]]:
    return {name: value for name, value in values.items() if value is not None}


async def _page(
    request: Request,
    response: Response,
    agent: AgentAsked,
    asked: Asked,
    cursor: str | None,
    limit: int,
    *named: str,
) -> dict[str, Any]:
    try:
        after = parse_after(decode_cursor(cursor, (int, str)))
    except ValueError:
        raise Problem(400, detail="the cursor is of another kind: begin without one", type="bad-cursor") from None
    page = await newest(agent.past, agent.scope, asked, after, limit)
    agent.found(page.rows)
    last = page.last
    following = None if last is None else encode_cursor([last.timestamp_us, last.event_id])
    items = [shown_row(row, named) for row in page.rows]
    return {"items": items, "next": next_link(request, response, following)}
