"""Operator state of one partition: keyed stores, each with its slots and one or more struct-of-arrays.

Keys fall into `BUCKETS` buckets by their agent, so that a snapshot is many messages of bounded size instead of one that
grows with the fleet, and only buckets that changed are written.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.operators.arrays import SlotArrays
from streams.operators.slots import KeySlots

BUCKETS = 64
SERIES_SEPARATOR = "\x1f"
"""Between the agent and the metric in the key of a single series."""

I4 = npt.NDArray[np.int32]


def bucket_of(key: str) -> int:
    """The bucket of a key, 0 to BUCKETS - 1: CRC-32 of the agent, so that an agent's stores fall together."""
    return zlib.crc32(key.partition(SERIES_SEPARATOR)[0].encode()) % BUCKETS


@dataclass
class KeyedStore:
    """Slots of one kind of key, and the arrays that share them.

    `buckets`: i4[slots], bucket of every slot.
    """

    arrays: Mapping[str, SlotArrays]
    slots: KeySlots = field(default_factory=KeySlots)
    buckets: I4 = field(default_factory=lambda: np.zeros(0, np.int32))

    def assign(self, keys: pl.Series) -> I4:
        """Slots of keys, i4[n]; new keys get new slots and room in every array."""
        slots = self.slots.assign(keys)
        known = len(self.buckets)
        if len(self.slots) > known:
            fresh = np.fromiter((bucket_of(key) for key in self.slots.keys[known:]), np.int32)
            self.buckets = np.concatenate([self.buckets, fresh])
            for arrays in self.arrays.values():
                arrays.reserve(len(self.slots))
        return slots

    def __len__(self) -> int:
        return len(self.slots)
