"""Runs of agents, with their steps and failures."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from infra.web.problem import not_found
from infra.web.rules import needs
from sinks.api.models import answers
from sinks.api.pages import DEFAULT_LIMIT, decode_cursor, encode_cursor, next_link
from sinks.api.past.models import RunDetail, RunPage
from sinks.api.past.runs import After, Row, after_of, read_run, read_runs
from sinks.api.past.shown import shown_row
from sinks.api.routes.common import AHEAD_S, Cursor, Limit, Range, Since, Until, span_asked
from sinks.api.times import Span
from sinks.api.world import scope_in, world_of

router = APIRouter(tags=["runs"])

RunStatus = Literal["success", "failure", "cancelled", "running"]
_LOOK_BACK_DAYS = (1, 8, 92)
"""A run is looked for in the newest hours first; the last is as long as the lake keeps runs."""
_STEP = (
    "step_id", "agent_id", "name", "status", "started_at", "ended_at", "latency_ms", "step_index", "retries",
    "attributes",
)  # fmt: skip
_FAILURE = ("agent_id", "step_id", "failure_type", "failure_code", "message", "attributes")


@router.get("/v1/runs", dependencies=[needs("viewer")], response_model=None, responses=answers(RunPage))
async def runs(
    request: Request,
    response: Response,
    agent: Annotated[str | None, Query(min_length=1, max_length=500, description="only of this agent")] = None,
    status: Annotated[RunStatus | None, Query()] = None,
    range_: Range = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Runs, the newest first; of the last 24 hours unless a range is given."""
    world = world_of(request)
    span = span_asked(world, range_, since, until, "24h")
    values = decode_cursor(cursor, (int, str, str))
    question = read_runs(span, status, None if values is None else After(*values), limit + 1)
    found = await world.past.ask(question, scope=scope_in(request, agent), tables=("runs",), span=span, agent=agent)
    following = None
    if len(found) > limit:
        last = after_of(found[limit - 1])
        following = encode_cursor([last.started_us, last.run_id, last.user_id])
    items = [shown_row(run) for run in found[:limit]]
    return {"items": items, "next": next_link(request, response, following)}


@router.get("/v1/runs/{run_id:path}", dependencies=[needs("viewer")], response_model=None, responses=answers(RunDetail))
async def run(request: Request, run_id: Annotated[str, Path(min_length=1, max_length=500)]) -> dict[str, Any]:
    """One run with its steps and failures."""
    world, scope = world_of(request), scope_in(request)
    now = world.now()
    for days in _LOOK_BACK_DAYS if "\0" not in run_id else ():
        span = Span(now - timedelta(days=days), now + timedelta(seconds=AHEAD_S))
        found = await world.past.ask(read_run(span, run_id), scope=scope, tables=("runs",), span=span)
        # A run that lies across the begin of what was looked at is looked at once more, whole.
        if found is not None and (days == _LOOK_BACK_DAYS[-1] or any(e["kind"] == "run_started" for e in found[1])):
            return _detail(*found)
    raise not_found("there is no such run")


def _detail(found: Row, events: list[Row]) -> dict[str, Any]:
    of_kind: dict[str, list[Row]] = {"step": [], "failure": [], "run_started": [], "run_finished": []}
    for event in events:
        of_kind.setdefault(event["kind"], []).append(event)
    attributes: dict[str, Any] = {}
    for event in (*of_kind["run_started"], *of_kind["run_finished"]):
        attributes |= shown_row({"attributes": event["attributes"]}, ("attributes",))["attributes"]
    return {
        "run": shown_row(found),
        "steps": [_chosen(event, _STEP) for event in of_kind["step"]],
        "failures": [_chosen(e | {"at": e["timestamp"]}, ("at", *_FAILURE)) for e in of_kind["failure"]],
        "attributes": attributes,
    }


def _chosen(event: Row, names: tuple[str, ...]) -> dict[str, Any]:
    return shown_row({name: event[name] for name in names}, ("attributes",))
