"""`POST /v1/runs`: a run with its steps and failures."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from infra.web.rules import needs
from producers.gateway.payload.runs import Run
from producers.gateway.routes.common import accept, accepted, agent_header, body_of, parsed
from producers.gateway.routes.document import ACCEPTED, body_of_model

router = APIRouter(tags=["runs"])
_RUN: TypeAdapter[Run] = TypeAdapter(Run)


@router.post(
    "/v1/runs",
    dependencies=[needs("ingest", max_body_bytes=2 << 20)],
    status_code=202,
    responses=ACCEPTED,
    openapi_extra=body_of_model(Run, {"run_id": "r1", "status": "success", "steps": [{"step_id": "s1"}]}),
)
async def runs(request: Request) -> Response:
    """A run: started, steps, failures, finished; whole, or as far as it has come."""
    run = parsed(_RUN, body_of(request))
    return accepted(await accept(request, list(run.events(agent_header(request)))))
