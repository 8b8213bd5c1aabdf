"""Routes to be rude to, and what raw answers say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from web_world import app_of

from infra.web.access import body_of, call_of, needs, principal, public
from infra.web.openapi import openapi_router


class Sent(BaseModel):
    """A body with a number that must be finite."""

    model_config = ConfigDict(allow_inf_nan=False)

    value: float
    count: int = Field(default=0, ge=0, le=1_000)
    more: Any = None


class Gate:
    """Holds requests until it is opened, and knows how many wait."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.waiting = 0
        self.cancelled = 0


def rude_app(gate: Gate | None = None) -> FastAPI:
    """Routes called by the door itself and by FastAPI, public ones and ones with rules."""
    router = APIRouter()
    held = gate or Gate()

    @router.get("/open", dependencies=[public()])
    async def open_to_all(request: Request) -> JSONResponse:
        call = call_of(request)
        return JSONResponse({"address": call.address, "secure": call.secure, "path": request.url.path})

    @router.post("/echo", dependencies=[needs("ingest")])
    async def echo(request: Request) -> JSONResponse:
        return JSONResponse({"size": len(body_of(request)), "who": principal(request).id})

    @router.post("/small", dependencies=[public(max_body_bytes=2_000)])
    async def small(request: Request) -> JSONResponse:
        return JSONResponse({"size": len(body_of(request))})

    @router.post("/model", dependencies=[public()])
    async def model(sent: Sent) -> Sent:
        return sent

    @router.get("/held", dependencies=[public()])
    async def hold(request: Request) -> Response:
        held.waiting += 1
        try:
            await held.opened.wait()
        except asyncio.CancelledError:
            held.cancelled += 1
            raise
        finally:
            held.waiting -= 1
        return Response(b"at last")

    @router.get("/stream", dependencies=[needs("viewer", stream=True)])
    async def stream(request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first\n"
            await held.opened.wait()
            yield b"last\n"

        return StreamingResponse(pieces(), media_type="text/plain")

    @router.get("/broken", dependencies=[public()])
    async def broken(request: Request) -> Response:
        raise RuntimeError("the secret is hunter2")

    @router.get("/large", dependencies=[public()])
    async def large(request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield bytes(1 << 20)

        return StreamingResponse(pieces())

    @router.get("/header", dependencies=[public()])
    async def header(request: Request) -> Response:
        return Response(b"", headers={"X-Said": request.query_params["said"]})

    for role in ("viewer", "operator", "admin"):
        router.add_api_route(f"/{role}", open_to_all, methods=["GET"], dependencies=[needs(role)], name=role)
    router.add_api_route("/sql", open_to_all, methods=["GET"], dependencies=[needs("viewer", sql=True)], name="sql")
    router.add_api_route(
        "/local", open_to_all, methods=["GET"], dependencies=[needs("viewer", loopback=True)], name="l"
    )

    @router.get("/ping/{key}", dependencies=[needs("ingest", key_param="key")])
    async def ping(request: Request) -> JSONResponse:
        return JSONResponse({"who": principal(request).id})

    app = app_of(router)
    app.include_router(openapi_router(app))
    return app


@dataclass(frozen=True)
class Answered:
    """One answer as it came over a socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The body, which must be a problem."""
        assert self.headers["content-type"] == "application/problem+json", self
        found = json.loads(self.body)
        assert found["status"] == self.status
        assert isinstance(found, dict)
        return found


def answers(raw: bytes) -> list[Answered]:
    """All answers in what a socket gave. Asserts that nothing is left."""
    found = []
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = int(headers.get("content-length", 0))
        found.append(Answered(int(first.split()[1]), headers, rest[:size]))
        assert len(rest) >= size, raw
        raw = rest[size:]
    return found


def post(path: str, body: bytes, *headers: bytes) -> bytes:
    """A request as bytes that asks for its connection to be closed, with no length of its own."""
    lines = [f"POST {path} HTTP/1.1".encode(), b"Host: x", b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
