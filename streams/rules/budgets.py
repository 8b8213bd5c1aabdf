"""What rolling budgets add up: a ring of buckets by event time for each scope. Pure.

A window is `STEPS` steps, the running one among them, so what is older than it is forgotten to a sixtieth of it. The
ring is longer than the window by what clocks may be ahead where a step is a minute or more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from streams.operators.arrays import Field, SlotArrays
from streams.operators.slots import Slots

Doubles = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Side = Literal["spent", "base"]

STEPS = 60
CELLS = STEPS + 6
MOST_AT_ONCE = 1e15
"""Amounts are cut to this, so that no single value makes every sum infinite."""

FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "newest": Field("i8", (), 0, "number of the newest step, floor(event time / step); 0 = none yet"),
        "spent": Field("f8", (CELLS,), 0, "[number % CELLS]: sum of the metric within the step, its unit"),
        "base": Field("f8", (CELLS,), 0, "[number % CELLS]: sum of what `spent` is a share of; 0 without `per`"),
    }
)
"""State by slot of a scope."""


def add(arrays: SlotArrays, side: Side, slots: Slots, times_s: Doubles, amounts: Doubles, step_s: float) -> None:
    """Add finite `amounts` f8[n] at event times f8[n] to scopes `slots` i4[n].

    What is older than the ring is left out, as it would be if it had come in time and the ring had moved on since.
    """
    number = np.floor(times_s / step_s).astype(np.int64)
    before = arrays["newest"][slots]
    np.maximum.at(arrays["newest"], slots, number)
    after = arrays["newest"][slots]
    turned = np.flatnonzero(after > before)
    if turned.size:
        fresh, first = np.unique(slots[turned], return_index=True)
        _forget(arrays, fresh, before[turned[first]], after[turned[first]])
    counts = number > after - CELLS
    cut = np.clip(amounts[counts], -MOST_AT_ONCE, MOST_AT_ONCE)
    np.add.at(arrays[side], (slots[counts], number[counts] % CELLS), cut)


def _forget(arrays: SlotArrays, slots: Slots, before: Numbers, after: Numbers) -> None:
    """Empty the cells of the steps after `before` i8[k] up to `after` i8[k] of `slots` i4[k], no slot twice."""
    ahead = (np.arange(CELLS) - before[:, None] - 1) % CELLS
    row, cell = np.nonzero(ahead < (after - before)[:, None])
    for side in ("spent", "base"):
        arrays[side][slots[row], cell] = 0


def step_number(now_s: float, step_s: float) -> int:
    """The running step."""
    return math.floor(now_s / step_s)


def within(arrays: SlotArrays, slots: Slots, running: int) -> Doubles:
    """Sums of `spent` and `base`, f8[k, 2], of scopes `slots` i4[k] within the window whose last step is `running`."""
    newest = arrays["newest"][slots][:, None]
    number = newest - (newest - np.arange(CELLS)) % CELLS
    counts = number > running - STEPS
    return np.stack([np.where(counts, arrays[side][slots], 0.0).sum(axis=1) for side in ("spent", "base")], axis=1)
