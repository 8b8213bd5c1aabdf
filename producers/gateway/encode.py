"""Events to records: envelope, defaults, single-object Avro."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from producers.sdk.encode import Record
from schemas.catalogue import ENVELOPE, TOPICS
from schemas.record import encode_single_object
from schemas.registry import WriterSchema, topic_schema

HEARTBEATS = "fleet.heartbeats"
_NUMBERS = frozenset({"fleet.metrics", "fleet.hosts"})
_LISTS = ("custom", "context", "metadata", "attributes")
_HEADS: Mapping[str, Mapping[str, Any]] = {HEARTBEATS: {"status": "healthy", "version": "unknown", "uptime_s": 0.0}}
"""What a client may leave out though the schema has no default for it."""


class UnfitEventError(ValueError):
    """An event that does not fit the schema of its topic; the text names the field."""


@cache
def schema_of(topic: str) -> tuple[WriterSchema, frozenset[str]]:
    """The schema of a topic that agents write, and the names of its fields without the envelope.

    Raises `UnfitEventError` for a topic that is unknown or that our own processes write.
    """
    known = TOPICS.get(topic)
    if known is None or known.derived:
        raise UnfitEventError(f"{topic} is no topic that agents write")
    schema = topic_schema(topic)
    return schema, frozenset(spec["name"] for spec in schema.raw["fields"]) - frozenset(ENVELOPE)


def _named_values(topic: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    turn = float if topic in _NUMBERS else str
    return [{"name": str(name), "value": turn(value)} for name, value in given.items()]


def encode_event(topic: str, envelope: Mapping[str, Any], fields: Mapping[str, Any]) -> Record:
    """One event of which the envelope is whole. Raises `UnfitEventError`."""
    schema, names = schema_of(topic)
    if not fields.keys() <= names:
        raise UnfitEventError(f"{topic} has no field {', '.join(sorted(map(str, fields.keys() - names)))}")
    record = {**_HEADS.get(topic, {}), **fields, **envelope}
    for name in _LISTS:
        if isinstance(given := record.get(name), Mapping):
            record[name] = _named_values(topic, given)
    try:
        value = encode_single_object(schema, record)
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError) as error:
        raise UnfitEventError(f"{topic}: {error}"[:300]) from error
    return Record(envelope["agent_id"].encode(), value, envelope["timestamp"] // 1000, envelope["seq"])
