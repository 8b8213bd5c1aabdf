"""Questions to the lake: a few DuckDB connections, each in a thread, with views that hold only what was asked for.

The views of a question hold rows of its scope alone, from files of its span alone: the condition stands in the view,
not in the question, so no question can forget it. Values are bound: DuckDB variables for the scope, parameters for the
rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import duckdb

from infra.web.problem import unavailable
from sinks.api.past.files import files_of_span
from sinks.api.scope import Scope, conditions, variables
from sinks.api.times import Span
from sinks.lake.views import ATTEMPTS, DERIVED_VIEWS, has_vanished, table_select

T = TypeVar("T")
Question = Callable[[duckdb.DuckDBPyConnection], T]
CONNECTIONS = 4
TIMEOUT_S = 10.0
_WAITING = 64
"""So many questions may wait for a connection; one more is answered 503."""
_OF_ONE_TENANT, _WAITING_OF_ONE_TENANT = CONNECTIONS // 2, _WAITING // 2
"""Connections that the questions of one tenant have at a time, and how many may wait: the others' are answered beside
them, however much one tenant asks."""
_AGAIN_S = 0.1
_MEMORY = "1GB"
_THREADS = 2


class LakePool:
    """Asks the lake at `lake`, of which nothing need be there yet."""

    def __init__(self, lake: Path, connections: int = CONNECTIONS, timeout_s: float = TIMEOUT_S) -> None:
        self._lake = lake
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="lake")
        self._free: SimpleQueue[duckdb.DuckDBPyConnection] = SimpleQueue()
        self._missing = connections
        self._database: duckdb.DuckDBPyConnection | None = None
        self._opening = threading.Lock()
        self._asked = 0
        self._rooms: dict[str, _Room] = {}
        self.questions = 0
        """Questions answered."""
        self.files = 0
        """Files that the views of all questions named."""

    async def ask(
        self,
        question: Question[T],
        *,
        scope: Scope,
        tables: Iterable[str],
        span: Span | None,
        agent: str | None = None,
        views: Iterable[str] = (),
        empty: T | None = None,
        way_out: str = "ask for less time",
    ) -> T:
        """The answer of `question`, which gets a connection with a view of each of `tables`, and of `views` over them.

        `empty`: the answer where no table has a file, so that nothing is asked then; None: ask. Raises `Problem` 503
        when too many wait or it takes too long, with `way_out` then, and what `question` raises.
        """
        if self._asked >= _WAITING:
            raise unavailable("too many questions to the lake at once", type="busy")
        self._asked += 1
        try:
            asked = _Asked(scope, tuple(tables), span, agent, tuple(views))
            loop = asyncio.get_running_loop()
            async with self._room_of(scope.tenant):
                return await loop.run_in_executor(self._threads, self._answer, question, asked, empty)
        except duckdb.InterruptException as error:
            raise unavailable(
                f"the lake did not answer within {self._timeout_s:g} s: {way_out}", type="too-slow"
            ) from error
        finally:
            self._asked -= 1

    @contextlib.asynccontextmanager
    async def _room_of(self, tenant: str | None) -> AsyncIterator[None]:
        """A place among those of a tenant; who asks for the whole fleet needs none. Raises `Problem` 503."""
        if tenant is None:
            yield
            return
        room = self._rooms.setdefault(tenant, _Room())
        if room.asked >= _WAITING_OF_ONE_TENANT:
            raise unavailable("too many questions to the lake at once", type="busy")
        room.asked += 1
        try:
            async with room.places:
                yield
        finally:
            room.asked -= 1
            if not room.asked:
                del self._rooms[tenant]

    def close(self) -> None:
        """Let go of the connections; questions that are being answered are."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        while not self._free.empty():
            self._free.get().close()
        if self._database is not None:
            self._database.close()

    def _answer(self, question: Question[T], asked: _Asked, empty: T | None) -> T:
        if empty is not None and not any(asked.files(self._lake).values()):
            return empty
        connection = self._connection()
        end_s = time.monotonic() + self._timeout_s
        ended = threading.Event()
        watch = threading.Thread(target=_interrupt, args=(connection, ended, self._timeout_s), name="lake-watch")
        watch.start()
        try:
            return self._tried(connection, question, asked, end_s)
        finally:
            ended.set()
            watch.join()  # an interrupt that comes late would end the next question
            self._free.put(connection)
            self.questions += 1

    def _tried(self, connection: duckdb.DuckDBPyConnection, question: Question[T], asked: _Asked, end_s: float) -> T:
        for attempts_left in range(ATTEMPTS - 1, -1, -1):
            try:
                self.files += asked.prepare(connection, self._lake)
                return question(connection)
            except duckdb.IOException as error:
                if not attempts_left or not has_vanished(error) or time.monotonic() > end_s:
                    raise
        raise AssertionError("unreachable")

    def _connection(self) -> duckdb.DuckDBPyConnection:
        with self._opening:
            if self._free.empty() and self._missing:
                self._missing -= 1
                self._database = self._database or _opened()
                connection = self._database.cursor()
                connection.execute("SET TimeZone = 'UTC'")
                return connection
        return self._free.get()


@dataclass(slots=True)
class _Room:
    """The questions of one tenant: how many there are, places for those that are being answered."""

    asked: int = 0
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_OF_ONE_TENANT))


class _Asked:
    def __init__(
        self, scope: Scope, tables: tuple[str, ...], span: Span | None, agent: str | None, views: tuple[str, ...]
    ) -> None:
        self._scope, self._tables, self._span, self._agent, self._views = scope, tables, span, agent, views

    def files(self, lake: Path) -> dict[str, list[Path]]:
        """By table, the files of the span."""
        return {table: files_of_span(lake, table, self._span) for table in self._tables}

    def prepare(self, connection: duckdb.DuckDBPyConnection, lake: Path) -> int:
        """Make the views and set their variables; how many files they read."""
        for name, value in variables(self._scope, self._agent).items():
            connection.execute(f"SET VARIABLE {name} = ?", [value])
        count = 0
        for table, files in self.files(lake).items():
            where = conditions(self._scope, self._agent, table)
            condition = f" WHERE {' AND '.join(where)}" if where else ""
            select = table_select(connection, table, files)
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS SELECT * FROM ({select}){condition}")  # noqa: S608  # our own names, files quoted, values in variables
            count += len(files)
        for view in self._views:
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {DERIVED_VIEWS[view][0]}")
        return count


def _interrupt(connection: duckdb.DuckDBPyConnection, ended: threading.Event, timeout_s: float) -> None:
    """Interrupt what takes too long, until it has ended: between two statements there is nothing that an interrupt
    would end, and the next one would go on for as long as it likes."""
    wait_s = timeout_s
    while not ended.wait(wait_s):
        connection.interrupt()
        wait_s = _AGAIN_S


def _opened() -> duckdb.DuckDBPyConnection:
    """A database of its own, in memory; every connection of the pool shares its cache of Parquet footers."""
    database = duckdb.connect(":memory:", config={"threads": _THREADS, "memory_limit": _MEMORY})
    database.execute("SET temp_directory = ''")
    database.execute("SET autoinstall_known_extensions = false")
    database.execute("SET parquet_metadata_cache = true")
    return database
