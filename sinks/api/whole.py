"""What is of the fleet as a whole and of no tenant: who sees one tenant does not see it."""

from __future__ import annotations

from fastapi import Request

from infra.web.call import principal
from infra.web.problem import Problem


def require_whole_fleet(request: Request) -> None:
    """Raises `Problem` 403 for who is limited to a tenant or to some agents."""
    who = principal(request)
    if who.tenant is not None or who.agents:
        raise Problem(403, detail="this is about the whole fleet; the key is for a part of it", type="tenant")
