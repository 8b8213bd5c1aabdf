"""What every route that takes events does: read the payload, hand it over, answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from infra.web.access import principal
from infra.web.call import body_of, call_of
from infra.web.problem import Problem, unavailable
from infra.web.whole import Whole
from producers.gateway.encode import UnfitEventError
from producers.gateway.event import Event
from producers.gateway.identity import Refused
from producers.gateway.ingest import Ingest
from producers.gateway.lane import Undelivered
from producers.gateway.publisher import Unavailable

T = TypeVar("T")
MOST_ERRORS = 100


def ingest_of(request: Request) -> Ingest:
    """The gateway's one door for events."""
    found = request.app.state.ingest
    assert isinstance(found, Ingest)
    return found


def agent_header(request: Request) -> str | None:
    """The agent that the header X-Agent-Id names. Raises `Problem` 422 for one that is not of ASCII: in a header nobody
    can tell in which encoding it is."""
    name = call_of(request).header(b"x-agent-id") or None
    if name is not None and not name.isascii():
        raise Problem(422, detail="X-Agent-Id is of ASCII: name others by agentId", type="name-unfit")
    return name


async def accept(request: Request, events: Sequence[Event]) -> int:
    """Publish events in the name of who calls; how many, once the broker has them all.

    The header Idempotency-Key makes a second try the same events. Raises `Problem`: 403 for another's tenant or agent,
    422 for what does not fit, 503 with Retry-After while the broker is away.
    """
    key = idempotency_key(request)
    with told():
        return await ingest_of(request).accept(principal(request), events, key)


def idempotency_key(request: Request) -> str | None:
    """The header Idempotency-Key, None where it is absent."""
    key = call_of(request).headers.get(b"idempotency-key")
    return None if key is None else key.decode("latin-1")


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What taking events can raise, as what a client is told."""
    try:
        yield
    except Refused as refused:
        raise Problem(refused.status, detail=str(refused), type=refused.slug) from None
    except UnfitEventError as unfit:
        raise Problem(422, detail=str(unfit), type="unfit") from None
    except Unavailable as away:
        raise unavailable(str(away), retry_after_s=away.retry_after_s, type="broker-away") from None
    except Undelivered as undelivered:
        raise Problem(422, detail=str(undelivered), type="undeliverable") from None


def parsed(adapter: TypeAdapter[T], body: bytes) -> T:
    """The payload. Raises `Problem` 422 with every finding, 400 where it is no JSON."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise _unfit(error) from None


def _unfit(error: ValidationError) -> Problem:
    found = error.errors(include_url=False, include_context=False, include_input=False)[:MOST_ERRORS]
    if found and found[0]["type"] == "json_invalid":
        return Problem(400, detail=found[0]["msg"][:300], type="malformed")
    errors = [{"field": ".".join(map(str, each["loc"])), "message": each["msg"]} for each in found]
    return Problem(422, detail="the payload does not fit", type="unfit", errors=errors)


@lru_cache(maxsize=256)
def accepted(count: int) -> Whole:
    """202: the broker has them."""
    return Whole(b'{"accepted":%d}' % count, 202, "application/json")


__all__ = ["accept", "accepted", "agent_header", "body_of", "idempotency_key", "ingest_of", "parsed", "told"]
