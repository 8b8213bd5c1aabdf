from __future__ import annotations

import numpy as np
import pytest

from streams.operators.arrays import Field, SlotArrays

FIELDS = {
    "last_s": Field("f8", (), np.nan, "event time, s; NaN = never"),
    "counts": Field("u1", (3,), 7, "[kind], count"),
}


def test_growing_keeps_what_was_there_and_fills_the_rest() -> None:
    arrays = SlotArrays(FIELDS)
    arrays.reserve(2)
    arrays["last_s"][1] = 5.0
    arrays.reserve(arrays.capacity + 1)
    assert arrays["last_s"][1] == 5.0
    assert np.isnan(arrays["last_s"][arrays.capacity - 1])
    assert (arrays["counts"] == 7).all()


def test_reserving_grows_by_shares_so_that_many_small_steps_are_cheap() -> None:
    arrays, sizes = SlotArrays(FIELDS), set[int]()
    for count in range(1, 10_000):
        arrays.reserve(count)
        sizes.add(arrays.capacity)
    assert len(sizes) < 20


def test_arrays_begin_on_a_cache_line() -> None:
    arrays = SlotArrays(FIELDS, 100)
    assert all(arrays[name].ctypes.data % 64 == 0 for name in FIELDS)


def test_what_is_taken_is_a_copy() -> None:
    arrays = SlotArrays(FIELDS, 4)
    taken = arrays.take([2])
    taken["counts"][:] = 0
    assert (arrays["counts"] == 7).all()


def test_put_grows_and_fills_fields_that_a_snapshot_lacks() -> None:
    arrays = SlotArrays(FIELDS)
    arrays.put([70], {"last_s": [1.5]})
    assert arrays["last_s"][70] == 1.5
    assert arrays["counts"][70].tolist() == [7, 7, 7]


def test_put_refuses_a_field_that_is_unknown() -> None:
    with pytest.raises(KeyError, match="no state field other"):
        SlotArrays(FIELDS).put([0], {"other": [1]})


def test_bytes_per_slot() -> None:
    assert SlotArrays(FIELDS).bytes_per_slot() == 11
