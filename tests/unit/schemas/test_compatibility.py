"""Each rule on a small schema."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from schemas.compatibility import Rule, envelope_problems, house_problems, incompatibilities

Json = Any
Field = dict[str, Json]


def field(name: str, kind: Json = "long", **more: Json) -> Field:
    return {"name": name, "type": kind, "doc": "What it is.", "unit": "count", **more}


def record(*fields: Field, name: str = "thing") -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "fleetpulse", "fields": list(fields)}


def enum(*symbols: str, **more: Json) -> dict[str, Any]:
    return {"type": "enum", "name": "level", "symbols": list(symbols), **more}


NULLABLE = ["null", "long"]
ITEM = record(field("name", "string"), name="item")


def rules(old: dict[str, Any], new: dict[str, Any]) -> set[Rule]:
    return {p.rule for p in incompatibilities(new, {"thing.v1": old})}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (record(field("a")), record(field("a"))),
        (record(field("a")), record(field("a"), field("b", default=0))),
        (record(field("a"), field("b", NULLABLE, default=None)), record(field("a"))),
        (record(field("a"), field("b")), record(field("b"), field("a"))),
        (record(field("a")), record(field("a", {"type": "long"}, doc="Said better."))),
        (record(field("a", enum("x", default="x"))), record(field("a", enum("x", "y", default="x")))),
        (record(field("a")), record(field("a", default=0))),
    ],
    ids=["same", "new-with-default", "gone-with-default", "order", "spelling", "enum-with-default", "default-given"],
)
def test_allowed(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert rules(old, new) == set()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (record(field("a")), record(field("a"), field("b")), Rule.NEW_FIELD_WITHOUT_DEFAULT),
        (record(field("a"), field("b")), record(field("a")), Rule.REMOVED_FIELD_WITHOUT_DEFAULT),
        (record(field("a", "int")), record(field("a", "long")), Rule.TYPE_CHANGED),
        (record(field("a", "string")), record(field("a", "bytes")), Rule.TYPE_CHANGED),
        (record(field("a")), record(field("a", NULLABLE, default=None)), Rule.TYPE_CHANGED),
        (
            record(field("a", NULLABLE, default=None)),
            record(field("a", ["null", "double"], default=None)),
            Rule.TYPE_CHANGED,
        ),
        (
            record(field("a")),
            record(field("a", {"type": "long", "logicalType": "timestamp-micros"})),
            Rule.TYPE_CHANGED,
        ),
        (record(field("a")), record(field("a", unit="s")), Rule.UNIT_CHANGED),
        (record(field("a")), record(field("a"), name="other"), Rule.NAME_CHANGED),
        (record(field("a", enum("x"))), record(field("a", enum("x", "y"))), Rule.SYMBOL_WITHOUT_DEFAULT),
        (record(field("a", enum("x", "y"))), record(field("a", enum("x"))), Rule.SYMBOL_WITHOUT_DEFAULT),
        (
            record(field("a", {"type": "array", "items": ITEM})),
            record(field("a", {"type": "array", "items": {**ITEM, "fields": [*ITEM["fields"], field("b")]}})),
            Rule.NEW_FIELD_WITHOUT_DEFAULT,
        ),
        (
            record(field("a", ["null", {"type": "array", "items": "long"}], default=None)),
            record(field("a", ["null", {"type": "array", "items": "int"}], default=None)),
            Rule.TYPE_CHANGED,
        ),
        (
            record(field("a", {"type": "map", "values": "long"})),
            record(field("a", {"type": "map", "values": "string"})),
            Rule.TYPE_CHANGED,
        ),
    ],
)
def test_refused(old: dict[str, Any], new: dict[str, Any], rule: Rule) -> None:
    assert rules(old, new) == {rule}


def test_every_released_version_counts_not_only_the_last() -> None:
    """A field that left in v2 and comes back as another type is compatible with v2 alone."""
    v1 = record(field("a"), field("b", NULLABLE, default=None))
    v2 = record(field("a"))
    now = record(field("a"), field("b", ["null", "string"], default=None))
    assert not incompatibilities(now, {"v2": v2})
    (problem,) = incompatibilities(now, {"v1": v1, "v2": v2})
    assert (problem.against, problem.path) == ("v1", "thing.b")
    assert str(problem) == "thing.b: a field keeps its type: null, long became null, string (against v1)"


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ({**field("a"), "doc": " "}, Rule.NO_DOC),
        ({k: v for k, v in field("a").items() if k != "unit"}, Rule.NO_UNIT),
        (field("a", {"type": "map", "values": "long"}), Rule.MAP),
        (field("a", ["long", "null"], default=None), Rule.UNION),
        (field("a", ["null", "long", "string"], default=None), Rule.UNION),
        (field("a", ["null"], default=None), Rule.UNION),
        (field("a", NULLABLE), Rule.UNION),
        (field("a", NULLABLE, default=3), Rule.UNION),
        (field("a", ["null", enum("x")], default=None), Rule.NULLABLE_ENUM),
        (field("a", aliases=["b"]), Rule.ALIAS),
        (field("a", {"type": "array", "items": "null"}), Rule.ZERO_BYTE_ITEM),
        (field("a", {"type": "array", "items": record(name="empty")}), Rule.ZERO_BYTE_ITEM),
        (
            field("a", {"type": "array", "items": record({"name": "x", "type": "long", "unit": "s"}, name="item")}),
            Rule.NO_DOC,
        ),
        (field("a", ["null", {"type": "map", "values": "long"}], default=None), Rule.MAP),
    ],
)
def test_house_rules(bad: Field, rule: Rule) -> None:
    assert {p.rule for p in house_problems(record(field("good"), bad))} == {rule}


def test_a_record_alias_is_a_rename() -> None:
    assert [p.rule for p in house_problems({**record(field("a")), "aliases": ["old"]})] == [Rule.ALIAS]


def test_nested_paths_are_told() -> None:
    bad = record(
        field("a", {"type": "array", "items": {**ITEM, "fields": [{"name": "x", "type": "long", "unit": "s"}]}})
    )
    assert [p.path for p in house_problems(bad)] == ["thing.a[].x"]


def test_the_envelope_is_the_same_everywhere() -> None:
    like = record(field("id"), field("seq"), field("rest"))
    other = copy.deepcopy(like)
    assert envelope_problems(other, ("id", "seq"), like) == []
    other["fields"][1]["unit"] = "s"
    assert envelope_problems(other, ("id", "seq"), like) == ["thing.seq: is not what it is in thing"]
    other["fields"].reverse()
    assert "begins with rest, seq" in envelope_problems(other, ("id", "seq"), like)[0]
