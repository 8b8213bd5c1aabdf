"""How the gateway is: for people and balancers (`/api/health`, `/livez`, `/readyz`, `/healthz`), for Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from infra.web.figures import MEDIA_TYPE
from infra.web.rules import needs, public
from producers.gateway.state import GatewayState

router = APIRouter(tags=["health"])


def _state(request: Request) -> GatewayState:
    found = request.app.state.gateway
    assert isinstance(found, GatewayState)
    return found


@router.get("/api/health", dependencies=[public()])
async def health(request: Request) -> Response:
    """Whether this gateway can take events, in the sources' shape."""
    why = _state(request).trouble()
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    content = {
        "status": "healthy" if why is None else "degraded",
        "timestamp": stamp,
        "version": _state(request).version,
    }
    return JSONResponse(content, 200 if why is None else 503)


@router.get("/api/health/database", dependencies=[public()])
async def database(request: Request) -> Response:
    """What stands behind: the broker, which this gateway writes to, and the lake, which reads from there."""
    state = _state(request)
    why = state.ingest.publisher.trouble()
    broker = {"status": "healthy"} if why is None else {"status": "unhealthy", "reason": why}
    lake = state.lake_health()
    good = why is None and lake["status"] != "unhealthy"
    content = {"status": "healthy" if good else "unhealthy", "broker": broker, "lake": lake}
    return JSONResponse(content, 200 if good else 503)


@router.get("/livez", dependencies=[public()], response_class=PlainTextResponse)
async def livez(_request: Request) -> Response:
    """The loop turns."""
    return Response(b"ok\n", media_type="text/plain")


@router.get("/readyz", dependencies=[public()], response_class=PlainTextResponse)
async def readyz(request: Request) -> Response:
    """Keys are known and the broker acknowledges."""
    return _ready(request)


@router.get("/healthz", dependencies=[public()], response_class=PlainTextResponse)
async def healthz(request: Request) -> Response:
    """As /readyz."""
    return _ready(request)


def _ready(request: Request) -> Response:
    why = _state(request).trouble()
    if why is None:
        return Response(b"ok\n", media_type="text/plain")
    return Response(f"{why}\n".encode(), 503, headers={"Retry-After": "2"}, media_type="text/plain")


@router.get("/metrics", dependencies=[needs("viewer", loopback=True)], response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Prometheus text; from this machine without a key."""
    return Response(_state(request).figures_text(), headers={"Content-Type": MEDIA_TYPE})
