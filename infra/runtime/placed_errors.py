"""What a pydantic model refuses, told at its place in the document, with the name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from infra.runtime.positioned_yaml import Document, Mistake, Way, spelled

Schema = Mapping[str, Any]


def mistakes_of(error: ValidationError, model: type[BaseModel], document: Document) -> list[Mistake]:
    """Each error at its place, in the order of the document; at least one.

    What is wrong inside explains what is wrong around it, so of two the inner one is told. What was given is never
    repeated by this function (it may be a secret); messages of validators are taken as they are.
    """
    found = error.errors(include_url=False, include_input=False)
    within = [item["loc"] for item in found]
    told = []
    for item in found:
        if not any(_inside(other, item["loc"]) for other in within):
            way, known = _followed(model.model_json_schema(), item["loc"])
            unknown = item["type"] == "extra_forbidden"
            problem = _unknown(way, known) if unknown else item["msg"].removeprefix("Value error, ")
            of_key = unknown or item["loc"][-1:] == ("[key]",)
            place = document.key_place(way) if of_key else document.place(way)
            told.append(Mistake(*place, spelled(way), problem))
    return sorted(told, key=lambda mistake: (mistake.line, mistake.column))


def _inside(one: Way, other: Way) -> bool:
    return len(one) > len(other) and one[: len(other)] == other


def _unknown(way: Way, known: list[str]) -> str:
    name = str(way[-1])
    near = get_close_matches(name, known, n=1)
    if near:
        return f"there is no {name}; did you mean {near[0]}?"
    return f"there is no {name}; known are {', '.join(known)}" if known else f"there is no {name}"


def _followed(root: Schema, location: Way) -> tuple[Way, list[str]]:
    """The way of a pydantic location, which also names the kinds of unions, as the document has it; and the keys that
    are known where its last step was taken."""
    schema, known = _resolved(root, root), sorted(root.get("properties", ()))
    way: Way = ()
    for step in location:
        if step == "[key]":  # pydantic's mark where a key itself is wrong
            break
        kinds = schema.get("discriminator", {}).get("mapping", {})
        if step in kinds:
            schema = _resolved(root, {"$ref": kinds[step]})
            continue
        way, known = (*way, step), sorted(schema.get("properties", ()))
        schema = _resolved(root, next(_children(schema, step), {}))
    return way, known


def _children(schema: Schema, step: str | int) -> Iterator[Schema]:
    """What may stand one step below: a property, an item, a value of a free mapping; a union's first that fits."""
    if isinstance(step, int) and isinstance(schema.get("items"), Mapping):
        yield schema["items"]
    if step in schema.get("properties", ()):
        yield schema["properties"][step]
    yield from schema.get("patternProperties", {}).values()
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield schema["additionalProperties"]


def _resolved(root: Schema, schema: Schema) -> Schema:
    """Behind references, and of `X | None` the X."""
    while True:
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
        elif some := [s for s in schema.get("anyOf", ()) if s.get("type") != "null"]:
            schema = some[0]
        else:
            return schema
