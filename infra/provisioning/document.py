"""The reference of the topics, made from the catalogue and the schemas: `docs/topics.md`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.catalogue import ENVELOPE, TOPICS, Topic
from schemas.registry import load_schema, released_schemas

_HEAD = """# Topics

Made by `fleetpulse topics docs --output docs/topics.md` from `schemas/`; do not edit it by hand.

All topics are keyed as named below, UTF-8; a key's partition is murmur2 of it, so partition p of every topic holds the
same agents. A message is Avro, in single-object encoding or in the Confluent wire format. `?` marks what may be null.
"""
_LIKE = "heartbeat"


def _type_of(kind: Any) -> str:  # noqa: ANN401  # a JSON schema node
    """What people call a type: `double?`, `timestamp-micros`, `array of {name: string, value: double}`."""
    if isinstance(kind, list):
        return _type_of(kind[1]) + "?"
    if not isinstance(kind, dict):
        return str(kind)
    if kind["type"] == "array":
        return f"array of {_type_of(kind['items'])}"
    if kind["type"] == "record":
        return "{" + ", ".join(f"{f['name']}: {_type_of(f['type'])}" for f in kind["fields"]) + "}"
    return str(kind.get("logicalType", kind["type"]))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _items(kind: Any) -> Any:  # noqa: ANN401  # a JSON schema node
    """The record within an array, if it is one of records."""
    inner = kind[1] if isinstance(kind, list) else kind
    items = inner.get("items") if isinstance(inner, dict) else None
    return items if isinstance(items, dict) and items.get("type") == "record" else None


def _rows(fields: list[Mapping[str, Any]], prefix: str = "") -> Iterator[str]:
    for field in fields:
        told = (f"`{prefix}{field['name']}`", _type_of(field["type"]), field["unit"], field["doc"])
        yield "| " + " | ".join(map(_cell, told)) + " |"
        if (record := _items(field["type"])) is not None:
            yield from _rows(record["fields"], f"{prefix}{field['name']}[].")


def _table(fields: list[Mapping[str, Any]]) -> list[str]:
    return ["| field | type | unit | meaning |", "|---|---|---|---|", *_rows(fields)]


def _days(seconds: int) -> str:
    return f"{seconds / 86_400:g} days"


def _section(topic: Topic) -> list[str]:
    schema = load_schema(topic.schema)
    facts = {
        "written by": topic.written_by if topic.derived else "producers",
        "key": f"`{topic.key}`",
        "kept on the broker": "the latest of each key" if topic.compacted else _days(topic.retention_s),
        "in the lake": f"table `{topic.table}`, {_days(topic.lake_retention_s)}",
        "schema": f"`{topic.schema}`, version {len(released_schemas(topic.schema))}",
        "fingerprint": f"`{schema.crc64:016x}`",
    }
    return [
        f"## {topic.name}",
        "",
        str(schema.raw["doc"]),
        "",
        *(f"- {name}: {fact}" for name, fact in facts.items()),
        "",
        "The envelope, and:",
        "",
        *_table(schema.raw["fields"][len(ENVELOPE) :]),
        "",
    ]


def topics_page() -> str:
    """The page, in Markdown: the envelope once, then a section for each topic."""
    envelope = load_schema(_LIKE).raw["fields"][: len(ENVELOPE)]
    lines = [_HEAD, "| topic | what it carries |", "|---|---|"]
    lines += [f"| [{t.name}](#{t.name.replace('.', '')}) | {_cell(t.summary)} |" for t in TOPICS.values()]
    lines += ["", "## The envelope", "", "Every event begins with:", "", *_table(envelope), ""]
    for topic in TOPICS.values():
        lines += _section(topic)
    return "\n".join(lines).rstrip() + "\n"
