"""The table of routes and their rules: it fails for whatever says nothing about who may call it."""

from __future__ import annotations

from functools import partial

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send
from web_world import app_of

from infra.web.access import needs, public, ruled
from infra.web.openapi import json_body, openapi_of, openapi_router
from infra.web.table import RouteTable, UnruledRouteError, assert_every_route_has_a_rule


async def plain(request: Request) -> Response:
    return Response(b"plain")


async def named(request: Request, limit: int = 1) -> JSONResponse:
    return JSONResponse(limit)


async def anything(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(b"")(scope, receive, send)


def routed(*given: object, path: str = "/a", prefix: str = "", **kept: object) -> APIRouter:
    router = APIRouter(prefix=prefix)
    router.add_api_route(path, plain, methods=["GET"], dependencies=list(given), **kept)  # type: ignore[arg-type]  # FastAPI's own arguments
    return router


def faults_of(app: FastAPI) -> str:
    with pytest.raises(UnruledRouteError) as raised:
        assert_every_route_has_a_rule(app)
    return str(raised.value)


def test_a_route_without_a_rule_fails() -> None:
    assert "/a: has no rule" in faults_of(app_of(routed()))
    assert "/a: has no rule" in faults_of(app_of(routed(Depends(plain))))


def test_a_hidden_route_without_a_rule_fails() -> None:
    assert "/a: has no rule" in faults_of(app_of(routed(include_in_schema=False)))


def test_a_route_in_a_router_in_a_router_without_a_rule_fails() -> None:
    outer = APIRouter(prefix="/outer")
    outer.include_router(routed(prefix="/inner"))
    assert "/outer/inner/a: has no rule" in faults_of(app_of(outer))


def test_two_rules_fail() -> None:
    assert "/a: has two rules" in faults_of(app_of(routed(needs("viewer"), public())))


def test_a_rule_of_a_router_counts_for_its_routes() -> None:
    outer = APIRouter(prefix="/outer", dependencies=[needs("operator")])
    outer.include_router(routed())
    [entry] = assert_every_route_has_a_rule(app_of(outer)).entries
    assert entry.rule is not None
    assert (entry.template, entry.rule.role) == ("/outer/a", "operator")


def test_routes_that_fastapi_makes_itself_fail() -> None:
    told = faults_of(FastAPI())
    for path in ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"):
        assert f"{path}: has no rule" in told


def test_mounted_apps_are_walked() -> None:
    app = app_of(routed(public()))
    app.mount("/sub", app_of(routed()))
    assert "/sub/a: has no rule" in faults_of(app)
    sub = app_of(routed(needs("viewer"), path="/{name}"))
    app = app_of()
    app.mount("/sub", sub)
    [entry] = assert_every_route_has_a_rule(app).entries
    assert entry.template == "/sub/{name}"
    assert RouteTable.of(app).find("GET", "/sub/x")[0] is not None


def test_mounts_of_something_else_need_a_rule_of_their_own() -> None:
    app = app_of()
    app.mount("/files", anything)
    assert "/files/{path}: has no rule" in faults_of(app)
    app = app_of()
    app.mount("/files", ruled(needs("viewer"), partial(anything)))
    [entry] = assert_every_route_has_a_rule(app).entries
    assert entry.rule is not None
    assert entry.rule.role == "viewer"
    assert RouteTable.of(app).find("GET", "/files/deep/one.js")[0] is not None


def test_routes_of_starlette_and_websockets() -> None:
    app = app_of()
    app.router.routes.append(Mount("/old", routes=[Route("/b", plain)]))
    app.add_api_websocket_route("/socket", plain)
    told = faults_of(app)
    assert "/old/b: has no rule" in told
    assert "/socket: APIWebSocketRoute is not served here" in told


def test_the_first_route_that_fits_answers() -> None:
    router = APIRouter()
    router.add_api_route("/agents/{name}", plain, methods=["GET"], dependencies=[needs("viewer")])
    router.add_api_route("/agents/all", named, methods=["GET"], dependencies=[public()])
    router.add_api_route("/agents/all", plain, methods=["POST"], dependencies=[needs("admin")])
    table = assert_every_route_has_a_rule(app_of(router))
    entry, found, _ = table.find("GET", "/agents/all")
    assert entry is not None
    assert found is not None
    assert (entry.template, entry.parameters(found)) == ("/agents/{name}", {"name": "all"})
    posted, _, _ = table.find("POST", "/agents/all")
    assert posted is not None
    assert posted.rule is not None
    assert posted.rule.role == "admin"
    assert table.find("HEAD", "/agents/all")[0] is entry
    nobody, _, others = table.find("DELETE", "/agents/all")
    assert nobody is None
    assert len(others) == 3
    assert table.find("GET", "/agents/a/b") == (None, None, [])


def test_only_plain_routes_are_called_without_fastapi() -> None:
    router = APIRouter()
    router.add_api_route("/plain", plain, methods=["GET"], dependencies=[public()])
    router.add_api_route("/named", named, methods=["GET"], dependencies=[public()])
    router.add_api_route("/more", plain, methods=["GET"], dependencies=[public(), Depends(lambda: None)])
    table = assert_every_route_has_a_rule(app_of(router))
    assert {entry.template: entry.direct is not None for entry in table.entries} == {
        "/plain": True,
        "/named": False,
        "/more": False,
    }


def test_the_document_says_who_may_call() -> None:
    app = app_of(routed(needs("viewer")), routed(public(), path="/b"))
    app.include_router(openapi_router(app))
    document = openapi_of(app)
    assert document["paths"]["/a"]["get"]["security"] == [{"ApiKey": []}, {"Bearer": []}]
    assert document["paths"]["/a"]["get"]["x-fleetpulse-role"] == "viewer"
    assert "security" not in document["paths"]["/b"]["get"]
    assert document["paths"]["/b"]["get"]["responses"]["default"]["content"].keys() == {"application/problem+json"}
    assert "/openapi.json" not in document["paths"]
    assert_every_route_has_a_rule(app)


class Step(BaseModel):
    name: str


class Run(BaseModel):
    steps: list[Step]
    last: Step | None = Field(default=None, description="the last")


def test_the_document_shows_bodies_that_a_route_reads_itself() -> None:
    app = app_of(routed(public(), openapi_extra=json_body(Run, example={"steps": []})))
    body = openapi_of(app)["paths"]["/a"]["get"]["requestBody"]["content"]["application/json"]
    assert body["example"] == {"steps": []}
    assert body["schema"]["properties"]["steps"]["items"]["properties"] == {"name": {"title": "Name", "type": "string"}}
    assert "$ref" not in str(body)


async def test_who_comes_around_the_door_is_not_let_in() -> None:
    app = app_of(routed(public(), path="/a"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
        answer = await client.get("/a")
    assert answer.status_code == 401
    assert answer.json()["type"] == "unguarded"
