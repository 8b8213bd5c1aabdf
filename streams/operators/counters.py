"""Counters among series that people define, told by what they do, and their rates. Pure.

A counter only rises: every value is a record, whatever came before, so its level says nothing and its rate does. Nobody
says of a metric of one's own whether it counts: a series that rose `NEEDED` times and never fell in between is a
counter. It stays one when it falls to half or less, but not below 0, which is a restart; any other fall ends it at
once.

    rate = (x - x')/(t - t')    of a counter's value x at t after x' at t', x >= x'; none at a restart

State is 17 bytes a series, whatever its cadence: one value, its time, how often it rose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.operators.anomaly_kernel import compiled
from streams.operators.arrays import Field, SlotArrays
from streams.operators.slots import Slots

Doubles = npt.NDArray[np.float64]

NEEDED = 12
"""Rises without a fall that make a counter. Noise shows them once in 13! values; nothing is flagged before its 15th."""
LEAST_S = 1.0
"""Between two values that a rate is of: what is told twice in a moment would make a burst of a single count."""
RESTART_SHARE = 0.5
"""Of the value before: a counter that falls to at most so much began anew."""
FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "value": Field("f8", (), np.nan, "newest value, unit of the metric; NaN = none yet"),
        "at_s": Field("f8", (), np.nan, "its event time, s since the epoch; NaN = none yet"),
        "rises": Field("u1", (), 0, "times that it rose since it last fell, at most `NEEDED`"),
    }
)


@dataclass(frozen=True, slots=True)
class Rates:
    """Of every row: `counts` bool[n], whether its series is a counter; `per_s` f8[n], what it counted a second since
    the value before, NaN = not known."""

    counts: npt.NDArray[np.bool_]
    per_s: Doubles


@compiled
def _scan(
    slots: Any,  # noqa: ANN401  # compiled for arrays of fixed type
    values: Any,  # noqa: ANN401  # Numba types it
    event_time_s: Any,  # noqa: ANN401  # Numba types it
    newest: Any,  # noqa: ANN401  # Numba types it
    newest_s: Any,  # noqa: ANN401  # Numba types it
    rises: Any,  # noqa: ANN401  # Numba types it
    needed: int,
    restart_share: float,
    late_s: float,
    least_s: float,
    counts: Any,  # noqa: ANN401  # Numba types it
    per_s: Any,  # noqa: ANN401  # Numba types it
) -> None:
    for row in range(slots.size):
        slot, value, now = slots[row], values[row], event_time_s[row]
        counts[row] = rises[slot] >= needed
        last = newest_s[slot]
        if not (np.isfinite(value) and np.isfinite(now)) or last - late_s < now < last + least_s:
            continue
        before = newest[slot]
        newest[slot], newest_s[slot] = value, now
        if value > before:
            rises[slot] = min(rises[slot] + 1, needed)
        elif value < before and not (counts[row] and 0.0 <= value <= restart_share * before):
            rises[slot] = 0
        counts[row] = rises[slot] >= needed
        if counts[row] and value >= before and now >= last + least_s:
            per_s[row] = (value - before) / (now - last)


def update(arrays: SlotArrays, slots: Slots, values: Doubles, event_time_s: Doubles, late_s: float) -> Rates:
    """Take in values f8[n] of series `slots` i4[n] at event times f8[n], in batch order.

    `arrays` has `FIELDS` and room for the slots.
    A value that is older than its series' newest by up to `late_s` is late or double and changes nothing, as one does
    that follows within `LEAST_S`; one that is older still means that the clock was set. Values that are not finite
    count as absent.
    """
    rates = Rates(np.zeros(slots.size, np.bool_), np.full(slots.size, np.nan))
    state = (arrays[name] for name in FIELDS)
    _scan(slots, values, event_time_s, *state, NEEDED, RESTART_SHARE, late_s, LEAST_S, rates.counts, rates.per_s)
    return rates
