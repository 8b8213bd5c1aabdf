"""`POST /v1/batch`: many events in one body, one JSON object a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from infra.web.access import principal
from infra.web.problem import Problem
from infra.web.rules import needs
from producers.gateway.bulk import Bulk, UnfitLinesError
from producers.gateway.ndjson.read import Fault, TooManyFaultsError, line_numbers
from producers.gateway.routes.common import (
    MOST_ERRORS,
    accepted,
    agent_header,
    body_of,
    idempotency_key,
    told,
)
from producers.gateway.routes.document import ACCEPTED, body_of_type

router = APIRouter(tags=["events"])
_PARTLY: dict[int | str, dict[str, Any]] = {
    207: {
        "description": "With `partial`: how many lines were taken, and why the others were not",
        "content": {"application/json": {"schema": {"type": "object", "required": ["accepted", "rejected", "errors"]}}},
    }
}
_BODY = body_of_type(
    "application/x-ndjson", {"type": "string", "minLength": 1}, '{"topic": "logs", "message": "one object a line"}\n'
)
_BODY["parameters"].append({"name": "partial", "in": "query", "schema": {"type": "boolean"}})


def _bulk_of(request: Request) -> Bulk:
    found = request.app.state.bulk
    assert isinstance(found, Bulk)
    return found


@router.post(
    "/v1/batch",
    dependencies=[needs("ingest")],
    status_code=202,
    responses=ACCEPTED | _PARTLY,
    openapi_extra=_BODY,
)
async def batch(request: Request) -> Response:
    """Events of any topics, each line an object with `topic` and the fields of its schema; all or none are taken.

    With `?partial=true` the lines that fit are taken, and 207 says which were not.
    """
    body = body_of(request)
    partial = request.query_params.get("partial", "").lower() in {"1", "true", "yes"}
    try:
        with told():
            taken = await _bulk_of(request).accept(
                principal(request),
                body,
                agent_id=agent_header(request),
                idempotency_key=idempotency_key(request),
                partial=partial,
            )
    except UnfitLinesError as unfit:
        raise Problem(422, detail=str(unfit), type="unfit", errors=_errors(unfit.faults, body)) from None
    except TooManyFaultsError as many:
        raise Problem(422, detail=str(many), type="unfit") from None
    if not taken.faults:
        return accepted(taken.accepted)
    rejected = len({fault.row for fault in taken.faults})
    content = {"accepted": taken.accepted, "rejected": rejected, "errors": _errors(taken.faults, body)}
    return JSONResponse(content, 207)


def _errors(faults: Sequence[Fault], body: bytes) -> list[dict[str, Any]]:
    """The first faults by line, lines counted from 1 and blank ones among them."""
    numbers = line_numbers(body)
    first = sorted(faults, key=lambda fault: (fault.row, fault.field))[:MOST_ERRORS]
    if not numbers:
        return []
    return [{"line": numbers[fault.row], "field": fault.field, "message": fault.message} for fault in first]
