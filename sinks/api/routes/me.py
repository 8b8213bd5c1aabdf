"""Who asks, and what they may: by this the pages leave out what would be refused."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from infra.access import KeyDirectory, Principal, Role
from infra.web.call import call_of
from infra.web.rules import needs
from infra.web.sign_in import iso
from sinks.api.models import Answer, answers
from sinks.api.world import world_of

router = APIRouter(tags=["session"])


class May(Answer):
    """What the role allows besides reading."""

    operate: bool = Field(description="acknowledge, silence, resolve, escalate")
    administer: bool = Field(description="rules, keys, dead letters, settings")
    sql: bool = Field(description="ask in SQL")


class Me(Answer):
    """Who asks."""

    id: str = Field(description="names them in the audit trail; no secret", examples=["key:abcdefghijkl"])
    name: str = Field(examples=["ops on call"])
    role: Role
    tenant: str | None = Field(description="null: the whole fleet", examples=["acme"])
    via: Literal["key", "oidc", "compat", "local"]
    session: bool = Field(description="whether they signed in with a browser: then they can sign out", examples=[True])
    sql: bool
    may: May
    expires_at: str | None = Field(description="when key or session ends, ISO 8601", examples=["2026-11-22T07:00:00Z"])
    version: str = Field(description="of the server", examples=["0.1.0"])


@router.get("/api/me", dependencies=[needs("viewer")], response_model=None, responses=answers(Me))
async def me(request: Request) -> dict[str, Any]:
    """Who asks, and what they may."""
    call = call_of(request)
    who, session = call.principal, call.session
    assert who is not None  # the rule wants a role
    sql = who.sql or who.role == "admin"
    may = {"operate": who.may("operator"), "administer": who.may("admin"), "sql": sql}
    expires = iso(session.until_s) if session is not None else _key_ends(world_of(request).directory, who)
    told = {"id": who.id, "name": who.name, "role": who.role, "tenant": who.tenant, "via": who.via}
    return {
        **told,
        "session": session is not None,
        "sql": sql,
        "may": may,
        "expires_at": expires,
        "version": version("fleetpulse"),
    }


def _key_ends(directory: KeyDirectory | None, who: Principal) -> str | None:
    """When the key of a caller without session ends; None: it does not, or it is no key."""
    if directory is None or who.via != "key":
        return None
    entry = directory.entry(who.id.removeprefix("key:"))
    if entry is None or entry.record.expires is None:
        return None
    return iso(entry.expires_s)
