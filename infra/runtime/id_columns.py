"""Event ids by columns: `infra.runtime.ids.event_id` for whole batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def event_ids(
    timestamps_us: NDArray[np.int64], session_bits: NDArray[np.int64] | int, seqs: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Ids u1[rows, 16] of events at `timestamps_us` i8[rows] with sequence numbers `seqs` i8[rows]."""
    halves = np.empty((timestamps_us.size, 2), ">u8")
    millis = (timestamps_us // 1000).astype(np.uint64) & np.uint64((1 << 48) - 1)
    halves[:, 0] = millis << np.uint64(16) | np.uint64(0x7000) | seqs.astype(np.uint64) & np.uint64(0xFFF)
    rest = (seqs.astype(np.uint64) >> np.uint64(12)) & np.uint64(0xFFFF_FFFF)
    bits = np.asarray(session_bits, np.uint64) << np.uint64(32)
    halves[:, 1] = np.uint64(1 << 63) | bits | rest
    return halves.view(np.uint8).reshape(-1, 16)
