"""The fields that a line may have, from the schemas: how each is read, what may be left out, which words it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import polars as pl

from schemas.catalogue import ENVELOPE, TABLES, TOPICS
from schemas.registry import topic_schema

LONGEST_TEXT_BYTES = 32_768
LONGEST_LIST_BYTES = 262_144
CLAIMS = ("agent_id", "user_id", "deployment_id", "timestamp")
"""Fields of the envelope that a line may give; the others are the gateway's."""

DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "fleet.heartbeats": {"status": "healthy", "version": "unknown", "uptime_s": 0.0},
        "fleet.violations": {
            "type": "policy_violation",
            "severity": "medium",
            "action": "flagged",
            "description": "",
        },
        "fleet.logs": {"level": "info", "category": "system", "source": "agent"},
    }
)
_WORDS: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType(
    {
        ("fleet.heartbeats", "status"): ("healthy", "degraded", "failed", "stopping"),
        ("fleet.violations", "severity"): ("low", "medium", "high", "critical"),
        ("fleet.violations", "action"): ("blocked", "redacted", "flagged"),
        ("fleet.logs", "level"): ("debug", "info", "warn", "error", "critical"),
        ("fleet.logs", "category"): ("governance", "performance", "system", "business", "security"),
        ("fleet.runs", "kind"): ("run_started", "run_finished", "step", "failure"),
        ("fleet.runs", "status"): ("success", "failure", "cancelled"),
        ("fleet.lifecycle", "kind"): (
            "agent_started",
            "agent_thinking",
            "tool_executing",
            "tool_completed",
            "agent_completed",
            "message_sent",
        ),
        ("fleet.lifecycle", "status"): ("success", "failure"),
    }
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a topic. `kind`: text, double, long, boolean, time, or list (an array of texts or named values).

    `named`: of a list of named values, the type of the values, "string" or "double". `words`: the only ones it takes.
    """

    name: str
    kind: str
    nullable: bool
    named: str = ""
    words: tuple[str, ...] = ()

    @property
    def dtype(self) -> pl.DataType:
        """How the JSON is read: times and lists as text, which is looked at afterwards."""
        return {"double": pl.Float64(), "long": pl.Int64(), "boolean": pl.Boolean()}.get(self.kind, pl.String())


def _field(topic: str, spec: Mapping[str, Any]) -> Field:
    kind = spec["type"]
    nullable = isinstance(kind, list)
    inner = kind[1] if nullable else kind
    words = _WORDS.get((topic, spec["name"]), ())
    if not isinstance(inner, dict):
        return Field(spec["name"], "text" if inner == "string" else inner, nullable, words=words)
    if inner["type"] != "array":
        return Field(spec["name"], "time", nullable)
    items = inner["items"]
    named = next(f["type"] for f in items["fields"] if f["name"] == "value") if isinstance(items, dict) else ""
    return Field(spec["name"], "list", nullable=False, named=named)


@cache
def fields_of(topic: str) -> tuple[Field, ...]:
    """The fields of a topic without its envelope."""
    return tuple(_field(topic, spec) for spec in topic_schema(topic).raw["fields"] if spec["name"] not in ENVELOPE)


@cache
def topics_by_name() -> Mapping[str, str]:
    """Topics that a line may name, by their names and by those of their tables in the lake."""
    written = [topic.name for topic in TOPICS.values() if not topic.derived]
    return {name: name for name in written} | {t: topic.name for t, topic in TABLES.items() if not topic.derived}


@cache
def line_schema() -> Mapping[str, pl.DataType]:
    """How any line is read, whatever its topic: fields of one name have one type in all topics."""
    schema: dict[str, pl.DataType] = {"topic": pl.String(), **dict.fromkeys(CLAIMS, pl.String())}
    for topic in set(topics_by_name().values()):
        for field in fields_of(topic):
            if schema.setdefault(field.name, field.dtype) != field.dtype:
                raise TypeError(f"{field.name} has two types among the topics")
    return schema
