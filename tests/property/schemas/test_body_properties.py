"""Records written field by field: the bytes that fastavro writes, and its word where a value does not fit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schema_world import record, records_of

from infra.schema_cli import avsc_folder
from schemas.body import UnusualValueError, body_writer
from schemas.record import encode_body
from schemas.registry import WriterSchema, load_schema, make_schema

NAMES = sorted(path.stem for path in avsc_folder().glob("*.avsc"))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ODD = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=80)),
    *(st.just("\ud800"), st.just("x" * 9_000), st.just(2**63), st.just(-(2**63)), st.just(2**53 + 1), st.just(10**400)),
    st.just(datetime(2026, 11, 22, tzinfo=UTC)),
    st.lists(st.one_of(st.text(max_size=5), st.just({"name": "n", "value": 1.5}), st.none()), max_size=3),
    st.just(("a", "b")),
    st.just({"name": "a", "value": "b"}),
)


def by_fastavro(schema: WriterSchema, row: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema.parsed, dict(row))
    return buffer.getvalue()


def in_micros(value: object) -> object:
    """Times as our own code gives them."""
    return (value - EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value


def outcome(encode: Any, schema: WriterSchema, row: Mapping[str, Any]) -> object:  # noqa: ANN401  # either of the two
    """The bytes, or the kind and words of the mistake."""
    try:
        return encode(schema, row)
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_bytes_are_fastavros(name: str, data: st.DataObject) -> None:
    schema = load_schema(name)
    row = {name: in_micros(value) for name, value in data.draw(records_of(schema)).items()}
    assert schema.write(row) == by_fastavro(schema, row)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_odd_and_missing_values_are_judged_by_fastavro(name: str, data: st.DataObject) -> None:
    schema = load_schema(name)
    row = dict(record(schema))
    for field in data.draw(st.sets(st.sampled_from(sorted(row)), min_size=1, max_size=3)):
        if data.draw(st.booleans()):
            row[field] = data.draw(ODD)
        else:
            del row[field]
    assert outcome(encode_body, schema, row) == outcome(by_fastavro, schema, row)


def test_a_schema_of_other_shapes_is_left_to_fastavro() -> None:
    other = {"type": "record", "name": "Other", "fields": [{"name": "x", "type": {"type": "map", "values": "long"}}]}
    with pytest.raises(UnusualValueError):
        body_writer(other)({"x": {"a": 1}})
    schema = make_schema(other)
    assert encode_body(schema, {"x": {"a": 1}}) == by_fastavro(schema, {"x": {"a": 1}})
