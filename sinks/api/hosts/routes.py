"""Hosts of a scope: those that its agents run on and those that were probed, as a list and one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request

from infra.web.problem import not_found
from infra.web.rules import needs
from sinks.api.hosts.measured import Measured, read_history, read_newest
from sinks.api.hosts.models import HostDetail, HostPage
from sinks.api.hosts.standing import agents_on, nobody_on, standing
from sinks.api.kept import Kept
from sinks.api.live.words import agent_line
from sinks.api.models import answers
from sinks.api.once import ONCE
from sinks.api.pages import DEFAULT_LIMIT
from sinks.api.past.metrics import bucket_s
from sinks.api.past.shown import shown
from sinks.api.routes.common import Limit, Range, Since, Until, span_asked, until_now
from sinks.api.scope import Scope
from sinks.api.times import Span, iso, iso_us
from sinks.api.world import World, scope_in, whole_memory

KEPT_S = 2.0
MOST_AGENTS, POINTS = 200, 240
_PROBED_WITHIN, _AHEAD = timedelta(hours=1), timedelta(minutes=5)
Sort = Literal["host", "-agents", "-cpu_usage", "-memory_usage", "-disk_usage", "trust"]
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hosts:
    """Every host of a scope, each answer kept for `KEPT_S`."""

    world: World
    kept: Kept[Scope, dict[str, Line]]

    async def of(self, scope: Scope) -> dict[str, Line]:
        """Hosts by name, in the shape of `HostLine`. Raises what `LakePool.ask` raises."""
        return await self.kept.of(scope, lambda: self._read(scope))

    async def _read(self, scope: Scope) -> dict[str, Line]:
        now = self.world.now()
        span = Span(now - _PROBED_WITHIN, now + _AHEAD)
        nothing: dict[str, Measured] = {}
        probed = await self.world.past.ask(read_newest(span), scope=scope, tables=("hosts",), span=span, empty=nothing)
        known = standing(self.world.memory, scope)
        names = known.keys() | probed.keys()
        return {
            name: {"host": name, **known.get(name, nobody_on(None)), "measured": probed.get(name)} for name in names
        }


def hosts_router(world: World) -> APIRouter:
    """The routes over a world."""
    router = APIRouter(tags=["hosts"], dependencies=[ONCE])
    hosts = Hosts(world, Kept(world.clock, KEPT_S))
    _listing(router, hosts)
    _one(router, hosts)
    return router


def _listing(router: APIRouter, hosts: Hosts) -> None:
    @router.get("/api/hosts", dependencies=[needs("viewer")], response_model=None, responses=answers(HostPage))
    async def all_hosts(
        request: Request,
        q: Annotated[str | None, Query(max_length=200, description="part of the name, in any case")] = None,
        sort: Annotated[Sort, Query(description="- in front: the greatest first")] = "host",
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        """Hosts with what was measured last and how the agents on them are."""
        whole_memory(request)
        found = (await hosts.of(scope_in(request))).values()
        fitting = [line for line in found if q is None or q.lower() in line["host"].lower()]
        fitting.sort(key=lambda line: (_SORTS[sort](line), line["host"]))
        as_of = iso_us(hosts.world.follower.as_of_us)
        return {"items": fitting[offset : offset + limit], "total": len(fitting), "as_of": as_of}


def _one(router: APIRouter, hosts: Hosts) -> None:
    @router.get(
        "/api/hosts/{host:path}", dependencies=[needs("viewer")], response_model=None, responses=answers(HostDetail)
    )
    async def one_host(
        request: Request,
        host: Annotated[str, Path(min_length=1, max_length=500, description="its name", examples=["web-1"])],
        range_: Range = None,
        since: Since = None,
        until: Until = None,
    ) -> dict[str, Any]:
        """A host: its latest, its agents, and what was measured in the last 6 hours unless a range is given."""
        memory, world, scope = whole_memory(request), hosts.world, scope_in(request)
        if "\0" in host:
            raise not_found("there is no such host")
        told = until_now(world, span_asked(world, range_, since, until, "6h"))
        history = await _history(world, scope, host, told)
        line = (await hosts.of(scope)).get(host)
        if line is None and not history["at"]:
            raise not_found("there is no such host")
        on_it = [agent_line(memory, slot) for slot in agents_on(memory, scope, host)[:MOST_AGENTS]]
        latest = line or {"host": host, **nobody_on(None), "measured": None}
        about = {"from": iso(told.start), "to": iso(told.end), "as_of": iso_us(world.follower.as_of_us)}
        return latest | {"on_it": on_it, "history": history} | about


async def _history(world: World, scope: Scope, host: str, span: Span) -> dict[str, Any]:
    width_s = bucket_s(span, POINTS)
    found = await world.past.ask(read_history(span, host, width_s), scope=scope, tables=("hosts",), span=span)
    return {"bucket_s": width_s, "at": [iso(at) for at in found.at], "series": shown(found.series)}


def _measured(name: str) -> Callable[[Line], float]:
    """The greatest first, hosts without the number last."""
    return lambda line: -((line["measured"] or {}).get(name) or -1.0)


_SORTS: Mapping[str, Callable[[Line], float]] = MappingProxyType(
    {
        "host": lambda _: 0.0,
        "-agents": lambda line: -line["agents"],
        "trust": lambda line: 2.0 if line["trust_lowest"] is None else line["trust_lowest"],
        **{f"-{name}": _measured(name) for name in ("cpu_usage", "memory_usage", "disk_usage")},
    }
)
