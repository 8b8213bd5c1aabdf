"""A token bucket: so many messages a minute, some of them at once."""

from __future__ import annotations

from sinks.notify.settings import Rate


class TokenBucket:
    """Time is an argument: seconds of a clock that never goes back."""

    def __init__(self, rate: Rate | None, now_s: float) -> None:
        self._rate = rate
        self._tokens = float(rate.burst) if rate else 0.0
        self._at_s = now_s

    def take(self, now_s: float) -> float:
        """0 and one token less, or the seconds until there is one."""
        if self._rate is None:
            return 0.0
        per_s = self._rate.per_minute / 60
        self._tokens = min(float(self._rate.burst), self._tokens + (now_s - self._at_s) * per_s)
        self._at_s = now_s
        # A rounding error short of a whole token would make it wait for no time at all, for ever.
        if self._tokens >= 1 - 1e-9:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / per_s
