"""`POST /api/agents/{heartbeat,metrics,violations,logs}`: one payload, or an array of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from fastapi import APIRouter
from pydantic import Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from infra.web.rules import needs
from producers.gateway.event import Event
from producers.gateway.payload.agents import Heartbeat, LogLine, Metrics, Violation
from producers.gateway.routes.common import accept, accepted, agent_header, body_of, parsed
from producers.gateway.routes.document import ACCEPTED, body_of_model

MOST_PAYLOADS = 250
"""In an array: they are encoded in one turn of the loop, and others wait for it."""
_RULE = needs("ingest", max_body_bytes=2 << 20)
router = APIRouter(prefix="/api/agents", tags=["agents"])


class Told(Protocol):
    """A payload that is one event."""

    def event(self, agent_id: str | None) -> Event:
        """The event."""
        ...


class Reader:
    """Reads one payload, or an array of them."""

    def __init__(self, one: TypeAdapter[Any], many: TypeAdapter[Any]) -> None:
        self._one = one
        self._many = many

    def read(self, body: bytes) -> Sequence[Told]:
        """The payloads. Raises `Problem`."""
        if body.lstrip()[:1] == b"[":
            payloads: list[Told] = parsed(self._many, body)
            return payloads
        return (parsed(self._one, body),)


_MANY = Field(max_length=MOST_PAYLOADS)
_HEARTBEAT = Reader(TypeAdapter(Heartbeat), TypeAdapter(Annotated[list[Heartbeat], _MANY]))
_METRICS = Reader(TypeAdapter(Metrics), TypeAdapter(Annotated[list[Metrics], _MANY]))
_VIOLATION = Reader(TypeAdapter(Violation), TypeAdapter(Annotated[list[Violation], _MANY]))
_LOG = Reader(TypeAdapter(LogLine), TypeAdapter(Annotated[list[LogLine], _MANY]))


async def _take(request: Request, reader: Reader) -> Response:
    agent_id = agent_header(request)
    events = [payload.event(agent_id) for payload in reader.read(body_of(request))]
    return accepted(await accept(request, events))


@router.post(
    "/heartbeat",
    dependencies=[_RULE],
    status_code=202,
    responses=ACCEPTED,
    openapi_extra=body_of_model(
        Heartbeat, {"status": "healthy", "version": "1.0.0", "uptime": 3600}, most=MOST_PAYLOADS
    ),
)
async def heartbeat(request: Request) -> Response:
    """An agent says that it is alive."""
    return await _take(request, _HEARTBEAT)


@router.post(
    "/metrics",
    dependencies=[_RULE],
    status_code=202,
    responses=ACCEPTED,
    openapi_extra=body_of_model(
        Metrics,
        {"performance_metrics": {"response_time": 250.5}, "business_metrics": {"request_count": 150}},
        most=MOST_PAYLOADS,
    ),
)
async def metrics(request: Request) -> Response:
    """Numbers of the four families, and the agent's own in `custom`."""
    return await _take(request, _METRICS)


@router.post(
    "/violations",
    dependencies=[_RULE],
    status_code=202,
    responses=ACCEPTED,
    openapi_extra=body_of_model(
        Violation,
        {"policy_id": "no-personal-info", "severity": "high", "description": "an e-mail address", "action": "redacted"},
        most=MOST_PAYLOADS,
    ),
)
async def violations(request: Request) -> Response:
    """A policy was violated, or that was prevented."""
    return await _take(request, _VIOLATION)


@router.post(
    "/logs",
    dependencies=[_RULE],
    status_code=202,
    responses=ACCEPTED,
    openapi_extra=body_of_model(LogLine, {"level": "warn", "message": "the tool was slow"}, most=MOST_PAYLOADS),
)
async def logs(request: Request) -> Response:
    """A structured log line."""
    return await _take(request, _LOG)
