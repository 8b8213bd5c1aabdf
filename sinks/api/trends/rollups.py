"""Roll-ups of metrics by hour and by day, kept beside the lake: what a range of months is told from.

A roll-up is named after the files that it was made of, so it counts exactly as long as these are the files of its
hour: a late event, a compaction, and the hour is raw again until it is rolled up anew. Where raw files of an hour are
gone by their retention, all of them or some, what was rolled up last goes on to count, and what came since is counted
beside it (`covered`) until it is rolled up with it: no roll-up is replaced by one that tells less. The first roll-ups
did not hold what they were made of: it is written into them while their name still says it; where it no longer does,
they count unless the raw files of before still hold as many reports. Each is written whole or not at all; several
processes may do the same work, with the same outcome.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import duckdb

from infra.runtime.clock import Clock
from infra.runtime.logs import get_logger
from sinks.api.past.files import files_of_span
from sinks.api.times import LONGEST, Span
from sinks.api.trends.covered import (
    METADATA,
    Covered,
    Left,
    covered_by,
    covered_in,
    is_within,
    joined,
    left_of,
    reports_in,
    rows_not_after,
    text_of,
)
from sinks.api.trends.rolled_sql import day_sql, hour_sql, rolled_select
from sinks.lake.naming import HOUR_S, folder_hour, hour_folder, list_folders
from sinks.lake.views import quoted

FOLDER = "rollups"
"""Below the lake, where no table is called so."""
_HOURS_OF_DAY = 24
_UNDER_WAY = "under-way"
"""Folder of what is being written; what lies there for `_ABANDONED_S` is of a process that was killed."""
_ABANDONED_S = 3_600.0
_SETTLED_HOURS = 1
"""An hour is rolled up when so many have ended after it: late events come mostly by then."""
_EVERY_S = 60.0
_TRIES = 5
_REST = 3.0
"""Between two roll-ups, so many times as long as the last one took: people's questions come first."""
_log = get_logger("rollups")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a span is told from: roll-up files, and raw files, or the part of them that no roll-up tells."""

    rolled: list[Path]
    raw: list[Left]
    daily: bool

    @property
    def source(self) -> str:
        """In a word."""
        return "raw" if not self.rolled else "daily" if self.daily else "hourly"


@dataclass(frozen=True, slots=True)
class _Hour:
    """What an hour is told from."""

    rolled: Path | None
    raw: list[Left]
    files: list[Path]
    """Raw files that there are."""

    @property
    def settled(self) -> bool:
        """Whether a roll-up tells all of it."""
        return self.rolled is not None and not self.raw


_Sign = tuple[tuple[str, int], ...]
"""Folders of a day's roll-ups with the time in ns at which each changed last."""


class Rollups:
    """Of the lake at `lake`, of which nothing need be there yet."""

    def __init__(self, lake: Path, clock: Clock) -> None:
        self._lake = lake
        self._clock = clock
        self._hourly = lake / FOLDER / "hourly"
        self._daily = lake / FOLDER / "daily"
        self._under_way = lake / FOLDER / _UNDER_WAY
        self._failed: set[tuple[str, int]] = set()
        self._at_rest: dict[int, _Sign] = {}
        """Days without raw files of which nothing was missing, as they were then."""

    def parts(self, span: Span, *, daily: bool) -> Parts:
        """Files that tell every report of the hours of a span once; `daily`: by day where a day is rolled up whole."""
        rolled: list[Path] = []
        raw: list[Left] = []
        for day, hours in groupby(_hours(self._all_hours(), span), lambda hour: hour // _HOURS_OF_DAY):
            wanted = list(hours)
            found = self._of_day(day, wanted) if daily and not _cuts(span, wanted[-1]) else None
            if found is not None:
                rolled.append(found)
                continue
            for hour in wanted:
                told = self._told(hour, cut=_cuts(span, hour))
                rolled += [told.rolled] if told.rolled is not None else []
                raw += told.raw
        return Parts(rolled, raw, daily)

    def _all_hours(self) -> list[int]:
        """Every hour that has raw files or a roll-up, in their order."""
        folders = [*list_folders(self._lake, "metrics"), *list_folders(self._lake / FOLDER, "hourly")]
        return sorted({hour for folder in folders if (hour := folder_hour(folder)) is not None})

    def _files(self, hour: int) -> list[Path]:
        return files_of_span(self._lake, "metrics", _span_of(hour, hour))

    def _told(self, hour: int, *, cut: bool = False) -> _Hour:
        """`cut`: only a part of the hour is wanted. A roll-up cannot be cut, so it is raw where all of its files are
        there; one that tells more than they do is the nearest that there is."""
        for _ in range(_TRIES):
            files = self._files(hour)
            if files and not cut and (path := self._path(hour, files)).exists():
                return _Hour(path, [], files)
            held = _newest(self._hourly / hour_folder(hour))
            if held is None or not files:
                return _Hour(held, left_of(files, {}), files)
            with suppress(FileNotFoundError):  # another stands in its place meanwhile
                seen = covered_in(held)
                if seen is None and rows_not_after(files, held) < reports_in(held):
                    return _Hour(held, [], files)  # which of the raw rows it tells cannot be known
                if seen is None or is_within(seen, covered_by(files)):
                    return _Hour(None, left_of(files, {}), files)
                return _Hour(held, left_of(files, seen), files)
        raise OSError(
            errno.EBUSY, "roll-ups change faster than they can be read", str(self._hourly / hour_folder(hour))
        )

    def _path(self, hour: int, files: list[Path]) -> Path:
        return self._hourly / hour_folder(hour) / f"{_signature(files)}.parquet"

    def _of_day(self, day: int, hours: list[int]) -> Path | None:
        """The roll-up of a day whose hours are all rolled up and wanted."""
        parts = [self._told(hour) for hour in self._hours_of(day)]
        if len(hours) < len(parts) or not parts or not all(part.settled for part in parts):
            return None
        path = self._day_folder(day) / f"{_signature(_rolled(parts))}.parquet"
        return path if path.exists() else None

    def _hours_of(self, day: int) -> list[int]:
        first = day * _HOURS_OF_DAY
        every = range(first, first + _HOURS_OF_DAY)
        return [h for h in every if self._files(h) or _newest(self._hourly / hour_folder(h)) is not None]

    def _day_folder(self, day: int) -> Path:
        return self._daily / hour_folder(day * _HOURS_OF_DAY).partition("/")[0]

    async def run(self) -> None:
        """Roll up what is settled, the newest first, until cancelled. What cannot be is tried again."""
        while True:
            try:
                await self.catch_up()
            except OSError as error:
                _log.warning("the lake's folders cannot be read for roll-ups", error=str(error)[:300])
            await asyncio.sleep(_EVERY_S)

    async def catch_up(self, rest: float = _REST) -> int:
        """Roll up everything that is settled and is not yet; how many files were made."""
        made = 0
        for work in await asyncio.to_thread(lambda: list(self._missing())):
            began_s = time.monotonic()
            made += await asyncio.to_thread(self._made, *work)
            await asyncio.sleep((time.monotonic() - began_s) * rest)
        await asyncio.to_thread(self._forget_old)
        return made

    def _forget_old(self) -> None:
        """No question reaches further back than `LONGEST`: days before that go. So does what was never finished."""
        for path in self._under_way.glob("*"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()
        oldest = datetime.fromtimestamp(self._clock.now_s(), UTC) - LONGEST - timedelta(days=2)
        for root in (self._hourly, self._daily):
            for day in root.glob("date=*"):
                if day.name < f"date={oldest.date().isoformat()}":
                    shutil.rmtree(day)

    def _missing(self) -> Iterator[tuple[str, int]]:
        """("hour" or "day", number) of what is to be made, newest first, the hours of a day before it."""
        now_hour = int(self._clock.now_s()) // HOUR_S
        oldest = now_hour - int(LONGEST.total_seconds()) // HOUR_S
        settled = [h for h in self._all_hours() if oldest < h < now_hour - _SETTLED_HOURS]
        for day, hours in groupby(reversed(settled), lambda hour: hour // _HOURS_OF_DAY):
            sign = self._sign(day)
            if sign is not None and self._at_rest.get(day) == sign:
                continue
            missing = [hour for hour in hours if not self._is_done(hour)]
            yield from (("hour", hour) for hour in missing)
            over = (day + 1) * _HOURS_OF_DAY + _SETTLED_HOURS < now_hour
            if over and (missing or self._of_day(day, self._hours_of(day)) is None):
                yield "day", day
            elif over and sign is not None:
                self._at_rest[day] = sign

    def _sign(self, day: int) -> _Sign | None:
        """What changes whenever a roll-up of a day does; None where there may be raw files, and so work without it."""
        daily = self._day_folder(day)
        if (self._lake / "metrics" / daily.name).exists():
            return None
        try:
            with os.scandir(self._hourly / daily.name) as hours:
                found = sorted((hour.name, hour.stat().st_mtime_ns) for hour in hours)
            return (*found, (daily.name, daily.stat().st_mtime_ns))
        except FileNotFoundError:
            return None

    def _is_done(self, hour: int) -> bool:
        """Whether a roll-up tells all of an hour, and will still be known to when raw files of it are gone."""
        told = self._told(hour)
        return told.settled and not self._is_unsaid(hour, told)

    def _is_unsaid(self, hour: int, told: _Hour) -> bool:
        """Whether a roll-up does not hold what it was made of, while its name says it."""
        if told.rolled is None or not told.files or told.rolled != self._path(hour, told.files):
            return False
        with suppress(FileNotFoundError):
            return covered_in(told.rolled) is None
        return False

    def _made(self, what: str, number: int) -> bool:
        """Whether it could be rolled up; where not (a file that is no Parquet, a full disk), it stays raw."""
        try:
            self._make(what, number)
        except (OSError, duckdb.Error) as error:
            if (what, number) not in self._failed:
                _log.warning("metrics are not rolled up for now", what=what, number=number, error=str(error)[:300])
            self._failed.add((what, number))
            return False
        self._failed.discard((what, number))
        return True

    def _make(self, what: str, number: int) -> None:
        with duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "512MB"}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            if what == "hour":
                self._make_hour(connection, number)
            else:
                self._make_day(connection, number)

    def _make_hour(self, connection: duckdb.DuckDBPyConnection, hour: int) -> None:
        told = self._told(hour)
        if told.rolled is not None and self._is_unsaid(hour, told):
            self._write(connection, rolled_select([told.rolled]), told.rolled, covered_by(told.files))
            return
        if told.settled or not told.files:
            return
        seen = covered_by(each.path for each in told.raw)
        if told.rolled is not None:
            seen = joined(covered_in(told.rolled) or {}, seen)
        sql = hour_sql(connection, hour, told.raw, told.rolled)
        self._write(connection, sql, self._path(hour, told.files), seen)

    def _make_day(self, connection: duckdb.DuckDBPyConnection, day: int) -> None:
        parts = [self._told(hour) for hour in self._hours_of(day)]
        if not parts or not all(part.settled for part in parts):
            return
        found = _rolled(parts)
        path = self._day_folder(day) / f"{_signature(found)}.parquet"
        self._write(connection, day_sql(day * _HOURS_OF_DAY, found), path, {})

    def _write(self, connection: duckdb.DuckDBPyConnection, sql: str, path: Path, seen: Covered) -> None:
        """Whole or not at all; then what it stands in place of goes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._under_way.mkdir(exist_ok=True)
        own = self._under_way / secrets.token_hex(8)
        told = f"KV_METADATA {{{METADATA}: {quoted(text_of(seen))}}}"
        try:
            connection.execute(f"COPY ({sql}) TO {quoted(str(own))} (FORMAT parquet, COMPRESSION zstd, {told})")
            own.replace(path)
        finally:
            own.unlink(missing_ok=True)
        for other in path.parent.iterdir():
            if other != path and other.suffix == ".parquet":
                other.unlink(missing_ok=True)


def _rolled(parts: Iterable[_Hour]) -> list[Path]:
    return [part.rolled for part in parts if part.rolled is not None]


def _hours(every: Iterable[int], span: Span) -> list[int]:
    """Those of the hours that a span touches."""
    first, last = int(span.start.timestamp()) // HOUR_S, int(span.end.timestamp() - 1e-6) // HOUR_S
    return [hour for hour in every if first <= hour <= last]


def _cuts(span: Span, hour: int) -> bool:
    """Whether a span ends within an hour."""
    return span.end.timestamp() < (hour + 1) * HOUR_S


def _span_of(first_hour: int, last_hour: int) -> Span:
    start = datetime.fromtimestamp(first_hour * HOUR_S, UTC)
    return Span(start, datetime.fromtimestamp((last_hour + 1) * HOUR_S, UTC) - timedelta(microseconds=1))


def _signature(files: Iterable[Path]) -> str:
    return hashlib.sha256("\n".join(sorted(file.name for file in files)).encode()).hexdigest()[:32]


def _newest(folder: Path) -> Path | None:
    """The roll-up of an hour whose raw files are gone."""
    try:
        found = [file for file in folder.iterdir() if file.suffix == ".parquet"]
    except FileNotFoundError:
        return None
    return max(found, key=lambda file: file.stat().st_mtime_ns, default=None)
