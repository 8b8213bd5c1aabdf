"""Violations of the last hour of every agent, in buckets of five minutes by event time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from streams.operators.arrays import Field, SlotArrays
from streams.operators.slots import Slots

_BUCKETS, _BUCKET_S = 12, 300.0
VIOLATIONS: Mapping[str, Field] = MappingProxyType(
    {
        "count": Field("u4", (_BUCKETS,), 0, "[bucket]: violations of five minutes, count"),
        "number": Field("u4", (_BUCKETS,), 0, "[bucket]: which five minutes since the epoch; 0 = none yet"),
    }
)
"""State by agent slot: violations of the last hour."""


def note_violations(arrays: SlotArrays, slots: Slots, times_s: npt.NDArray[np.float64]) -> None:
    """Count violations: agent `slots` i4[n] at event times `times_s` f8[n]."""
    number = np.clip(times_s / _BUCKET_S, 0, np.iinfo(np.uint32).max).astype(np.uint32)
    place = number % _BUCKETS
    before = arrays["number"][slots, place]
    np.maximum.at(arrays["number"], (slots, place), number)
    now = arrays["number"][slots, place]
    turned = now != before
    arrays["count"][slots[turned], place[turned]] = 0
    counts = number == now
    np.add.at(arrays["count"], (slots[counts], place[counts]), 1)


def violations_within_hour(arrays: SlotArrays, slots: Slots, now_s: float) -> npt.NDArray[np.float64]:
    """Violations in the last hour of `slots` i4[k], f8[k]; in steps of five minutes."""
    oldest = max(int(now_s / _BUCKET_S) - _BUCKETS + 1, 1)
    found = np.zeros(slots.size)
    rows, buckets = np.nonzero(arrays["number"][slots] >= oldest)  # few: most agents break no policy
    np.add.at(found, rows, arrays["count"][slots[rows], buckets])
    return found
