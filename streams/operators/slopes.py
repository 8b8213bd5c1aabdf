"""How fast a series changes over a window: two anchors a series, whatever its cadence. Pure.

The slope is taken against the older anchor, which is between half a window and a window and a half old; every half
window the newer one takes its place. A gap of more than two windows begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from streams.operators.arrays import Field, SlotArrays
from streams.operators.slots import Slots

Doubles = npt.NDArray[np.float64]

FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "old_s": Field("f8", (), np.nan, "event time of the older anchor, s; NaN = no value yet"),
        "old": Field("f8", (), np.nan, "its value, unit of the metric"),
        "new_s": Field("f8", (), np.nan, "event time of the newer anchor, s"),
        "new": Field("f8", (), np.nan, "its value"),
    }
)


def rounds(slots: Slots) -> Iterator[npt.NDArray[np.int64]]:
    """Rows such that each slot comes once a round, in the order of the batch."""
    order = np.argsort(slots, kind="stable")
    in_order = slots[order]
    first = np.r_[True, in_order[1:] != in_order[:-1]] if slots.size else np.zeros(0, np.bool_)
    starts = np.flatnonzero(first)
    number = np.arange(slots.size) - np.repeat(starts, np.diff(np.r_[starts, slots.size]))
    for turn in range(int(number.max()) + 1 if slots.size else 0):
        yield order[number == turn]


def update(arrays: SlotArrays, slots: Slots, times_s: Doubles, values: Doubles, window_s: float) -> Doubles:
    """Change per second f8[n] of finite `values` f8[n] at `times_s` f8[n] of series `slots` i4[n]; NaN = not known."""
    found = np.full(slots.size, np.nan)
    for rows in rounds(slots):
        found[rows] = _step(arrays, slots[rows], times_s[rows], values[rows], window_s)
    return found


def _step(arrays: SlotArrays, slots: Slots, times_s: Doubles, values: Doubles, window_s: float) -> Doubles:
    new_s, old_s = arrays["new_s"][slots], arrays["old_s"][slots]
    anew = np.isnan(new_s) | (times_s - new_s > 2 * window_s)
    span_s = times_s - old_s
    known = ~anew & (span_s >= window_s / 2) & (times_s >= new_s)
    slope = np.full(slots.size, np.nan)
    slope[known] = (values[known] - arrays["old"][slots[known]]) / span_s[known]
    moves = ~anew & (times_s - new_s >= window_s / 2)
    arrays["old_s"][slots[moves]], arrays["old"][slots[moves]] = new_s[moves], arrays["new"][slots[moves]]
    arrays["old_s"][slots[anew]], arrays["old"][slots[anew]] = times_s[anew], values[anew]
    set_new = anew | moves
    arrays["new_s"][slots[set_new]], arrays["new"][slots[set_new]] = times_s[set_new], values[set_new]
    return slope
