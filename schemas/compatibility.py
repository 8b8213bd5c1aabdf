"""May this schema follow those? FULL_TRANSITIVE compatibility, and the rules of the house. Pure.

Every version must read what every other one wrote (Avro 1.12 specification, "Schema Resolution"): a new field needs a
default, a removed one must have had one, and nothing changes its type. The only promotion that Avro allows both ways is
string to bytes and back, which is refused too because bytes need not be text. Beyond Avro, a field keeps its unit.

The house rules are what the columnar decoder needs (no maps, no nullable enums, unions of null and one type) and what
people need (every field has `doc` and `unit`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Schema = Any
"""A schema or type as JSON: a name, a list (union) or an object."""


class Rule(StrEnum):
    """Which rule a schema breaks."""

    NEW_FIELD_WITHOUT_DEFAULT = "a new field needs a default, or older data cannot be read"
    REMOVED_FIELD_WITHOUT_DEFAULT = "a removed field must have had a default, or older readers fail"
    TYPE_CHANGED = "a field keeps its type"
    UNIT_CHANGED = "a field keeps its unit"
    NAME_CHANGED = "a record keeps its name"
    SYMBOL_WITHOUT_DEFAULT = "an enum whose symbols change needs a default where a symbol is unknown"
    ALIAS = "no aliases: nothing is renamed"
    NO_DOC = "every field has a doc"
    NO_UNIT = "every field has a unit"
    MAP = "no maps: the columnar decoder cannot read them; use an array of records"
    UNION = "a union is null and one type, null first, default null"
    NULLABLE_ENUM = "no nullable enums: the columnar decoder cannot read them"
    ZERO_BYTE_ITEM = "array items take at least one byte, or a short message could claim any length"


@dataclass(frozen=True)
class Problem:
    """One broken rule at `path` (`heartbeat.custom[].name`); `against` names the version compared with, if any."""

    path: str
    rule: Rule
    detail: str = ""
    against: str = ""

    def __str__(self) -> str:
        against = f" (against {self.against})" if self.against else ""
        return f"{self.path}: {self.rule.value}{f': {self.detail}' if self.detail else ''}{against}"


def incompatibilities(current: Mapping[str, Any], released: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """Where `current` and any of the `released` schemas (by name) could not read each other, either way."""
    return [
        Problem(p.path, p.rule, p.detail, against)
        for against, old in released.items()
        for p in _compare(old, current, str(current["name"]))
    ]


def house_problems(schema: Mapping[str, Any]) -> list[Problem]:
    """Where `schema` breaks the rules of the house."""
    return list(_house_type(schema, str(schema["name"])))


def envelope_problems(schema: Mapping[str, Any], envelope: Sequence[str], like: Mapping[str, Any]) -> list[str]:
    """How the first fields of `schema` differ from the `envelope`, and from those of the schema `like`."""
    ours, theirs = schema["fields"][: len(envelope)], like["fields"][: len(envelope)]
    names = tuple(f["name"] for f in ours)
    if names != tuple(envelope):
        return [f"{schema['name']}: begins with {', '.join(names)}, not with the envelope"]
    return [
        f"{schema['name']}.{a['name']}: is not what it is in {like['name']}"
        for a, b in zip(ours, theirs, strict=True)
        if (a["type"], a.get("unit"), a.get("default")) != (b["type"], b.get("unit"), b.get("default"))
    ]


def _compare(old: Schema, new: Schema, path: str) -> Iterator[Problem]:
    old, new = _plain(old), _plain(new)
    if _kind(old) != _kind(new):
        yield Problem(path, Rule.TYPE_CHANGED, f"{_kind(old)} became {_kind(new)}")
    elif isinstance(old, list):
        yield from _compare_unions(old, new, path)
    elif isinstance(old, dict):
        yield from _compare_named(old, new, path)


def _compare_named(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Problem]:
    if _full_name(old) != _full_name(new):
        yield Problem(path, Rule.NAME_CHANGED, f"{_full_name(old)} became {_full_name(new)}")
    match old["type"]:
        case "record":
            yield from _compare_records(old, new, path)
        case "array":
            yield from _compare(old["items"], new["items"], f"{path}[]")
        case "map":
            yield from _compare(old["values"], new["values"], f"{path}{{}}")
        case "enum":
            yield from _compare_enums(old, new, path)


def _compare_records(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Problem]:
    before, after = _fields(old), _fields(new)
    for name in after.keys() - before.keys():
        if "default" not in after[name]:
            yield Problem(f"{path}.{name}", Rule.NEW_FIELD_WITHOUT_DEFAULT)
    for name in before.keys() - after.keys():
        if "default" not in before[name]:
            yield Problem(f"{path}.{name}", Rule.REMOVED_FIELD_WITHOUT_DEFAULT)
    for name in before.keys() & after.keys():
        yield from _compare_fields(before[name], after[name], f"{path}.{name}")


def _compare_fields(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Problem]:
    yield from _compare(old["type"], new["type"], path)
    if old.get("unit") != new.get("unit"):
        yield Problem(path, Rule.UNIT_CHANGED, f"{old.get('unit')} became {new.get('unit')}")


def _compare_unions(old: list[Schema], new: list[Schema], path: str) -> Iterator[Problem]:
    """Branch by branch: a branch more or less is a type that one side cannot read."""
    before, after = [_kind(_plain(b)) for b in old], [_kind(_plain(b)) for b in new]
    if before != after:
        yield Problem(path, Rule.TYPE_CHANGED, f"{_told(before)} became {_told(after)}")
        return
    for one, other in zip(old, new, strict=True):
        yield from _compare(one, other, path)


def _compare_enums(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Problem]:
    added = set(new["symbols"]) - set(old["symbols"])
    removed = set(old["symbols"]) - set(new["symbols"])
    if added and "default" not in old:
        yield Problem(path, Rule.SYMBOL_WITHOUT_DEFAULT, f"older readers do not know {_told(sorted(added))}")
    if removed and "default" not in new:
        yield Problem(path, Rule.SYMBOL_WITHOUT_DEFAULT, f"{_told(sorted(removed))} may stand in older data")


def _house_type(schema: Schema, path: str) -> Iterator[Problem]:
    schema = _plain(schema)
    if isinstance(schema, list):
        yield from _house_union(schema, path)
    elif isinstance(schema, dict):
        yield from _house_named(schema, path)


def _house_union(union: list[Schema], path: str) -> Iterator[Problem]:
    if len(union) != 2 or union[0] != "null" or isinstance(union[1], list):
        yield Problem(path, Rule.UNION, _told([_kind(_plain(b)) for b in union]))
    for branch in union:
        if _kind(_plain(branch)) == "enum":
            yield Problem(path, Rule.NULLABLE_ENUM)
        yield from _house_type(branch, path)


def _house_named(schema: dict[str, Any], path: str) -> Iterator[Problem]:
    if "aliases" in schema:
        yield Problem(path, Rule.ALIAS)
    match schema["type"]:
        case "record":
            for field in schema["fields"]:
                yield from _house_field(field, f"{path}.{field['name']}")
        case "array":
            if _takes_no_bytes(schema["items"]):
                yield Problem(path, Rule.ZERO_BYTE_ITEM)
            yield from _house_type(schema["items"], f"{path}[]")
        case "map":
            yield Problem(path, Rule.MAP)


def _house_field(field: dict[str, Any], path: str) -> Iterator[Problem]:
    if not str(field.get("doc", "")).strip():
        yield Problem(path, Rule.NO_DOC)
    if not str(field.get("unit", "")).strip():
        yield Problem(path, Rule.NO_UNIT)
    if "aliases" in field:
        yield Problem(path, Rule.ALIAS)
    if isinstance(field["type"], list) and field.get("default", "none") is not None:
        yield Problem(path, Rule.UNION, "the default is not null")
    yield from _house_type(field["type"], path)


def _takes_no_bytes(schema: Schema) -> bool:
    """Whether a value has an empty encoding: null, and records of nothing else."""
    schema = _plain(schema)
    if isinstance(schema, dict) and schema["type"] == "record":
        return all(_takes_no_bytes(field["type"]) for field in schema["fields"])
    return bool(schema == "null")


def _plain(schema: Schema) -> Schema:
    """`{"type": "long"}` and `"long"` are the same type."""
    if isinstance(schema, dict) and not isinstance(schema["type"], str):
        return _plain(schema["type"])
    if isinstance(schema, dict) and set(schema) == {"type"}:
        return schema["type"]
    return schema


def _kind(schema: Schema) -> str:
    """What a type is called in comparisons; a logical type is part of it, for it changes what the number means."""
    if isinstance(schema, list):
        return "union"
    if isinstance(schema, dict):
        said = [str(schema[key]) for key in ("type", "logicalType", "precision", "scale", "size") if key in schema]
        return "/".join(said)
    return str(schema)


def _full_name(schema: dict[str, Any]) -> str:
    namespace, name = schema.get("namespace"), schema.get("name", "")
    return f"{namespace}.{name}" if namespace else str(name)


def _fields(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {field["name"]: field for field in record["fields"]}


def _told(names: Sequence[str]) -> str:
    return ", ".join(names)
