"""Routes of rules: what is in force, whether a text could be, and what it would have raised."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from infra.access import AuditTrail, Principal, Session
from infra.web.call import call_of, principal
from infra.web.problem import Problem, unavailable
from infra.web.rules import needs
from sinks.api.alerts.models import MAX_YAML_CHARS
from sinks.api.noting import note
from sinks.api.once import ONCE
from sinks.api.rules.book import RulesBook, rules_for, sees_all
from sinks.api.rules.check import bad_rules, check_text, mistakes
from sinks.api.rules.models import CheckAnswer, PreviewGiven, RulesAnswer, TextGiven
from sinks.api.rules.places import CheckPlaces
from sinks.api.rules.preview import Asked, oldest, preview
from sinks.api.rules.stream import JsonLines
from sinks.api.world import scope_in

_MAX_BODY_BYTES = 4 * MAX_YAML_CHARS + 4_096
StillValid = Callable[[Principal, Session | None], bool]
"""Whether who was let in a while ago still would be."""
_LINES = """{"event":"started","hours":24,"step_s":5}
{"event":"progress","share":0.5,"rows":120000,"alerts":3,"seconds":1.2,"left_s":1.2,"at":"2026-11-21T19:00:00.000Z"}
{"event":"done","result":{"rows":240000,"rules":{"cpu_high":{"would_fire":5,"matched":4,"only_now":1,"only_then":0}}}}
"""


def rules_router(book: RulesBook, lake: Path, audit: AuditTrail, still_valid: StillValid) -> APIRouter:
    """Routes over the rules in force and the folder of a lake."""
    router = APIRouter(tags=["rules"], dependencies=[ONCE])
    _reading(router, book, lake)
    _checking(router)
    _trying(router, lake, audit, still_valid)
    return router


def _reading(router: APIRouter, book: RulesBook, lake: Path) -> None:
    @router.get(
        "/api/rules", dependencies=[needs("viewer")], response_model=None, responses={200: {"model": RulesAnswer}}
    )
    async def rules_in_force(request: Request) -> dict[str, Any]:
        """The rules, as text and parsed; mistakes of the file where it has any."""
        who, scope, found = principal(request), scope_in(request), await book.read()
        whole = sees_all(scope)
        return {
            "source": "default" if book.file is None else "file",
            "editable": whole and book.file is not None and who.may("admin"),
            "restricted": not whole,
            "version": found.version if whole else None,
            "text": found.text if whole else None,
            "replay_from": await asyncio.to_thread(oldest, lake) if whole else None,
            "valid": found.valid,
            "errors": found.errors if whole else [],
            "rules": rules_for(found.pack, scope),
            "sections": {k: v for k, v in found.pack.items() if k not in {"version", "rules"}} if whole else {},
        }


def _checking(router: APIRouter) -> None:
    places = CheckPlaces()

    @router.post(
        "/api/rules/check",
        dependencies=[needs("operator", max_body_bytes=_MAX_BODY_BYTES)],
        response_model=None,
        responses={200: {"model": CheckAnswer}},
    )
    async def check_rules(request: Request, given: Annotated[TextGiven, Body()]) -> dict[str, Any]:
        """Whether a text could be the rules, with line and column of each mistake. Nothing is changed.

        429 with Retry-After where a tenant has too many checks at once."""
        async with places.place(principal(request).tenant):
            found = await check_text(given.yaml)
        return {"valid": found["valid"], "rules": found.get("rules"), "errors": mistakes(found)}


def _trying(router: APIRouter, lake: Path, audit: AuditTrail, still_valid: StillValid) -> None:
    busy: list[str] = []

    @router.post(
        "/api/rules/preview",
        dependencies=[needs("operator", stream=True, max_body_bytes=_MAX_BODY_BYTES)],
        response_class=Response,
        responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}, "example": _LINES}}}},
    )
    async def preview_rules(request: Request, given: Annotated[PreviewGiven, Body()]) -> Response:
        """What a text would have raised on the last hours, against what was raised: JSON lines `progress`, then `done`
        or `failed`. For operators of the whole fleet; one at a time. Leaving ends it, and so does the end of the
        session or key."""
        who, session = principal(request), call_of(request).session
        _of_the_fleet(who)
        if busy:
            raise unavailable(f"{busy[0]} tries rules already", retry_after_s=10.0, type="busy")
        busy.append(who.name)
        try:
            await _usable(given.yaml)
            note(audit, request, "rules.preview", 200, {"hours": given.hours, "agent": given.agent})
        except BaseException:
            busy.clear()
            raise
        return JsonLines(
            preview(lake, Asked(given.yaml, given.hours, given.agent)), busy.clear, lambda: still_valid(who, session)
        )


async def _usable(text: str) -> None:
    """Raises `Problem` 422 with the mistakes of a text."""
    found = await check_text(text)
    if not found["valid"]:
        raise bad_rules(found, "the rules cannot be used")


def _of_the_fleet(who: Principal) -> None:
    if who.tenant is not None or who.agents:
        raise Problem(403, detail="a replay is of the whole fleet: a tenant's keys do not see that", type="role")
