"""Polars drops a category namespace with its last series; slots must not."""

from __future__ import annotations

import gc

import polars as pl

from streams.operators.slots import KeySlots


def test_slots_stay_when_every_series_is_gone() -> None:
    slots = KeySlots()
    assert slots.assign(pl.Series(["a", "b", "c"])).tolist() == [0, 1, 2]
    gc.collect()
    assert slots.assign(pl.Series(["d", "e"])).tolist() == [3, 4]
    gc.collect()
    assert slots.assign(pl.Series(["e", "a", "f"])).tolist() == [4, 0, 5]
    assert slots.keys == ["a", "b", "c", "d", "e", "f"]
