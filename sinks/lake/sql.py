"""SQL from people, over the lake, in a process of its own: nothing that a text does can write, stay or starve the rest.

The parent starts `sinks.lake.sql_worker`, sends the request, reads an Arrow stream, and kills the process when the
time is over. What keeps a text in: the check of its parse tree, DuckDB's locked configuration, limits of the operating
system (address space, processor time, no written byte), Landlock where the kernel has it, an empty environment.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from io import IOBase
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from infra.runtime.errors import FleetpulseError, LakeError, QueryRefusedError
from sinks.lake.absent import no_lake
from sinks.lake.sql_process import hand_over, start_worker

Start = Callable[[], "subprocess.Popen[bytes]"]
"""Gives a process that waits for its request."""


@dataclass(frozen=True)
class SqlLimits:
    """What one query may take: seconds of wall time, rows and bytes (in Arrow) of answer, bytes of DuckDB's memory,
    threads. More rows than `max_rows` are an error; after `stop_after` of them the answer just ends."""

    timeout_s: float = 30.0
    max_rows: int = 1_000_000
    memory_bytes: int = 1_000_000_000
    threads: int = 4
    max_bytes: int = 1 << 62
    stop_after: int = 1 << 62


class QueryFailedError(FleetpulseError):
    """DuckDB did not run the text: unknown columns, wrong types, a syntax error.

    `position`: characters of the text before the place that it is about; None where DuckDB names none.
    """

    def __init__(self, problem: str, position: int | None = None) -> None:
        self.position = position
        super().__init__(problem)


class StoppedError(FleetpulseError):
    """Whoever asked has ended the question."""


class Stop:
    """Ends a question from another thread, before or while it runs: `stop()`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self.asked = False

    def __call__(self) -> None:
        """End the question; also one that has not begun."""
        with self._lock:
            self.asked = True
            if self._process is not None:
                self._process.kill()

    def watch(self, process: subprocess.Popen[bytes] | None) -> None:
        """The process to be ended from now on; None: there is none any more."""
        with self._lock:
            self._process = process
            if self.asked and process is not None:
                process.kill()


class _Errors(threading.Thread):
    """Reads a worker's standard error to its end, so that the worker never waits for a reader."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(name="sql-errors", daemon=True)
        self._stream = stream
        self._bytes = b""
        self.start()

    def run(self) -> None:
        self._bytes = self._stream.read()

    def text(self) -> str:
        """All of it, once the worker has ended."""
        self.join()
        return self._bytes.decode("utf-8", "replace")


class Answer:
    """The rows of a query as they come: `schema`, then Arrow batches by iteration. Raises what the worker reports."""

    def __init__(
        self, process: subprocess.Popen[bytes], limits: SqlLimits, timed_out: threading.Event, errors: _Errors
    ) -> None:
        self._process = process
        self._limits = limits
        self._timed_out = timed_out
        self._errors = errors
        self._reader = self._open()

    @property
    def schema(self) -> pa.Schema:
        """Names and Arrow types of the answer's columns."""
        return self._reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while True:
            try:
                batch = self._reader.read_next_batch()
            except StopIteration:
                break
            except (pa.ArrowInvalid, OSError) as error:
                raise self._failure() from error
            yield batch
        if self._process.wait() != 0:
            raise self._failure()

    def _open(self) -> pa.RecordBatchStreamReader:
        stream: IO[bytes] | None = self._process.stdout
        assert stream is not None
        try:
            return pa.ipc.open_stream(pa.PythonFile(cast("IOBase", stream), mode="r"))
        except (pa.ArrowInvalid, OSError) as error:
            raise self._failure() from error

    def _failure(self) -> FleetpulseError:
        """What the end of the process means, for people."""
        code = self._process.wait()
        limits = self._limits
        if self._timed_out.is_set() or code in {-signal.SIGALRM, -signal.SIGXCPU}:
            return QueryRefusedError(
                f"the query ran longer than {limits.timeout_s:g} s",
                setting="--timeout",
                way_out="Ask for fewer hours, or raise it",
            )
        lines = self._errors.text().strip().splitlines() or [""]
        try:
            report = json.loads(lines[-1])
            kind, message, position = str(report["error"]), str(report["message"]), report["position"]
        except (ValueError, TypeError, KeyError):
            return QueryFailedError(f"the query engine ended unexpectedly (exit code {code}): {lines[-1][:300]}")
        if kind == "memory":
            return QueryRefusedError(
                f"the query needs more than {limits.memory_bytes} bytes of memory",
                setting="--memory",
                way_out="Ask for fewer rows, or raise it",
            )
        if kind in {"refused", "lake"}:
            return QueryRefusedError(message) if kind == "refused" else LakeError(message)
        return QueryFailedError(message, position)


@contextlib.contextmanager
def run_sql(
    lake: Path,
    sql: str,
    limits: SqlLimits | None = None,
    *,
    tenant: str | None = None,
    stop: Stop | None = None,
    start: Start = start_worker,
) -> Iterator[Answer]:
    """Run one SELECT over `lake` in a process of its own; the process is gone when the block is left.

    `tenant`: the only one whose rows there are for it, and then no file can be opened; None: the whole lake.
    `stop`: ends it from another thread, which `StoppedError` says. `start`: gives the process.

    Raises `LakeError` without a lake, `QueryRefusedError` for what is not one SELECT or passes a limit, and
    `QueryFailedError` with DuckDB's message for SQL that is wrong; also while batches are read.
    """
    if not lake.is_dir():
        raise no_lake(lake)
    limits = limits or SqlLimits()
    timed_out = threading.Event()
    process = start()
    hand_over(process, {"lake": str(lake.resolve()), "sql": sql, "tenant": tenant, **asdict(limits)})
    assert process.stdout is not None
    assert process.stderr is not None
    errors = _Errors(process.stderr)

    def end_it() -> None:
        timed_out.set()
        process.kill()

    timer = threading.Timer(limits.timeout_s, end_it)
    timer.start()
    stop = stop or Stop()
    stop.watch(process)
    try:
        yield Answer(process, limits, timed_out, errors)
    except FleetpulseError as error:
        if stop.asked:
            raise StoppedError("the question was ended by who asked it") from error
        raise
    finally:
        stop.watch(None)
        timer.cancel()
        process.kill()
        process.wait()
        errors.join()
        process.stdout.close()
        process.stderr.close()
