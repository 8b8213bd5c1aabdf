"""Time as an argument. Nothing below the processes' edges calls `time.time()` itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Wall clock and monotonic clock, in seconds."""

    def now_s(self) -> float:
        """Seconds since the Unix epoch, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds of a clock that never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()


@dataclass
class ManualClock:
    """A clock that tests move by hand; both readings advance together."""

    wall_s: float = 1_700_000_000.0
    elapsed_s: float = 0.0

    def now_s(self) -> float:
        return self.wall_s

    def monotonic_s(self) -> float:
        return self.elapsed_s

    def advance(self, seconds: float) -> None:
        self.wall_s += seconds
        self.elapsed_s += seconds
