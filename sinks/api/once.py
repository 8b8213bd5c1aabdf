"""Query parameters are what a route takes, and one value each unless it takes several: a filter that is misspelt would
show too much in silence, and of two values the one that counts would be guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import get_args, get_origin

from fastapi import Depends, Request
from fastapi.routing import APIRoute

from infra.web.problem import Problem


async def _once(request: Request) -> None:
    """Raises `Problem` 422 with the names."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if not counts:
        return
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = {each.alias: _is_list(each.field_info.annotation) for each in route.dependant.query_params}
    errors = [{"field": f"query.{name[:200]}", "message": message} for name, message in _wrong(counts, known)]
    if errors:
        raise Problem(422, detail="a parameter is not known, or given twice", type="invalid", errors=errors[:20])


def _wrong(counts: Counter[str], known: dict[str, bool]) -> Iterator[tuple[str, str]]:
    for name, count in sorted(counts.items()):
        if name not in known:
            yield name, "there is no such parameter"
        elif count > 1 and not known[name]:
            yield name, "given more than once"


def _is_list(annotation: object) -> bool:
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))


ONCE = Depends(_once)
"""For `dependencies=[...]` of a router."""
