"""What the OpenAPI document says of bodies and answers of routes that take a plain `Request`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from infra.web.openapi import schema_of

Schema = dict[str, Any]
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "The broker has acknowledged them",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["accepted"],
                    "properties": {"accepted": {"type": "integer", "minimum": 0}},
                },
                "example": {"accepted": 1},
            }
        },
    }
}
_HEADERS: Sequence[Schema] = (
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A second try under the same key, at any gateway, is the same events",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    },
    {
        "name": "X-Agent-Id",
        "in": "header",
        "description": "The agent, where payload and key name none",
        "schema": {"type": "string", "maxLength": 256, "pattern": "^[ -~]*$"},
    },
)


def body_of_model(model: type[BaseModel], example: Mapping[str, Any], *, most: int = 0) -> Schema:
    """The body is one `model`, or an array of at most `most` of them. `example` is shown."""
    one = schema_of(model)
    schema = {"anyOf": [one, {"type": "array", "items": one, "maxItems": most}]} if most else one
    return body_of_type("application/json", schema, dict(example))


def body_of_type(media_type: str, schema: Schema, example: Any = None) -> Schema:  # noqa: ANN401  # any JSON value
    """The body has this type; for `openapi_extra`."""
    content = {"schema": schema} | ({} if example is None else {"example": example})
    return {"requestBody": {"required": True, "content": {media_type: content}}, "parameters": list(_HEADERS)}
