"""`POST /v1/traces`, `/v1/metrics`, `/v1/logs`: OTLP/HTTP, protobuf and JSON; what becomes what is in `producers.otlp`.

An exporter sends the same body again when it does not hear of it, so the body is the idempotency key: a second try is
the same events, which the lake removes. Errors are answered as OTLP clients read them, with a google.rpc.Status; what
is refused to a key is a problem, as the door tells it, and stands in the audit trail.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from infra.access import Principal
from infra.runtime.clock import SystemClock
from infra.web.call import call_of, principal
from infra.web.problem import Problem
from infra.web.rules import needs
from producers.gateway.encode import UnfitEventError
from producers.gateway.event import Event
from producers.gateway.identity import Refused
from producers.gateway.lane import Undelivered
from producers.gateway.otlp_writer import OtlpWriter
from producers.gateway.publisher import Unavailable
from producers.gateway.routes.common import agent_header, body_of, ingest_of
from producers.otlp.decode import (
    MEDIA_TYPES,
    Encoding,
    MalformedError,
    Signal,
    decode_request,
    encode_response,
    encode_status,
    encoding_of,
)
from producers.otlp.event import Mapped
from producers.otlp.export import Exporter, count_items

LARGE_BODY_BYTES: Mapping[Encoding, int] = MappingProxyType({"protobuf": 32 * 1024, "json": 8 * 1024})
"""Larger ones are decoded and mapped in a thread, so that others do not wait for them."""
MOST_BODY_BYTES = 8 << 20
MOST_ITEMS = 100_000
"""Spans, points or records of a request, and its resources. A span may be two bytes long, and takes 150 in memory."""
AT_ONCE, _MOST_WAITING = 2, 16
"""Large bodies that are decoded and mapped at a time, and that wait for it."""
MOST_EVENTS = 500
"""Encoded at once: more would hold up the loop for longer than some milliseconds."""
_INVALID_ARGUMENT, _UNAVAILABLE = 3, 14
_CLOCK = SystemClock()


class _Refusal(Exception):  # noqa: N818  # an answer, not a fault
    """An answer that is an error: HTTP status, gRPC code, text for a person."""

    def __init__(self, status: int, code: int, message: str, retry_after_s: float | None = None) -> None:
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        super().__init__(message)


class _Lot(NamedTuple):
    """Events that are one session; a second try of the request makes the same."""

    key: str
    events: Sequence[Event]


class _Export(NamedTuple):
    """One request. `header_agent`: what X-Agent-Id says."""

    signal: Signal
    encoding: Encoding
    body: bytes
    writer: OtlpWriter
    header_agent: str | None

    def answer(self, mapped: Mapped) -> Response:
        """200, with what was not taken."""
        content = encode_response(self.signal, self.encoding, mapped.rejected.total(), mapped.message())
        return Response(content, media_type=MEDIA_TYPES[self.encoding])

    def lots(self, mapped: Mapped) -> Iterator[_Lot]:
        """The events by agent, at most `MOST_EVENTS` together, each lot with the idempotency key of its session."""
        by_agent: dict[str, list[Event]] = defaultdict(list)
        for each in mapped.events:
            event = Event(each.topic, each.agent_id, each.fields, each.timestamp_us, each.user_id, each.deployment_id)
            by_agent[each.agent_id].append(event)
        digest = hashlib.sha256(self.body).hexdigest()[:40]
        for agent_id, events in by_agent.items():
            of_agent = hashlib.sha256(agent_id.encode("utf-8", "replace")).hexdigest()[:16]
            for at in range(0, len(events), MOST_EVENTS):
                yield _Lot(f"otlp-{self.signal}-{digest}-{of_agent}-{at}", events[at : at + MOST_EVENTS])


def _error(encoding: Encoding, refusal: _Refusal) -> Response:
    headers = {} if refusal.retry_after_s is None else {"Retry-After": str(math.ceil(refusal.retry_after_s))}
    content = encode_status(encoding, refusal.code, str(refusal))
    return Response(content, refusal.status, headers, MEDIA_TYPES[encoding])


class _Mapper:
    """The gateway's one: its exporter remembers cumulative series, and large bodies take turns."""

    def __init__(self) -> None:
        self._exporter = Exporter()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._large = 0

    async def mapped(self, export: _Export) -> Mapped:
        """The events of a request. Raises `_Refusal`."""
        try:
            if len(export.body) <= LARGE_BODY_BYTES[export.encoding]:
                return self._map(export)
            if self._large >= AT_ONCE + _MOST_WAITING:
                raise _Refusal(503, _UNAVAILABLE, "too many large bodies at once", 1.0)
            self._large += 1
            # A task of its own: a client that goes away does not free its place before its thread has ended.
            running = asyncio.create_task(self._in_turn(export))
            running.add_done_callback(lambda task: task.cancelled() or task.exception())
            return await asyncio.shield(running)
        except MalformedError as error:
            raise _Refusal(400, _INVALID_ARGUMENT, str(error)) from None

    async def _in_turn(self, export: _Export) -> Mapped:
        try:
            async with self._room:
                return await asyncio.to_thread(self._map, export)
        finally:
            self._large -= 1

    def _map(self, export: _Export) -> Mapped:
        message = decode_request(export.signal, export.encoding, export.body)
        if count_items(export.signal, message) > MOST_ITEMS:
            raise MalformedError(f"the request has more than {MOST_ITEMS} items: send less at a time")
        now_us = round(_CLOCK.now_s() * 1e6)
        return self._exporter.map(export.signal, message, export.writer, now_us, export.header_agent)


def _mapper(request: Request) -> _Mapper:
    state = request.app.state
    if not hasattr(state, "otlp"):
        state.otlp = _Mapper()
    found = state.otlp
    assert isinstance(found, _Mapper)
    return found


async def _publish(request: Request, export: _Export, mapped: Mapped) -> None:
    if mapped.all_forbidden:
        raise Problem(403, detail=mapped.message(), type="other-name")
    sends = (_accept(request, export.writer.who, lot) for lot in export.lots(mapped))
    failed = [each for each in await asyncio.gather(*sends, return_exceptions=True) if each is not None]
    if failed:
        raise max(failed, key=_rank)


def _rank(failure: BaseException) -> int:
    """Of several failures the one to tell: a fault of ours; else what may be tried again, since all of it is then and
    what arrived the first time is known; else what may not."""
    if isinstance(failure, _Refusal):
        return int(failure.retry_after_s is not None)
    return 0 if isinstance(failure, Problem) else 2


async def _accept(request: Request, who: Principal, lot: _Lot) -> None:
    try:
        await ingest_of(request).accept(who, lot.events, lot.key)
    except Refused as refused:
        raise Problem(refused.status, detail=str(refused), type=refused.slug) from None
    except (UnfitEventError, Undelivered) as unfit:
        raise _Refusal(400, _INVALID_ARGUMENT, str(unfit)) from None
    except Unavailable as away:
        raise _Refusal(503, _UNAVAILABLE, str(away), away.retry_after_s) from None


async def _take(request: Request, signal: Signal) -> Response:
    encoding = encoding_of(call_of(request).header(b"content-type"))
    if encoding is None:
        wanted = " or ".join(MEDIA_TYPES.values())
        return _error("json", _Refusal(415, _INVALID_ARGUMENT, f"Content-Type is {wanted}"))
    writer = OtlpWriter(principal(request), ingest_of(request).owners)
    export = _Export(signal, encoding, body_of(request), writer, agent_header(request))
    try:
        mapped = await _mapper(request).mapped(export)
        await _publish(request, export, mapped)
    except _Refusal as refusal:
        return _error(encoding, refusal)
    return export.answer(mapped)


_BINARY = {"schema": {"type": "string", "format": "binary"}}
_STATUS = {
    "description": "A google.rpc.Status in the encoding of the request",
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"code": {"type": "integer"}, "message": {"type": "string"}}}
        },
        "application/x-protobuf": _BINARY,
    },
}
_PARTIAL = {
    "description": "Taken; `partialSuccess` says what was not",
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"partialSuccess": {"type": "object"}}},
            "example": {"partialSuccess": {"rejectedSpans": "1", "errorMessage": "1: no valid trace and span id"}},
        },
        "application/x-protobuf": _BINARY,
    },
}


def _described(field: str) -> dict[str, Any]:
    """What the OpenAPI document says of a signal whose request is a list named `field`."""
    schema = {
        "type": "object",
        "properties": {field: {"type": "array", "items": {"type": "object"}}},
        "example": {field: []},
    }
    content = {"application/json": {"schema": schema}, "application/x-protobuf": _BINARY}
    return {
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
        "responses": {200: _PARTIAL, **dict.fromkeys((400, 415, 503), _STATUS)},
        "dependencies": [needs("ingest", max_body_bytes=MOST_BODY_BYTES)],
    }


router = APIRouter(prefix="/v1", tags=["otlp"])


@router.post("/traces", **_described("resourceSpans"))
async def traces(request: Request) -> Response:
    """Spans of agents: turns, tools, requests to models (`gen_ai.*`)."""
    return await _take(request, "traces")


@router.post("/metrics", **_described("resourceMetrics"))
async def metrics(request: Request) -> Response:
    """Metrics of agents and hosts."""
    return await _take(request, "metrics")


@router.post("/logs", **_described("resourceLogs"))
async def logs(request: Request) -> Response:
    """Log records; those named `fleet.heartbeat` and `fleet.violation` as what they are."""
    return await _take(request, "logs")
