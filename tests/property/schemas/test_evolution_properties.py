"""The compatibility rule against fastavro's schema resolution: what we allow, fastavro reads, both ways."""

from __future__ import annotations

import copy
import io
from typing import Any

import fastavro
from hypothesis import assume, event, given
from hypothesis import strategies as st

from schemas.compatibility import Rule, house_problems, incompatibilities

Json = Any

PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "long": st.integers(-(2**63), 2**63 - 1),
    "int": st.integers(-(2**31), 2**31 - 1),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=5),
    "boolean": st.booleans(),
    "bytes": st.binary(max_size=5),
}
DEFAULTS: dict[str, Any] = {"long": 7, "int": 7, "double": 1.5, "string": "d", "boolean": True, "bytes": "d"}


@st.composite
def fields(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """A field of house style: a primitive, a nullable one or an array, with or without a default."""
    kind = draw(st.sampled_from(sorted(PRIMITIVES)))
    field: dict[str, Any] = {"name": name, "doc": "d", "unit": "u"}
    match draw(st.sampled_from(["plain", "nullable", "array"])):
        case "nullable":
            return field | {"type": ["null", kind], "default": None}
        case "array":
            field |= {"type": {"type": "array", "items": kind}}
            return field | ({"default": []} if draw(st.booleans()) else {})
        case _:
            field |= {"type": kind}
            return field | ({"default": DEFAULTS[kind]} if draw(st.booleans()) else {})


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True))
    return {"type": "record", "name": "thing", "fields": [draw(fields(name)) for name in names]}


@st.composite
def successors(draw: st.DrawFn, old: dict[str, Any]) -> dict[str, Any]:
    """What somebody may make of a schema: fields stay, go, change or come, in any order."""
    kept = [draw(st.sampled_from([f, f, f, draw(fields(f["name"])), None])) for f in old["fields"]]
    come = [draw(fields(name)) for name in draw(st.lists(st.sampled_from("xyz"), max_size=2, unique=True))]
    return {**old, "fields": draw(st.permutations([f for f in (*kept, *come) if f is not None]))}


def value_of(schema: Json) -> st.SearchStrategy[Any]:
    """Values of a type."""
    if isinstance(schema, list):
        return st.none() | PRIMITIVES[schema[1]]
    if isinstance(schema, dict) and schema["type"] == "array":
        return st.lists(PRIMITIVES[schema["items"]], max_size=3)
    if isinstance(schema, dict):
        return st.fixed_dictionaries({f["name"]: value_of(f["type"]) for f in schema["fields"]})
    return PRIMITIVES[schema]


def written(schema: dict[str, Any], value: Json) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, copy.deepcopy(schema), value)
    return buffer.getvalue()


def read(body: bytes, writer: dict[str, Any], reader: dict[str, Any]) -> Json:
    return fastavro.schemaless_reader(io.BytesIO(body), copy.deepcopy(writer), copy.deepcopy(reader))


@given(old=records(), data=st.data())
def test_what_is_allowed_can_be_read_both_ways(old: dict[str, Any], data: st.DataObject) -> None:
    """Where the rule finds nothing, common fields keep their values in both directions."""
    new = data.draw(successors(old))
    allowed = not incompatibilities(new, {"old": old})
    event(f"allowed: {allowed}")
    assume(allowed)
    for writer, reader in ((old, new), (new, old)):
        value = data.draw(value_of(writer))
        got = read(written(writer, value), writer, reader)
        assert got.keys() == {f["name"] for f in reader["fields"]}
        assert all(got[name] == value[name] for name in got.keys() & value.keys())


@given(schema=records(), more=fields("new"), data=st.data())
def test_a_field_may_come_and_go_exactly_if_it_has_a_default(
    schema: dict[str, Any], more: dict[str, Any], data: st.DataObject
) -> None:
    larger = {**schema, "fields": [*schema["fields"], more]}
    coming, going = incompatibilities(larger, {"v": schema}), incompatibilities(schema, {"v": larger})
    if "default" in more:
        assert not coming
        assert not going
    else:
        assert [p.rule for p in coming] == [Rule.NEW_FIELD_WITHOUT_DEFAULT]
        assert [p.rule for p in going] == [Rule.REMOVED_FIELD_WITHOUT_DEFAULT]
    body = written(schema, data.draw(value_of(schema)))
    try:
        read(body, schema, larger)
    except fastavro.read.SchemaResolutionError:
        assert "default" not in more
    else:
        assert "default" in more


@given(schema=records(), data=st.data())
def test_the_relation_is_reflexive_and_symmetric(schema: dict[str, Any], data: st.DataObject) -> None:
    other = data.draw(successors(schema))
    assert not incompatibilities(schema, {"v": schema})
    assert bool(incompatibilities(schema, {"v": other})) == bool(incompatibilities(other, {"v": schema}))


@given(schema=records(), data=st.data())
def test_a_changed_type_is_found(schema: dict[str, Any], data: st.DataObject) -> None:
    changed = copy.deepcopy(schema)
    field = data.draw(st.sampled_from(changed["fields"]))
    before = copy.deepcopy(field["type"])
    field["type"] = data.draw(fields("x"))["type"]
    found = {p.rule for p in incompatibilities(changed, {"v": schema})}
    assert found == (set() if field["type"] == before else {Rule.TYPE_CHANGED})


@given(schema=records())
def test_schemas_of_house_style_break_no_house_rule(schema: dict[str, Any]) -> None:
    assert house_problems(schema) == []
