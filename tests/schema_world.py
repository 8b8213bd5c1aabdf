"""Records of the catalogue's schemas: ready-made ones, and Hypothesis strategies for any."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from schemas.registry import SchemaBook, WriterSchema, load_schema, make_schema

Json = Any
MOMENT = datetime.datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=datetime.UTC)
MOMENTS = st.integers(-(10**16), 10**17).map(lambda us: MOMENT + datetime.timedelta(microseconds=us))
LONGS = st.integers(-(2**63), 2**63 - 1)
PLAIN: dict[str, Any] = {"string": "text", "bytes": b"\x01\x02", "boolean": True, "long": 7, "double": 1.5}
ANY: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=12),
    "bytes": st.binary(max_size=12),
    "boolean": st.booleans(),
    "long": LONGS,
    "double": st.floats(allow_nan=False),
}


def value_of(kind: Json) -> st.SearchStrategy[Any]:
    """Values of a type of house style."""
    if isinstance(kind, list):
        return st.none() | value_of(kind[1])
    if not isinstance(kind, dict):
        return ANY[kind]
    if kind["type"] == "array":
        return st.lists(value_of(kind["items"]), max_size=3)
    if kind["type"] == "record":
        return st.fixed_dictionaries({f["name"]: value_of(f["type"]) for f in kind["fields"]})
    if kind.get("logicalType") == "timestamp-micros":
        return MOMENTS
    return value_of(kind["type"])


def records_of(schema: WriterSchema) -> st.SearchStrategy[dict[str, Any]]:
    """Records whose envelope is valid."""
    valid = {
        "event_id": st.binary(min_size=16, max_size=16),
        "agent_id": st.text(min_size=1, max_size=8),
        "session_id": st.text(min_size=1, max_size=8),
        "seq": st.integers(0, 2**63 - 1),
    }
    fields = {f["name"]: valid.get(f["name"], value_of(f["type"])) for f in schema.raw["fields"]}
    return st.fixed_dictionaries(fields)


def _plain(kind: Json) -> Any:  # noqa: ANN401  # a value of that type
    if isinstance(kind, list):
        return _plain(kind[1])
    if not isinstance(kind, dict):
        return PLAIN[kind]
    if kind["type"] == "array":
        return [_plain(kind["items"])]
    if kind["type"] == "record":
        return {f["name"]: _plain(f["type"]) for f in kind["fields"]}
    return MOMENT if "logicalType" in kind else _plain(kind["type"])


def record(schema: WriterSchema, **more: object) -> dict[str, Any]:
    """A record with a value in every field."""
    found = {f["name"]: _plain(f["type"]) for f in schema.raw["fields"]}
    return found | {"event_id": bytes(range(16)), "agent_id": "a-1", "session_id": "s-1", "seq": 0} | more


def evolved(name: str, *added: Mapping[str, Any], without: tuple[str, ...] = ()) -> WriterSchema:
    """Schema `name` with fields added at its end and others taken away."""
    raw = copy.deepcopy(dict(load_schema(name).raw))
    raw["fields"] = [f for f in raw["fields"] if f["name"] not in without] + [dict(f) for f in added]
    return make_schema(raw)


def book_reading(reader: WriterSchema, *writers: WriterSchema) -> SchemaBook:
    """A book whose reader is not the current file, as in a program of another version."""
    book = SchemaBook(reader.name)
    book.reader = reader
    for schema in (reader, *writers):
        book.learn(schema)
    return book
