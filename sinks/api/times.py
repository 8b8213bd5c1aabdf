"""Times as the API writes and reads them: ISO 8601, UTC, with Z."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from infra.runtime.durations import parse_duration_s
from infra.runtime.errors import SettingError

LONGEST = timedelta(days=400)
"""No question looks further back: the longest that the lake keeps anything."""
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_WITH_ZONE = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})$")


class TimeError(ValueError):
    """A time or range that cannot be read, in words for who asked."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to before `end`, both aware."""

    start: datetime
    end: datetime

    @property
    def length_s(self) -> float:
        """Seconds."""
        return (self.end - self.start).total_seconds()


def at_s(seconds: float) -> datetime:
    """An aware time of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def iso(moment: datetime) -> str:
    """Milliseconds are kept, finer parts where there are any."""
    moment = moment.astimezone(UTC)
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def iso_us(timestamp_us: int) -> str | None:
    """The same of microseconds since 1970; None for 0 and for what no calendar has."""
    if timestamp_us <= 0:
        return None
    try:
        return iso(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=timestamp_us))
    except OverflowError:
        return None


def parse_time(text: str, name: str) -> datetime:
    """An aware time; one without a zone is UTC, a date alone its first moment. Raises `TimeError`."""
    text = text.strip().replace(" ", "+")  # a plus that nobody escaped in a query string
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if _WITH_ZONE.search(text) and moment.tzinfo else moment.replace(tzinfo=UTC)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimeError(f"{name} is no time: write it like 2026-11-21T19:00:00Z") from None
    if not _EARLIEST <= moment <= _LATEST:
        raise TimeError(f"{name} lies outside of the years 2000 to 2199")
    return moment


def parse_span(
    now: datetime,
    *,
    default: str,
    range_: str | None = None,
    since: str | None = None,
    until: str | None = None,
    ahead_s: float = 0.0,
) -> Span:
    """What `range=24h` or `from=..&to=..` asks for; without either, `default` before `now`.

    Without a `to` it goes on to `ahead_s` after now. Raises `TimeError`.
    """
    if range_ is not None and since is not None:
        raise TimeError("range and from exclude each other: give one of them")
    end = parse_time(until, "to") if until is not None else now
    start = parse_time(since, "from") if since is not None else end - _length(default if range_ is None else range_)
    if start >= end:
        raise TimeError("from has to lie before to")
    if end - start > LONGEST:
        raise TimeError(f"a range of more than {LONGEST.days} days")
    return Span(start, end + timedelta(seconds=ahead_s if until is None else 0.0))


def _length(text: str) -> timedelta:
    try:
        length_s = parse_duration_s(text[:40], "range")
    except SettingError:
        raise TimeError("range is no duration: write it like 30m, 24h or 7d") from None
    if not 1.0 <= length_s <= LONGEST.total_seconds():
        raise TimeError(f"range lies between 1s and {LONGEST.days}d")
    return timedelta(seconds=length_s)
