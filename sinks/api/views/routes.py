"""/api/views: saved views of the caller, and those that others of their tenant share."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any
from uuid import uuid4

from aiokafka.errors import KafkaError
from fastapi import APIRouter, Path, Query, Request

from infra.access import Principal
from infra.runtime.errors import FleetpulseError
from infra.web.call import principal
from infra.web.problem import Problem, not_found, unavailable
from infra.web.rules import needs
from sinks.api.models import answers
from sinks.api.noting import note
from sinks.api.once import ONCE
from sinks.api.times import iso
from sinks.api.views.models import Kind, View, ViewsTold, ViewTold, ViewWanted
from sinks.api.views.shelf import FullError, Shelf
from sinks.api.world import World, world_of

router = APIRouter(tags=["views"], dependencies=[ONCE])
_MAX_BODY_BYTES = 64 * 1024
_MOST_ROTATIONS = 100
ViewId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", examples=["0e1f3c5a7b9d4e2f8a6c1b3d5f7e9a0c"])]


@router.get("/api/views", dependencies=[needs("viewer")], response_model=None, responses=answers(ViewsTold))
async def views(
    request: Request, kind: Annotated[Kind | None, Query(description="only these")] = None
) -> dict[str, Any]:
    """Your own saved views, and those that others of your tenant share; by name."""
    shelf, who, owners = _asked(request)
    found = [view for view in shelf.seen(who.tenant, owners) if kind is None or view.kind == kind]
    return {"items": [_told(view, owners) for view in found]}


@router.post(
    "/api/views",
    status_code=201,
    dependencies=[needs("viewer", max_body_bytes=_MAX_BODY_BYTES)],
    response_model=None,
    responses={201: {"model": ViewTold}},
)
async def create(request: Request, wanted: ViewWanted) -> dict[str, Any]:
    """Keep a view."""
    shelf, who, owners = _asked(request)
    now = world_of(request).now()
    view = View(
        id=uuid4().hex, tenant=who.tenant, owner=who.id, owner_name=who.name, created=now, changed=now,
        **wanted.model_dump(),
    )  # fmt: skip
    await _written(shelf.put(view))
    _note(request, "views.create", view)
    return _told(view, owners)


@router.put(
    "/api/views/{view_id}",
    dependencies=[needs("viewer", max_body_bytes=_MAX_BODY_BYTES)],
    response_model=None,
    responses=answers(ViewTold),
)
async def change(request: Request, view_id: ViewId, wanted: ViewWanted) -> dict[str, Any]:
    """Change a view of your own."""
    shelf, who, owners = _asked(request)
    found = _found(shelf, view_id, who, owners)
    if found.owner not in owners:
        raise Problem(403, detail="only who made a view changes it: save it under your own name", type="not-own")
    view = found.with_content(wanted, world_of(request).now())
    await _written(shelf.put(view))
    _note(request, "views.change", view)
    return _told(view, owners)


@router.delete("/api/views/{view_id}", status_code=204, dependencies=[needs("viewer")], response_model=None)
async def delete(request: Request, view_id: ViewId) -> None:
    """Keep a view no longer: your own; an admin also what others share."""
    shelf, who, owners = _asked(request)
    view = _found(shelf, view_id, who, owners)
    if view.owner not in owners and not who.may("admin"):
        raise Problem(403, detail="only who made a view deletes it, or an admin", type="not-own")
    await _written(shelf.remove(view_id))
    _note(request, "views.delete", view)


def _asked(request: Request) -> tuple[Shelf, Principal, frozenset[str]]:
    """The shelf, who asks, and every name that they have had. Raises `Problem` 503 while the shelf is not read."""
    world, who = world_of(request), principal(request)
    if not world.shelf.ready.is_set():
        raise unavailable("saved views cannot be read yet", retry_after_s=2.0, type="starting")
    return world.shelf, who, owners_of(world, who)


def owners_of(world: World, who: Principal) -> frozenset[str]:
    """The names under which somebody may have saved: a key that took another's place has its views."""
    found = {who.id}
    if world.directory is None or who.via != "key":
        return frozenset(found)
    entry = world.directory.entry(who.id.removeprefix("key:"))
    while entry is not None and not entry.other_secret and entry.record.replaces and len(found) < _MOST_ROTATIONS:
        found.add(f"key:{entry.record.replaces}")
        entry = world.directory.entry(entry.record.replaces)
    return frozenset(found)


def _found(shelf: Shelf, view_id: str, who: Principal, owners: frozenset[str]) -> View:
    view = shelf.one(view_id, who.tenant, owners)
    if view is None:
        raise not_found("there is no such view")
    return view


async def _written(writing: Awaitable[None]) -> None:
    """Raises `Problem` 409 where there is no room, 503 where the broker does not take it."""
    try:
        await writing
    except FullError as error:
        raise Problem(409, detail=str(error), type="full") from error
    except (KafkaError, OSError, TimeoutError, FleetpulseError) as error:
        raise unavailable("the view could not be saved: the broker does not answer", type="broker-away") from error


def _note(request: Request, action: str, view: View) -> None:
    detail = {"id": view.id, "kind": view.kind, "name": view.name, "shared": view.shared}
    note(world_of(request).audit, request, action, 200, detail)


def _told(view: View, owners: frozenset[str]) -> dict[str, Any]:
    return {
        "id": view.id,
        "kind": view.kind,
        "name": view.name,
        "content": view.content,
        "shared": view.shared,
        "own": view.owner in owners,
        "owner": view.owner_name,
        "created": iso(view.created),
        "changed": iso(view.changed),
    }
