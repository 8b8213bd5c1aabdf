"""The agent's own view of its trust: a claim that goes out with its beats and metrics. The pipeline has its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from producers.sdk.agent_config import TrustConfig

_HOUR_S = 3_600.0


class TrustScore:
    """A number from 0 to 1 that checks of responses move, by the settings of the sources.

    Before each check it fades by the time since the last: `score * (1 - decay_rate) ** hours`. Then each violation
    takes `violation_penalty` off; a response without one adds `compliance_bonus`. Bounded to 0 and 1.
    """

    def __init__(self, config: TrustConfig, now_s: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._now_s = now_s
        self._score = config.initial_score
        self._checked_s = now_s()
        self._lock = threading.Lock()

    def _faded(self, now_s: float) -> float:
        hours = max(now_s - self._checked_s, 0.0) / _HOUR_S
        kept: float = (1.0 - self._config.decay_rate) ** hours
        return self._score * kept

    def note(self, violations: int) -> float:
        """Count the check of one response; the score after it."""
        with self._lock:
            now_s = self._now_s()
            moved = -violations * self._config.violation_penalty if violations else self._config.compliance_bonus
            self._score = min(1.0, max(0.0, self._faded(now_s) + moved))
            self._checked_s = now_s
            return self._score

    @property
    def score(self) -> float:
        """As it is now."""
        return self._faded(self._now_s())
