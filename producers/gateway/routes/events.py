"""`/v1/events`: records that the SDK has encoded and numbered itself, forwarded as they are."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from infra.web.access import principal
from infra.web.problem import Problem
from infra.web.rules import needs
from producers.gateway.framed import UnfitFramesError, checked_records, split_frames
from producers.gateway.publisher import Parcel
from producers.gateway.routes.common import accepted, body_of, ingest_of, told
from producers.gateway.routes.document import ACCEPTED, body_of_type

MEDIA_TYPE = "application/vnd.fleetpulse.events"
_THREAD_FROM_BYTES = 64 * 1024
_TOPIC = {"name": "topic", "in": "path", "required": True, "schema": {"type": "string"}, "example": "fleet.metrics"}
router = APIRouter(tags=["events"])


@router.get("/v1/events", dependencies=[needs("ingest")])
async def hello(request: Request) -> Response:
    """For whom this key writes, and how much at a time."""
    who = principal(request)
    limit_bytes = request.app.state.max_body_bytes
    return JSONResponse({"tenant": who.tenant, "agents": list(who.agents), "max_body_bytes": limit_bytes})


@router.post(
    "/v1/events/{topic}",
    dependencies=[needs("ingest")],
    status_code=202,
    responses=ACCEPTED,
    openapi_extra={**body_of_type(MEDIA_TYPE, {"type": "string", "format": "binary"}), "parameters": [_TOPIC]},
)
async def events(request: Request) -> Response:
    """Records of one topic: `[u32 big-endian length][single-object Avro]`, repeated."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != MEDIA_TYPE:
        raise Problem(415, detail=f"Content-Type: {MEDIA_TYPE}", type="media-type")
    with told():
        ingest_of(request).publisher.admit()
        parcel = await _parcel(request, body_of(request))
        await ingest_of(request).publisher.publish([parcel])
    return accepted(len(parcel.rows))


async def _parcel(request: Request, body: bytes) -> Parcel:
    topic, who, owners = request.path_params["topic"], principal(request), ingest_of(request).owners

    def read() -> Parcel:
        return Parcel(topic, checked_records(who, topic, split_frames(body), owners), [])

    try:
        return read() if len(body) < _THREAD_FROM_BYTES else await asyncio.to_thread(read)
    except UnfitFramesError as unfit:
        raise Problem(422, detail=str(unfit), type="unfit") from None
