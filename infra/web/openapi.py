"""The OpenAPI document of an app, with the rules of its routes, made once."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from infra.web.problem import MEDIA_TYPE
from infra.web.rules import public
from infra.web.table import RouteTable

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "example": "invalid"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
    },
}
_REFERENCE = {"$ref": "#/components/schemas/Problem"}
ANSWER: dict[str, Any] = {"description": "An error, RFC 9457", "content": {MEDIA_TYPE: {"schema": _REFERENCE}}}
_SCHEMES = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}
_VERBS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """The document: FastAPI's own, every operation with its rule, every error as a problem."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of one endpoint for several methods; told apart below
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    rules = {
        (entry.template, method): entry.rule for entry in RouteTable.of(app).entries for method in entry.methods or ()
    }
    parts = document.setdefault("components", {})
    parts.setdefault("schemas", {})["Problem"] = _PROBLEM
    parts["securitySchemes"] = _SCHEMES
    names: set[str] = set()
    for path, item in document.get("paths", {}).items():
        for verb, operation in item.items():
            if verb in _VERBS:
                if operation["operationId"] in names:
                    operation["operationId"] += f"_{verb}"
                names.add(operation["operationId"])
                _complete(operation, rules.get((path, verb.upper())))
    for name in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(name, None)
    return document


def _complete(operation: dict[str, Any], rule: Any) -> None:  # noqa: ANN401  # Rule | None
    responses = operation.setdefault("responses", {})
    responses.pop("422", None)
    responses["default"] = ANSWER
    for status, answer in responses.items():
        if status[0] in "45":  # the door's own answers come before the route's
            answer.setdefault("content", {})[MEDIA_TYPE] = ANSWER["content"][MEDIA_TYPE]
    if rule is not None and rule.role is not None and not rule.key_param:
        operation["security"] = [*([{}] if rule.loopback else []), {"ApiKey": []}, {"Bearer": []}]
        operation["x-fleetpulse-role"] = rule.role


def json_body(
    model: type[BaseModel], *, example: object = None, media_type: str = "application/json"
) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body itself: that it is a `model`; nested models are put in place.

    For models that do not contain themselves.
    """
    content: dict[str, Any] = {"schema": schema_of(model)}
    if example is not None:
        content["example"] = example
    return {"requestBody": {"required": True, "content": {media_type: content}}}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model without references."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})
    found = _put_in_place(schema, parts)
    assert isinstance(found, dict)
    return found


def _put_in_place(schema: object, parts: Mapping[str, Any]) -> object:
    if isinstance(schema, list):
        return [_put_in_place(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        named = parts[schema["$ref"].rpartition("/")[2]]
        return _put_in_place({**named, **{name: each for name, each in schema.items() if name != "$ref"}}, parts)
    return {name: _put_in_place(each, parts) for name, each in schema.items()}


def openapi_router(app: FastAPI) -> APIRouter:
    """`GET /openapi.json`, public: it says nothing of anybody's data. Include it last."""
    router = APIRouter()
    made: list[bytes] = []

    async def openapi(_request: Request) -> Response:
        if not made:
            made.append(json.dumps(openapi_of(app), ensure_ascii=True).encode())
        return Response(made[0], media_type="application/json")

    router.add_api_route("/openapi.json", openapi, methods=["GET"], include_in_schema=False, dependencies=[public()])
    return router
