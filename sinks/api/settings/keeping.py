"""How long the lake keeps each table, over HTTP: told, tried and decided by admins of the whole fleet."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from infra.access.trail import write_down
from infra.runtime.durations import parse_duration_s
from infra.runtime.errors import FleetpulseError, SettingError
from infra.web.call import principal
from infra.web.problem import Problem, unavailable
from infra.web.rules import needs
from sinks.api.models import answers
from sinks.api.noting import asked, note
from sinks.api.settings.models import KeepOrder, RetentionKept, WouldGo
from sinks.api.settings.stored import retention
from sinks.api.times import at_s, iso
from sinks.api.whole import require_whole_fleet
from sinks.api.world import World
from sinks.lake.keep import Decision, Going, assert_fit, decide, going, keep_s_by_table
from sinks.lake.retention import retention_s_by_table

_MAX_BODY_BYTES = 4 * 1024
_ACTION = "settings.retention"
Table = Annotated[str, Path(pattern=r"^[a-z_]{1,40}$", description="a table of the lake", examples=["metrics"])]
Keep = Annotated[str, Query(max_length=40, description="a duration, or `default`", examples=["30d"])]


def keeping_router(world: World) -> APIRouter:
    """GET and PUT of one table's retention."""
    router = APIRouter()
    one_at_a_time = asyncio.Lock()

    @router.get(
        "/api/settings/retention/{table}",
        dependencies=[needs("admin")],
        response_model=None,
        responses=answers(WouldGo),
    )
    async def would_go(request: Request, table: Table, keep: Keep) -> dict[str, Any]:
        """What the lake would lose if it kept a table for so long. Nothing is changed."""
        require_whole_fleet(request)
        keep_s = _keep_s(table, keep)
        return {"table": table, "keep_s": keep_s, **_told(await _going(world, table, keep_s))}

    @router.put(
        "/api/settings/retention/{table}",
        dependencies=[needs("admin", max_body_bytes=_MAX_BODY_BYTES)],
        response_model=None,
        responses=answers(RetentionKept) | {409: {"description": "somebody else has decided meanwhile"}},
    )
    async def keep(request: Request, table: Table, order: KeepOrder) -> dict[str, Any]:
        """Keep a table for so long from now on; the lake writer follows within half a minute. What goes is gone."""
        require_whole_fleet(request)
        keep_s = _keep_s(table, order.keep)
        decision = None if order.keep == "default" else Decision(keep_s, principal(request).id, world.clock.now_s())
        async with one_at_a_time:
            try:
                was_s = (await asyncio.to_thread(keep_s_by_table, world.lake))[table]
                if was_s != order.was_s:
                    raise Problem(409, detail=f"it is kept for {was_s} s meanwhile: look again", type="changed")
                goes = await _going(world, table, keep_s)
                detail = {"table": table, "keep_s": keep_s, "was_s": was_s, **_told(goes)}
                event = asked(request, _ACTION, None, detail)
                await write_down(world.bootstrap, f"fleetpulse:api:{socket.gethostname()}", [event], world.clock)
                await asyncio.to_thread(decide, world.lake, table, decision)
            except (FleetpulseError, OSError) as error:
                note(world.audit, request, _ACTION, 503, str(error))
                raise unavailable(f"retention cannot be changed at the moment: {error}", type="lake-away") from error
            found = await asyncio.to_thread(retention, None, world.lake)
        return {"retention": next(each for each in found if each["table"] == table), **_told(goes)}

    return router


async def _going(world: World, table: str, keep_s: int) -> Going:
    try:
        return await asyncio.to_thread(going, world.lake, table, keep_s, world.clock.now_s())
    except OSError as error:
        raise unavailable("the lake cannot be read at the moment", type="lake-away") from error


def _told(goes: Going) -> dict[str, Any]:
    found = asdict(goes)
    first_s, last_s = found.pop("from_s"), found.pop("to_s")
    return {**found, "from": _moment(first_s), "to": _moment(last_s)}


def _moment(found_s: int | None) -> str | None:
    return None if found_s is None else iso(at_s(found_s))


def _keep_s(table: str, text: str) -> int:
    """Raises `Problem` 422 for what no table is to be kept for, or for no table."""
    default_s = retention_s_by_table().get(table)
    try:
        keep_s = default_s if text == "default" and default_s is not None else int(parse_duration_s(text, "keep"))
        assert_fit(table, keep_s, "keep")
    except SettingError as error:
        text = f"{error.problem}. {error.way_out}".rstrip(". ")
        finding = {"field": "keep", "message": text}
        raise Problem(422, detail=text, type="invalid", errors=[finding]) from error
    return keep_s
