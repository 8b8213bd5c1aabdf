"""Maintenance windows: whether one is open, and when that changes. Times of day in the zone of the window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from streams.rules.sections import Maintenance

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _on(window: Maintenance, day: date) -> bool:
    number = day.weekday()
    if window.every in _DAYS:
        return _DAYS[number] == window.every
    return {"day": True, "weekday": number < 5, "weekend": number >= 5}[window.every]


def _spans(window: Maintenance, now_s: float) -> Iterator[tuple[float, float]]:
    """(begin, end) in seconds since the epoch of the windows that begin from yesterday to in eight days."""
    zone = ZoneInfo(window.zone)
    today = datetime.fromtimestamp(now_s, UTC).astimezone(zone).date()
    begins, ends = time.fromisoformat(window.begins), time.fromisoformat(window.ends)
    for number in range(-1, 9):
        day = today + timedelta(days=number)
        if not _on(window, day):
            continue
        until = day + timedelta(days=1) if ends <= begins else day
        begin = datetime.combine(day, begins, zone).timestamp()
        yield begin, datetime.combine(until, ends, zone).timestamp()


def is_open(window: Maintenance, now_s: float) -> bool:
    """Whether the window is open at `now_s`, seconds since the epoch. Its begin belongs to it, its end does not."""
    return any(begin <= now_s < end for begin, end in _spans(window, now_s))


def next_change_s(windows: Iterable[Maintenance], now_s: float) -> float | None:
    """When the next of them opens or closes after `now_s`; None where there are none."""
    edges = (edge for window in windows for span in _spans(window, now_s) for edge in span)
    return min((edge for edge in edges if edge > now_s), default=None)
