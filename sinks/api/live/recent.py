"""What streams do not tell of every agent all the time: its last beat and report, its version, violations of a day.

fleet.status speaks when a status changes, fleet.trust when a score does. The rest is read from the lake's newest files,
a second or two after it was written: names are listed, new ones are opened, three columns or so are read of them. All
that is kept are maxima and counts of whole hours, so to read a file twice (compacted, say) changes nothing.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl

from infra.runtime.clock import Clock
from infra.runtime.logs import get_logger
from sinks.api.live.memory import Memory
from sinks.api.past.files import files_of_span
from sinks.api.times import Span, at_s
from sinks.lake.naming import HOUR_S, folder_hour
from sinks.lake.views import has_vanished, table_select

LOOK_S = 1.5
DAY_HOURS = 24
_LOOK_BACK = timedelta(hours=1)
_AHEAD = timedelta(minutes=5)
_BEATS = """SELECT user_id, agent_id, epoch_us(max("timestamp")) AS beat, arg_max(version, "timestamp") AS version,
  arg_max(platform, "timestamp") AS platform, arg_max(runtime_version, "timestamp") AS runtime_version,
  arg_max(governance_enabled, "timestamp")::DOUBLE AS governance,
  arg_max(policies_loaded, "timestamp")::DOUBLE AS policies_loaded FROM ({}) GROUP BY 1, 2"""
_REPORTS = """SELECT user_id, agent_id, epoch_us(max("timestamp")) AS metrics,
  arg_max(compliance_rate, "timestamp") FILTER (isfinite(compliance_rate)) AS compliance_rate,
  arg_max(policy_checks, "timestamp") FILTER (isfinite(policy_checks)) AS policy_checks FROM ({}) GROUP BY 1, 2"""
_VIOLATIONS = "SELECT user_id, agent_id, count(*)::INTEGER AS violations FROM ({}) GROUP BY 1, 2"
_log = get_logger("api")


@dataclass(frozen=True, slots=True)
class Found:
    """What new files say; `violations`: by hour, every hour of them whole. `read`: these files, by table."""

    beats: pl.DataFrame | None
    reports: pl.DataFrame | None
    violations: dict[int, pl.DataFrame]
    read: dict[str, list[Path]]


class Recent:
    """`run` keeps the columns `recent` of a memory current; `violations` counts those of the last 24 hours."""

    def __init__(self, lake: Path, memory: Memory, clock: Clock) -> None:
        self._lake, self._memory, self._clock = lake, memory, clock
        self._seen: dict[str, set[Path]] = {}
        self._hours: dict[int, npt.NDArray[np.int32]] = {}
        self._generation = memory.generation
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._reading = threading.Lock()
        self.files = 0
        """Files opened."""

    def violations(self, slot: int) -> int:
        """Violations of a slot in the last 24 hours, to the hour."""
        first = int(self._clock.now_s()) // HOUR_S - DAY_HOURS
        return sum(int(c[slot]) for hour, c in self._hours.items() if hour >= first and slot < c.size)

    def violations_24h(self) -> npt.NDArray[np.int64]:
        """i8[len]: the same of every slot."""
        first = int(self._clock.now_s()) // HOUR_S - DAY_HOURS
        found = np.zeros(len(self._memory), np.int64)
        for hour, counts in self._hours.items():
            if hour >= first:
                found[: counts.size] += counts[: found.size]
        return found

    async def run(self) -> None:
        """Look at the lake until cancelled; a file that cannot be read is told once and left to the lake's check."""
        trouble = ""
        while True:
            try:
                await self.look()
                trouble = ""
            except (duckdb.Error, OSError) as error:
                if not (isinstance(error, duckdb.Error) and has_vanished(error)) and trouble != str(error):
                    trouble = str(error)
                    _log.warning("the newest files of the lake cannot be read", error=trouble[:300])
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Take in what is new."""
        if self._generation != self._memory.generation:
            self._generation = self._memory.generation
            self._seen, self._hours = {}, {}
        self._take(await asyncio.to_thread(self._read))

    def _read(self) -> Found:
        with self._reading:
            return self._read_files()

    def _read_files(self) -> Found:
        now = at_s(self._clock.now_s())
        near = Span(now - _LOOK_BACK, now + _AHEAD)
        read = {table: self._new(table, near) for table in ("heartbeats", "metrics")}
        beats = self._asked("heartbeats", _BEATS, read["heartbeats"])
        reports = self._asked("metrics", _REPORTS, read["metrics"])
        hours = self._changed_hours(Span(now - timedelta(hours=DAY_HOURS), now + _AHEAD))
        violations = {hour: self._asked("violations", _VIOLATIONS, files) for hour, files in hours.items()}
        read["violations"] = [file for files in hours.values() for file in files]
        return Found(beats, reports, {hour: found for hour, found in violations.items() if found is not None}, read)

    def _opened(self) -> duckdb.DuckDBPyConnection:
        """One connection for all looks: to open one costs more than a look."""
        if self._connection is None:
            self._connection = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "256MB"})
            self._connection.execute("SET TimeZone = 'UTC'")
        return self._connection

    def close(self) -> None:
        """Let go of the connection; a look that goes on in its thread, though nobody waits for it, is ended first."""
        if self._connection is not None:
            self._connection.interrupt()
        with self._reading:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _asked(self, table: str, sql: str, files: list[Path]) -> pl.DataFrame | None:
        if not files:
            return None
        connection = self._opened()
        self.files += len(files)
        relation = connection.sql(sql.format(table_select(connection, table, files)))
        return pl.DataFrame(relation.to_arrow_table())

    def _new(self, table: str, span: Span) -> list[Path]:
        files = files_of_span(self._lake, table, span)
        seen = self._seen[table] = self._seen.get(table, set()) & set(files)  # names that went are forgotten
        return [file for file in files if file not in seen]

    def _changed_hours(self, span: Span) -> dict[int, list[Path]]:
        files = files_of_span(self._lake, "violations", span)
        new = set(self._new("violations", span))
        by_hour: dict[int, list[Path]] = {}
        for file in files:
            by_hour.setdefault(folder_hour(str(file.parent)) or 0, []).append(file)
        return {hour: found for hour, found in by_hour.items() if new.intersection(found)}

    def _take(self, found: Found) -> None:
        memory = self._memory
        for table, files in found.read.items():  # not before: a look that fails halfway tells nothing of what it read
            self._seen.setdefault(table, set()).update(files)
        for time_column, told in (("beat", found.beats), ("metrics", found.reports)):
            if told is not None:
                memory.note(time_column, told)
        for hour, rows in found.violations.items():
            slots = memory.assign(rows["user_id"].to_list(), rows["agent_id"].to_list())
            counts = np.zeros(len(memory), np.int32)
            counts[slots] = rows["violations"].to_numpy()
            self._hours[hour] = counts
        first = int(self._clock.now_s()) // HOUR_S - DAY_HOURS
        self._hours = {hour: counts for hour, counts in self._hours.items() if hour >= first}
