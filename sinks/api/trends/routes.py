"""GET /api/trends: a measure over time, by groups; GET /api/trends/measures: what there is to ask for."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Query, Request

from infra.web.problem import Problem
from infra.web.rules import needs
from sinks.api.live.facets import FACETS, LABEL, facet, facets_of
from sinks.api.models import answers
from sinks.api.once import ONCE
from sinks.api.past.metrics import bucket_s
from sinks.api.past.shown import shown
from sinks.api.routes.common import Range, Since, Until, span_asked, until_now
from sinks.api.times import Span, iso
from sinks.api.trends.measures import MEASURES, Measure, Stat, measure_of
from sinks.api.trends.models import Measures, Trends
from sinks.api.trends.question import MOST_BUCKETS, Line, Trend, Wanted, bucket_at, read_trend
from sinks.api.trends.rolled import can_be_rolled, read_rolled, whole_buckets
from sinks.api.world import scope_in, world_of
from sinks.lake.naming import HOUR_S

router = APIRouter(tags=["history"], dependencies=[ONCE])
MOST_LINES = 20
_ONE_BUCKET_S = 20_001 * HOUR_S
"""One bucket, or two: longer than any range, of whole hours and of no whole days."""


@router.get("/api/trends/measures", dependencies=[needs("viewer")], response_model=None, responses=answers(Measures))
async def measures(request: Request) -> dict[str, Any]:
    """Everything that has a trend, with what it can be grouped by."""
    world = world_of(request)
    known = facets_of(world.memory, world.memory.visible(scope_in(request)))
    return {"measures": [_told(each, known) for each in MEASURES.values()]}


@router.get("/api/trends", dependencies=[needs("viewer")], response_model=None, responses=answers(Trends))
async def trends(
    request: Request,
    metric: Annotated[str, Query(max_length=300, description="a name of /api/trends/measures, or custom:NAME")],
    by: Annotated[str, Query(max_length=200, description="what to group by; empty: everything together")] = "",
    stat: Annotated[Stat | None, Query(description="the metric's usual one by default")] = None,
    range_: Range = None,
    since: Since = None,
    until: Until = None,
    points: Annotated[int, Query(ge=1, le=MOST_BUCKETS, description="buckets at most")] = 120,
    top: Annotated[int, Query(ge=1, le=MOST_LINES, description="groups with a line of their own")] = 8,
    lowest: Annotated[bool, Query(description="the groups with the lowest values, not the highest")] = False,
    agent: Annotated[str | None, Query(max_length=500, description="only of this agent")] = None,
    deployment: Annotated[str | None, Query(max_length=500, description="only of this deployment")] = None,
    compare: Annotated[bool, Query(description="also the totals of the range before")] = False,
) -> dict[str, Any]:
    """A measure over time, the last 24 hours unless a range is given; the largest groups, and the others together."""
    began_s = time.monotonic()
    world = world_of(request)
    measure = _measure(metric)
    span = until_now(world, span_asked(world, range_, since, until, "24h"))
    wanted = Wanted(
        measure, _stat(measure, stat), span, bucket_s(span, points), by, top, lowest, agent, deployment,
        _groups(request, measure, by),
    )  # fmt: skip
    rolled = can_be_rolled(wanted)
    if rolled:
        wanted = replace(wanted, span=whole_buckets(span, wanted.width_s))
    found, source = await _ask(request, wanted, rolled)
    before = await _before(request, wanted, rolled) if compare else {}
    took_ms = round((time.monotonic() - began_s) * 1000, 1)
    return _shown(wanted, found, before) | {"source": source, "took_ms": took_ms}


def _measure(name: str) -> Measure:
    """Raises `Problem` 422."""
    found = None if "\0" in name else measure_of(name)
    if found is None:
        raise Problem(422, detail="metric names nothing that has a trend: see /api/trends/measures", type="bad-metric")
    return found


def _stat(measure: Measure, asked: Stat | None) -> Stat:
    """Raises `Problem` 422."""
    if asked is not None and asked not in measure.stats:
        raise Problem(422, detail=f"{measure.name} is told as {', '.join(measure.stats)}", type="bad-stat")
    return asked or measure.stats[0]


def _groups(request: Request, measure: Measure, by: str) -> pa.Table | None:
    """The agents of the caller by what memory knows of them; None where the rows tell it. Raises `Problem` 422."""
    if not by or by in measure.by:
        return None
    label = by.startswith(LABEL) and len(by) > len(LABEL) and "\0" not in by
    if not measure.of_agents or not (label or by in FACETS):
        raise Problem(422, detail=f"{measure.name} cannot be grouped by that", type="bad-by")
    memory = world_of(request).memory
    found = facet(memory, by)
    slots = (memory.visible(scope_in(request)) & (found.codes > 0)).nonzero()[0].tolist()
    return pa.table(
        {
            "user_id": pa.array([memory.users[slot] for slot in slots], pa.string()),
            "agent_id": pa.array([memory.agents[slot] for slot in slots], pa.string()),
            "grp": pa.array([found.book.texts[code] for code in found.codes[slots].tolist()], pa.string()),
        }
    )


async def _ask(request: Request, wanted: Wanted, rolled: bool) -> tuple[Trend, str]:
    """The trend, and what it was told from."""
    world, scope = world_of(request), scope_in(request)
    if rolled:
        return await world.past.ask(read_rolled(wanted, world.rollups, scope), scope=scope, tables=(), span=wanted.span)
    found = await world.past.ask(
        read_trend(wanted), scope=scope, tables=(wanted.measure.table,), span=wanted.span, empty=Trend([], None, 0)
    )
    return found, "raw"


async def _before(request: Request, wanted: Wanted, rolled: bool) -> dict[str | None, float | None]:
    """Totals by group of the range of the same length before."""
    length = timedelta(seconds=wanted.span.length_s)
    span = Span(wanted.span.start - length, wanted.span.start)
    span = whole_buckets(span, HOUR_S) if rolled else span
    found, _ = await _ask(request, replace(wanted, span=span, top=10_000, width_s=_ONE_BUCKET_S), rolled)
    return {line.group: line.total for line in found.lines}


def _shown(wanted: Wanted, found: Trend, before: dict[str | None, float | None]) -> dict[str, Any]:
    buckets = found.buckets()
    return {
        "metric": wanted.measure.name,
        "label": wanted.measure.label,
        "unit": wanted.measure.unit,
        "stat": wanted.stat,
        "by": wanted.by,
        "from": iso(wanted.span.start),
        "to": iso(wanted.span.end),
        "bucket_s": wanted.width_s,
        "at": [iso(bucket_at(number, wanted.width_s)) for number in buckets],
        "lines": [_line(line, buckets, before.get(line.group)) for line in found.lines],
        "others": None if found.others is None else _line(found.others, buckets, None),
        "groups": found.groups,
    }


def _line(line: Line, buckets: list[int], previous: float | None) -> dict[str, Any]:
    nothing = (None, None, None, 0)
    values = [line.values.get(number, nothing) for number in buckets]
    columns = {name: [shown(each[place]) for each in values] for place, name in enumerate(("values", "min", "max"))}
    totals = {"total": shown(line.total), "previous": shown(previous), "rows": line.rows}
    return {"group": line.group, **totals, **columns}


def _told(measure: Measure, known: list[str]) -> dict[str, Any]:
    more = [name for name in known if name not in measure.by] if measure.of_agents else []
    return {
        "name": measure.name,
        "label": measure.label,
        "family": measure.family,
        "unit": measure.unit,
        "about": measure.about,
        "stats": list(measure.stats),
        "by": [*measure.by, *more],
        "better": measure.better,
    }
