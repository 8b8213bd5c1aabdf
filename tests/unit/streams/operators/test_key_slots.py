from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from streams.operators.slots import KeySlots


def test_slots_count_up_in_the_order_of_first_rows() -> None:
    slots = KeySlots()
    assert slots.assign(pl.Series(["b", "a", "b", "c"])).tolist() == [0, 1, 0, 2]
    assert slots.assign(pl.Series(["d", "a"])).tolist() == [3, 1]
    assert slots.keys == ["b", "a", "c", "d"]
    assert len(slots) == 4


def test_lookup_adds_nothing() -> None:
    slots = KeySlots()
    slots.assign(pl.Series(["a"]))
    assert slots.lookup(pl.Series(["x", "a"])).tolist() == [-1, 0]
    assert slots.keys == ["a"]
    assert slots.assign(pl.Series(["x"])).tolist() == [1]


def test_an_empty_batch_has_no_slots() -> None:
    slots = KeySlots().assign(pl.Series([], dtype=pl.String))
    assert slots.dtype == np.int32
    assert slots.size == 0


def test_books_of_keys_are_apart() -> None:
    one, two = KeySlots(), KeySlots()
    one.assign(pl.Series(["a", "b"]))
    assert two.assign(pl.Series(["b"])).tolist() == [0]


@given(st.lists(st.lists(st.text(max_size=3), max_size=30), max_size=6))
def test_equals_a_dict(batches: list[list[str]]) -> None:
    slots, expected = KeySlots(), dict[str, int]()
    for batch in batches:
        found = slots.assign(pl.Series(batch, dtype=pl.String))
        assert found.tolist() == [expected.setdefault(key, len(expected)) for key in batch]
    assert slots.keys == list(expected)


def test_many_keys_grow_the_table() -> None:
    slots = KeySlots()
    keys = pl.Series([f"agent-{i}" for i in range(5000)])
    assert slots.assign(keys).tolist() == list(range(5000))
    assert slots.assign(keys.reverse()).tolist() == list(range(4999, -1, -1))
