"""What is known of every agent's trust and violations, read again where something happened since. Pure.

Evidence decays all the time, but slowly: who had no event is read again when it has decayed by about a ten thousandth,
or after half a minute.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from streams.operators import trust
from streams.operators.arrays import SlotArrays
from streams.operators.slots import Slots
from streams.rules.violations import violations_within_hour

Doubles = npt.NDArray[np.float64]
LONGEST_S = 30.0
_DECAY = 1e-4


class Standings:
    """By agent slot, f8: `trust`, `compliant`, `violating` (decayed checks), `violations` of the last hour."""

    def __init__(self) -> None:
        self.trust, self.compliant, self.violating, self.violations = (np.zeros(0) for _ in range(4))
        self._stale: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._read_s = -math.inf

    def touch(self, slots: Slots) -> None:
        """These agents had events."""
        if slots.size and (highest := int(slots.max())) >= self._stale.size:
            self._reserve(max(highest + 1, 2 * self._stale.size))
        self._stale[slots] = True

    def of(self, count: int) -> tuple[Doubles, Doubles, Doubles]:
        """What decays, of slots 0 to `count` - 1: trust, compliant, violating, f8[count] each."""
        return self.trust[:count], self.compliant[:count], self.violating[:count]

    def refresh(
        self, config: trust.TrustConfig, evidence: SlotArrays, violations: SlotArrays, count: int, now_s: float
    ) -> None:
        """Bring slots 0 to `count` - 1 to `now_s`; `evidence`: state of trust, `violations`: state of violations."""
        if count > self._stale.size:
            self._reserve(max(count, 2 * self._stale.size))
        if not 0 <= now_s - self._read_s < min(LONGEST_S, config.half_life_s * _DECAY):
            self._read_s = now_s
            self._stale[:count] = True
        slots = np.flatnonzero(self._stale[:count]).astype(np.int32)
        scores = trust.read(config, evidence, slots, now_s)
        self.trust[slots], self.compliant[slots], self.violating[slots] = (
            scores.trust,
            scores.compliant,
            scores.violating,
        )
        self.violations[slots] = violations_within_hour(violations, slots, now_s)
        self._stale[:count] = False

    def _reserve(self, size: int) -> None:
        for name in ("trust", "compliant", "violating", "violations"):
            grown = np.zeros(size)
            grown[: self._stale.size] = getattr(self, name)
            setattr(self, name, grown)
        fresh = np.ones(size - self._stale.size, np.bool_)
        self._stale = np.concatenate([self._stale, fresh])
