"""Metrics of an agent over time."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from infra.web.problem import Problem
from infra.web.rules import needs
from schemas.catalogue import METRICS
from sinks.api.models import answers
from sinks.api.past.metrics import MAX_METRICS, MAX_POINTS, Series, bucket_s, read_banded, read_buckets, with_lead
from sinks.api.past.models import Metrics
from sinks.api.past.shown import shown
from sinks.api.routes.common import AgentId, Range, Since, Until, agent_asked, span_asked, until_now
from sinks.api.times import iso

router = APIRouter(tags=["history"])


@router.get(
    "/api/agents/{agent_id:path}/metrics",
    dependencies=[needs("viewer")],
    response_model=None,
    responses=answers(Metrics),
)
async def metrics(
    request: Request,
    agent_id: AgentId,
    range_: Range = None,
    since: Since = None,
    until: Until = None,
    names: Annotated[
        str | None,
        Query(alias="metrics", max_length=4_000, description="with commas between; also names of custom metrics"),
    ] = None,
    points: Annotated[int, Query(ge=1, le=MAX_POINTS, description="buckets at most")] = 240,
    bands: Annotated[bool, Query(description="also what the values before each bucket let one expect there")] = False,
) -> dict[str, Any]:
    """Mean, least and greatest of every metric by bucket; of the last 24 hours unless a range is given."""
    agent = agent_asked(request, agent_id)
    chosen = _chosen(names)
    span = span_asked(agent.world, range_, since, until, "24h")
    told = until_now(agent.world, span)
    width_s = bucket_s(told, points)
    question, read = (read_banded, with_lead(span)) if bands else (read_buckets, span)
    found = await agent.past.ask(
        question(span, width_s, chosen), scope=agent.scope, tables=("metrics",), span=read, agent=agent_id
    )
    agent.found(found.at)
    series = {name: _series(values) for name, values in found.series.items()}
    body = {"bucket_s": width_s, "at": shown(found.at), "reports": found.reports, "series": series}
    return {"agent_id": agent_id, "from": iso(told.start), "to": iso(told.end), **body}


def _series(values: Series) -> dict[str, Any]:
    return {name: shown(each) for name, each in asdict(values).items() if each is not None}


def _chosen(names: str | None) -> list[str]:
    if names is None:
        return list(METRICS)
    chosen = list(dict.fromkeys(filter(None, (name.strip() for name in names.split(",")))))
    if not chosen or len(chosen) > MAX_METRICS or "\0" in names:
        raise Problem(422, detail=f"metrics names between 1 and {MAX_METRICS} metrics", type="bad-metrics")
    return chosen
