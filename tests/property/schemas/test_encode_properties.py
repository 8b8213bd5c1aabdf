"""The columnar encoder writes the same bytes as fastavro, for every flat schema of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.encode import Constant, Doubles, Fixed, Longs, Pool, Pooled, encode_columns, encode_long, encode_parts
from schemas.record import encode_single_object
from schemas.registry import load_schema

NAMES = ("heartbeat", "lifecycle", "metrics", "violation", "run", "status", "trust")
LONGS = st.integers(-(2**63), 2**63 - 1)
DOUBLES = st.floats(allow_nan=False)
BASE: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=80),
    "bytes": st.binary(max_size=80),
    "boolean": st.booleans(),
    "long": LONGS,
    "double": DOUBLES,
}


def value_of(kind: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401  # a JSON schema node
    """Values of a flat type; arrays stay empty."""
    if isinstance(kind, list):
        return st.none() | value_of(kind[1])
    name = kind["type"] if isinstance(kind, dict) else kind
    return st.just([]) if name == "array" else BASE[name]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_bytes_are_those_of_fastavro(name: str, data: st.DataObject) -> None:
    schema = load_schema(name)
    fields = schema.raw["fields"]
    record = st.fixed_dictionaries({f["name"]: value_of(f["type"]) for f in fields})
    records = data.draw(st.lists(record, max_size=5))
    columns = {f["name"]: [r[f["name"]] for r in records] for f in fields if "array" not in str(f["type"])}
    encoded = encode_columns(schema, len(records), columns).to_list()
    assert encoded == [encode_single_object(schema, r) for r in records]


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(LONGS, st.binary(min_size=16, max_size=16), DOUBLES, DOUBLES), max_size=20))
def test_parts_stand_in_their_order(rows: list[tuple[int, bytes, float, float]]) -> None:
    longs = np.array([r[0] for r in rows], np.int64)
    fixed = np.frombuffer(b"".join(r[1] for r in rows), np.uint8).reshape(len(rows), 16)
    doubles = np.array([r[2:] for r in rows], np.float64).reshape(len(rows), 2)
    pool = Pooled(Pool.of([b"", b"ab"]), np.arange(len(rows)) % 2)
    encoded = encode_parts(len(rows), [Constant(b"\x07"), Longs(longs), Fixed(fixed), pool, Doubles(doubles)]).to_list()
    assert encoded == [
        b"\x07" + encode_long(a) + b"\x20" + b + (b"ab" if i % 2 else b"") + np.array([c, d], "<f8").tobytes()
        for i, (a, b, c, d) in enumerate(rows)
    ]
