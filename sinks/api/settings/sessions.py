"""Sessions of browsers: everybody sees and ends their own, admins those of their tenant or of the whole fleet."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from infra.access.session import Session
from infra.access.session_book import Begun
from infra.web.call import call_of, principal
from infra.web.problem import not_found
from infra.web.rules import needs
from infra.web.sign_in import iso
from sinks.api.models import answers
from sinks.api.noting import note
from sinks.api.settings.models import SessionList
from sinks.api.world import World

_MOST_TOLD = 1_000
SessionId = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$", description="of a session", examples=["0" * 24])]


def sessions_router(world: World) -> APIRouter:
    """GET /api/sessions, DELETE of one."""
    router = APIRouter()

    @router.get("/api/sessions", dependencies=[needs("viewer")], response_model=None, responses=answers(SessionList))
    async def sessions(request: Request) -> dict[str, Any]:
        """Who is signed in, the newest first: oneself, and for admins everybody whom they may see."""
        found = _seen(world, request)
        items = [_line(each, request) for each in found[:_MOST_TOLD]]
        return {"items": items, "total": len(found)}

    @router.delete("/api/sessions/{session_id}", dependencies=[needs("viewer")], status_code=204)
    async def end(request: Request, session_id: SessionId) -> Response:
        """End a session now: every API of the fleet refuses it within a second."""
        chosen = next((each for each in _seen(world, request) if each.id == session_id), None)
        if chosen is None:
            raise not_found("there is no such session")
        who = principal(request)
        world.sign_in.sessions.end(Session(chosen.id, who, chosen.until_s), world.clock.now_s())
        note(world.audit, request, "session.end", 204, {"session": chosen.id, "who": chosen.who, "name": chosen.name})
        return Response(status_code=204)

    return router


def _seen(world: World, request: Request) -> list[Begun]:
    who = principal(request)
    live = world.sign_in.sessions.live(world.clock.now_s())
    if not who.may("admin"):
        return [each for each in live if each.who == who.id]
    return [each for each in live if who.tenant is None or each.tenant == who.tenant]


def _line(begun: Begun, request: Request) -> dict[str, Any]:
    session = call_of(request).session
    return {
        "id": begun.id,
        "who": begun.who,
        "name": begun.name,
        "role": begun.role,
        "tenant": begun.tenant,
        "address": begun.address,
        "began": iso(begun.began_s),
        "ends": iso(begun.until_s),
        "own": begun.who == principal(request).id,
        "current": session is not None and session.id == begun.id,
    }
