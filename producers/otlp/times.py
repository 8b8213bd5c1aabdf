"""Times of OTLP (nanoseconds since the epoch, 0: not told) as ours (micros), where they can be true."""

from __future__ import annotations

EARLIEST_US = 946_684_800_000_000
"""2000-01-01: what is older is a broken clock."""
AHEAD_US = 86_400_000_000
"""A day: what is further ahead is one too."""
OUT_OF_RANGE = "its time is before 2000 or more than a day ahead"


def event_us(time_ns: int, now_us: int) -> int | None:
    """The time in micros, `now_us` where it was not told, None where it cannot be true."""
    if time_ns == 0:
        return now_us
    time_us = time_ns // 1000
    return time_us if EARLIEST_US <= time_us <= now_us + AHEAD_US else None


def latency_ms(start_ns: int, end_ns: int) -> float | None:
    """How long it took, ms; None where either is not told or the end lies before the start."""
    return (end_ns - start_ns) / 1e6 if 0 < start_ns <= end_ns else None
