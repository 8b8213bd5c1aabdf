"""State of an operator: a struct of arrays whose leading axis is the slot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_CACHE_LINE_BYTES = 64
_LEAST_CAPACITY = 64


@dataclass(frozen=True, slots=True)
class Field:
    """One state field. `doc` says unit and what NaN (or the fill value) means.

    `dtype` is a NumPy type code such as "f4"; `shape` is the shape for one slot, () for a scalar; `fill` is the value
    of a slot that has seen nothing.
    """

    dtype: str
    shape: tuple[int, ...]
    fill: float
    doc: str


def _aligned_full(field: Field, capacity: int) -> Array:
    """An array of `fill` that begins on a cache line, so that a slot's row touches as few lines as it can."""
    dtype = np.dtype(field.dtype)
    shape = (capacity, *field.shape)
    size_bytes = int(np.prod(shape)) * dtype.itemsize
    raw = np.empty(size_bytes + _CACHE_LINE_BYTES, np.uint8)
    skip = -raw.ctypes.data % _CACHE_LINE_BYTES
    array: Array = raw[skip : skip + size_bytes].view(dtype).reshape(shape)
    array.fill(field.fill)
    return array


class SlotArrays:
    """Arrays by field name, each [capacity, *field.shape]; rows of unused slots hold the fill value."""

    def __init__(self, fields: Mapping[str, Field], capacity: int = 0) -> None:
        self.fields: Mapping[str, Field] = dict(fields)
        self.capacity = capacity
        self._arrays = {name: _aligned_full(field, capacity) for name, field in self.fields.items()}

    def __getitem__(self, name: str) -> Array:
        """The array of a field, no copy: [capacity, *shape]. Valid until the next `reserve` that grows."""
        return self._arrays[name]

    def reserve(self, count: int) -> None:
        """Make room for slots 0 to `count` - 1; grows to at least one and a half times what it was."""
        if count <= self.capacity:
            return
        capacity = max(count, self.capacity + self.capacity // 2, _LEAST_CAPACITY)
        for name, field in self.fields.items():
            grown = _aligned_full(field, capacity)
            grown[: self.capacity] = self._arrays[name]
            self._arrays[name] = grown
        self.capacity = capacity

    def take(self, slots: npt.ArrayLike) -> dict[str, Array]:
        """Copies of the state of `slots` (int[k]): field name to [k, *shape]."""
        index = np.asarray(slots, np.int64)
        return {name: array[index] for name, array in self._arrays.items()}

    def put(self, slots: npt.ArrayLike, columns: Mapping[str, npt.ArrayLike]) -> None:
        """Replace the state of `slots` (int[k]) by what `take` gave; grows as needed.

        Fields that `columns` lacks take their fill value (a state field newer than the snapshot).

        Raises:
            KeyError: `columns` names a field that this state does not have.
        """
        index = np.asarray(slots, np.int64)
        if unknown := set(columns) - set(self._arrays):
            raise KeyError(f"no state field {', '.join(sorted(unknown))}")
        if index.size:
            self.reserve(int(index.max()) + 1)
        for name, field in self.fields.items():
            self._arrays[name][index] = columns.get(name, field.fill)

    def bytes_per_slot(self) -> int:
        """Memory that one slot takes."""
        return sum(np.dtype(f.dtype).itemsize * int(np.prod(f.shape)) for f in self.fields.values())
