"""The pipeline and its dead letters: of the whole fleet, so nobody of one tenant sees them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from infra.access.trail import write_down
from infra.web.problem import Problem
from infra.web.rules import needs
from sinks.api.kept import Kept
from sinks.api.models import answers
from sinks.api.noting import asked, note
from sinks.api.once import ONCE
from sinks.api.pages import decode_cursor, encode_cursor, next_link
from sinks.api.past.newest import Asked, newest, parse_after
from sinks.api.pipeline.letters import COLUMNS, WHOLE, Judged, judge, letter_of, told
from sinks.api.pipeline.models import MOST_REPLAYED, LetterPage, Pipeline, ReplayDone, ReplayOrder
from sinks.api.pipeline.parts import OWN, Numbers, parts, read_numbers
from sinks.api.pipeline.replay import Replayer
from sinks.api.pipeline.told import flow_told, read_reasons
from sinks.api.routes.common import Cursor, Range, Since, Until, span_asked
from sinks.api.times import Span, iso
from sinks.api.whole import require_whole_fleet
from sinks.api.world import World, whole_memory

KEPT_S, BESIDE_S = 4.0, 30.0
_NUMBERS_WITHIN, _REASONS_WITHIN = timedelta(minutes=15), timedelta(days=14)
_AHEAD = timedelta(minutes=5)
_MAX_BODY_BYTES = 64 * 1024
_MOST_NOTED = 6_000
"""Characters of the letters' names in the audit trail."""
OptionalName = Annotated[str | None, Query(max_length=200)]
LetterLimit = Annotated[int, Query(ge=1, le=MOST_REPLAYED, description="items of a page")]


@dataclass(frozen=True, slots=True)
class Counted:
    """Numbers of the parts and dead letters by reason, as the lake had them at a time."""

    at: datetime
    numbers: Numbers
    reasons: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class LakeSide:
    """What the lake knows of the pipeline, kept for `KEPT_S`, and then made anew beside who asks."""

    world: World
    kept: Kept[None, Counted]

    async def read(self) -> Counted:
        """What is known now. Raises what `LakePool.ask` raises."""
        return await self.kept.of(None, self._read)

    async def _read(self) -> Counted:
        now, past = self.world.now(), self.world.past
        near, long = Span(now - _NUMBERS_WITHIN, now + _AHEAD), Span(now - _REASONS_WITHIN, now + _AHEAD)
        nothing: Numbers = {}
        none: list[dict[str, Any]] = []
        numbers, reasons = await asyncio.gather(
            past.ask(read_numbers(near), scope=OWN, tables=("metrics",), span=near, empty=nothing),
            past.ask(read_reasons(long), scope=WHOLE, tables=("deadletter",), span=long, empty=none),
        )
        return Counted(now, numbers, reasons)


def pipeline_router(world: World) -> APIRouter:
    """The routes over a world."""
    router = APIRouter(tags=["pipeline"], dependencies=[ONCE])
    replayer = Replayer(world)
    _pipeline(router, LakeSide(world, Kept(world.clock, KEPT_S, BESIDE_S)))
    _letters(router, world, replayer)
    _replay(router, world, replayer)
    return router


def _pipeline(router: APIRouter, lake: LakeSide) -> None:
    @router.get("/api/pipeline", dependencies=[needs("operator")], response_model=None, responses=answers(Pipeline))
    async def pipeline(request: Request) -> dict[str, Any]:
        """Lag of consumer groups, rates of topics, the health of our own processes, dead letters by reason."""
        require_whole_fleet(request)
        memory = whole_memory(request)
        _, counted = await asyncio.gather(lake.world.pipeline.look(), lake.read())
        beside = {"dead_letters": counted.reasons, "counted_at": iso(counted.at)}
        return flow_told(lake.world.pipeline) | {"parts": parts(memory, counted.numbers)} | beside


def _letters(router: APIRouter, world: World, replayer: Replayer) -> None:
    @router.get("/api/deadletters", dependencies=[needs("admin")], response_model=None, responses=answers(LetterPage))
    async def letters(
        request: Request,
        response: Response,
        topic: OptionalName = None,
        error: OptionalName = None,
        range_: Range = None,
        since: Since = None,
        until: Until = None,
        cursor: Cursor = None,
        limit: LetterLimit = 50,
    ) -> dict[str, Any]:
        """Messages that could not be accepted, and what a replay would do with each now; of the last 14 days."""
        require_whole_fleet(request)
        span = span_asked(world, range_, since, until, "14d")
        equal = {name: [value] for name, value in (("topic", topic), ("error", error)) if value is not None}
        wanted = Asked("deadletter", COLUMNS, span, None, equal)
        page = await newest(world.past, WHOLE, wanted, _after(cursor), limit)
        last = None if page.last is None else encode_cursor([page.last.timestamp_us, page.last.event_id])
        found = [letter_of(row) for row in page.rows]
        judged = {each.letter.name: each for each in await replayer.known(await judge(world.past, found, world.now()))}
        items = [told(judged[each.name]) | {"timestamp": iso(each.at)} for each in found]
        return {"items": items, "next": next_link(request, response, last)}


def _after(cursor: str | None) -> Any:  # noqa: ANN401  # of `newest`, whose place it is
    try:
        return parse_after(decode_cursor(cursor, (int, str)))
    except ValueError:
        raise Problem(400, detail="the cursor is none that a page of this kind gave", type="bad-cursor") from None


def _replay(router: APIRouter, world: World, replayer: Replayer) -> None:
    @router.post(
        "/api/deadletters/replay",
        dependencies=[needs("admin", max_body_bytes=_MAX_BODY_BYTES)],
        response_model=None,
        responses=answers(ReplayDone),
    )
    async def replay(request: Request, order: ReplayOrder) -> dict[str, Any]:
        """Publish dead letters once more to the topics that they came from. What stands in the lake already is left."""
        require_whole_fleet(request)

        async def tell(chosen: Sequence[Judged]) -> None:
            event = asked(request, "deadletters.replay", None, _named(chosen))
            await write_down(world.bootstrap, f"fleetpulse:api:{socket.gethostname()}", [event], world.clock)

        try:
            done = await replayer.carry_out(order.letters, dry_run=order.dry_run, tell=tell)
        except Problem as problem:
            note(world.audit, request, "deadletters.replay", problem.status, problem.detail)
            raise
        count = sum(each.outcome == "replayed" for each in done)
        if not order.dry_run:
            note(world.audit, request, "deadletters.replay", 200, {"asked": len(order.letters), "replayed": count})
        return {"dry_run": order.dry_run, "replayed": count, "letters": [_outcome(each) for each in done]}


def _named(chosen: Sequence[Judged]) -> str:
    return " ".join(each.letter.name for each in chosen)[:_MOST_NOTED]


def _outcome(judged: Judged) -> dict[str, Any]:
    found = told(judged)
    return {name: found[name] for name in ("letter", "outcome", "why", "agent_id", "user_id")}
