"""How much arrives, and which violations: counted once for everybody, from the lake's files as they come.

A file is named after the offsets that it holds, so what was counted before is known without reading it again: a
compacted file brings nothing new, and no row counts twice.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from infra.runtime.clock import Clock
from infra.runtime.logs import get_logger
from schemas.catalogue import TABLES
from sinks.api.live.memory import Memory
from sinks.api.past.files import files_of_span
from sinks.api.scope import Scope
from sinks.api.times import Span, at_s
from sinks.lake.naming import LakeFile, parse_name
from sinks.lake.views import has_vanished, table_select

LOOK_S, IDLE_S = 1.5, 10.0
"""How often the lake is looked at: while somebody sees the counts, and otherwise."""
SEVERITIES = ("critical", "high", "medium", "low")
KEPT = timedelta(hours=1)
BUCKET_S = 5
WINDOW_S = 60
_SETTLE_S = 5
"""The writer and the look at its files take a few seconds: the newest bucket is not full yet."""
_AHEAD = timedelta(minutes=5)
_MOST_VIOLATIONS = 2_000_000
_TABLES = tuple(table for table, topic in TABLES.items() if not topic.derived)
_EVENTS = f"""SELECT user_id, epoch_us(kafka_timestamp) // {BUCKET_S * 1_000_000} AS bucket, count(*) FROM ({{}})
WHERE kafka_timestamp >= ? AND kafka_offset > ? GROUP BY ALL"""  # noqa: S608  # our own number
_VIOLATIONS = """SELECT user_id, agent_id, lower(severity), epoch_us("timestamp") FROM ({})
WHERE "timestamp" >= ? AND kafka_offset > ?"""
_log = get_logger("api")
Rows = list[tuple[Any, ...]]
Log = tuple[Path, str, int, int]
"""Folder, topic, partition and epoch: offsets count within it."""


@dataclass(frozen=True, slots=True)
class _Found:
    events: Rows
    violations: Rows
    read: dict[Log, int]


@dataclass(slots=True)
class _Violations:
    """Those of the last hour: `at_us` i8, `slot` i4, `severity` i1, its place in `SEVERITIES`; -1: another word."""

    at_us: npt.NDArray[np.int64]
    slot: npt.NDArray[np.int32]
    severity: npt.NDArray[np.int8]

    def kept(self, mask: npt.NDArray[np.bool_]) -> _Violations:
        rows = np.flatnonzero(mask)[-_MOST_VIOLATIONS:]
        return _Violations(self.at_us[rows], self.slot[rows], self.severity[rows])


def _none() -> _Violations:
    return _Violations(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int8))


class Pulse:
    """`run` keeps the counts of the last hour; `rate` and `violations` tell them by scope."""

    def __init__(self, lake: Path, memory: Memory, clock: Clock) -> None:
        self._lake, self._memory, self._clock = lake, memory, clock
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._reading = threading.Lock()
        self.version = 0
        """Grows whenever something was counted."""
        self._forget()

    def _forget(self) -> None:
        self._generation = self._memory.generation
        self._read_up_to: dict[Log, int] = {}
        self._events: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._all_events: Counter[int] = Counter()
        self._violations = _none()
        self.as_of_s = 0.0
        """When the lake was looked at last; 0: never."""

    async def run(self, watched: Callable[[], bool]) -> None:
        """Look at the lake until cancelled; a file that cannot be read is told once and left to the lake's check."""
        trouble = ""
        while True:
            try:
                await self.look()
                trouble = ""
            except (duckdb.Error, OSError) as error:
                if not (isinstance(error, duckdb.Error) and has_vanished(error)) and trouble != str(error):
                    trouble = str(error)
                    _log.warning("what arrives cannot be counted", error=trouble[:300])
            await asyncio.sleep(LOOK_S if watched() else IDLE_S)

    def close(self) -> None:
        """Let go of the connection; a look that goes on in its thread, though nobody waits for it, is ended first."""
        if self._connection is not None:
            self._connection.interrupt()
        with self._reading:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    async def look(self) -> None:
        """Take in what is new."""
        if self._generation != self._memory.generation:
            self._forget()
        now_s = self._clock.now_s()
        found = await asyncio.to_thread(self._found, now_s)
        if self._generation == self._memory.generation:
            self._take(found, now_s)

    def _found(self, now_s: float) -> _Found:
        with self._reading:
            return self._found_in_files(now_s)

    def _found_in_files(self, now_s: float) -> _Found:
        span = Span(at_s(now_s) - KEPT, at_s(now_s) + _AHEAD)
        events: Rows = []
        violations: Rows = []
        read: dict[Log, int] = {}
        for table in _TABLES:
            for files, after in self._new(table, span, read):
                events += self._asked(table, _EVENTS, files, span, after)
                if table == "violations":
                    violations += self._asked(table, _VIOLATIONS, files, span, after)
        return _Found(events, violations, read)

    def _new(self, table: str, span: Span, read: dict[Log, int]) -> list[tuple[list[Path], int]]:
        """Files with the offset after which their rows are new; those that are wholly new together."""
        whole: list[Path] = []
        parts: list[tuple[list[Path], int]] = []
        for path in files_of_span(self._lake, table, span):
            file = parse_name(path.name)
            assert file is not None, "files_of_span gives what has a name of the writer's"
            log = _log_of(path, file)
            before = self._read_up_to.get(log, -1)
            if file.first > before:
                whole.append(path)
            elif file.last > before:
                parts.append(([path], before))
            read[log] = max(file.last, before, read.get(log, -1))
        return [*parts, (whole, -1)] if whole else parts

    def _asked(self, table: str, sql: str, files: list[Path], span: Span, after: int) -> Rows:
        if self._connection is None:
            self._connection = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "256MB"})
            self._connection.execute("SET TimeZone = 'UTC'")
        text = sql.format(table_select(self._connection, table, files))
        rows: Rows = self._connection.execute(text, [span.start, after]).fetchall()
        return rows

    def _take(self, found: _Found, now_s: float) -> None:
        self._read_up_to = found.read  # logs of folders that went by are forgotten with them
        for user_id, bucket, count in found.events:
            self._events[user_id][bucket] += count
            self._all_events[bucket] += count
        self._add(found.violations)
        self._drop_old(now_s)
        self.version += bool(found.events or found.violations)
        self.as_of_s = now_s

    def _add(self, rows: Rows) -> None:
        if not rows:
            return
        users, agents, words, times = zip(*rows, strict=True)
        slots = self._memory.assign(users, agents)
        places = {word: place for place, word in enumerate(SEVERITIES)}
        known = self._violations
        self._violations = _Violations(
            np.concatenate([known.at_us, np.array(times, np.int64)]),
            np.concatenate([known.slot, slots]),
            np.concatenate([known.severity, np.array([places.get(word, -1) for word in words], np.int8)]),
        )

    def _drop_old(self, now_s: float) -> None:
        first = int(now_s - KEPT.total_seconds()) // BUCKET_S
        for counts in (self._all_events, *self._events.values()):
            for bucket in [each for each in counts if each < first]:
                del counts[bucket]
        self._events = defaultdict(Counter, {user: counts for user, counts in self._events.items() if counts})
        old = self._violations.at_us < (now_s - KEPT.total_seconds()) * 1e6
        if old.any() or old.size > _MOST_VIOLATIONS:
            self._violations = self._violations.kept(~old)

    def rate(self, scope: Scope) -> dict[str, Any] | None:
        """Events that arrived: per second of late, and by minute of the last hour. None for keys of some agents: events
        are counted by tenant."""
        if scope.agents or not self.as_of_s:
            return None
        counts = self._all_events if scope.tenant is None else self._events.get(scope.tenant, Counter())
        last = int(self.as_of_s - _SETTLE_S) // BUCKET_S
        width = max(1, min(WINDOW_S // BUCKET_S, last - min(counts, default=last)))
        recent = sum(counts[bucket] for bucket in range(last - width, last))
        return {"events_per_s": recent / (width * BUCKET_S), "window_s": WINDOW_S, "per_minute": _minutes(counts, last)}

    def violations(self, scope: Scope) -> dict[str, Any]:
        """Violations of the last hour by severity; `other`: of another word."""
        found = self._violations if self._generation == self._memory.generation else _none()  # slots of one memory
        visible = self._memory.visible(scope)
        mine = visible[found.slot] & (found.at_us >= (self._clock.now_s() - KEPT.total_seconds()) * 1e6)
        counts = np.bincount(found.severity[mine].astype(np.int64) + 1, minlength=len(SEVERITIES) + 1).tolist()
        by_severity = dict(zip(("other", *SEVERITIES), counts, strict=True))
        return {"total": int(mine.sum()), "by_severity": by_severity}


def _log_of(path: Path, file: LakeFile) -> Log:
    return path.parent, file.topic, file.partition, file.epoch


def _minutes(counts: Counter[int], last: int) -> list[float]:
    """Events per second in each of the 60 minutes before bucket `last`, the oldest first."""
    each = 60 // BUCKET_S
    starts = range(last - 60 * each, last, each)
    return [round(sum(counts[bucket] for bucket in range(start, start + each)) / 60, 2) for start in starts]
