"""SQL from people, over the lake, in a process of its own: nothing that a text does can write, stay or starve the rest.

The parent starts `sinks.lake.sql_worker`, sends the request, reads an Arrow stream, and kills the process when the
time is over. What keeps a text in: the check of its parse tree, DuckDB's locked configuration, limits of the operating
system (address space, processor time, no written byte), Landlock where the kernel has it, an empty environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import IOBase
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from infra.runtime.errors import FleetpulseError, LakeError, QueryRefusedError
from sinks.lake.absent import no_lake

_INHERITED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")


@dataclass(frozen=True)
class SqlLimits:
    """What one query may take: seconds of wall time, rows of answer, bytes of DuckDB's memory, threads."""

    timeout_s: float = 30.0
    max_rows: int = 1_000_000
    memory_bytes: int = 1_000_000_000
    threads: int = 4


class QueryFailedError(FleetpulseError):
    """DuckDB did not run the text: unknown columns, wrong types, a syntax error."""


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
            kind, message = str(report["error"]), str(report["message"])
        except (ValueError, TypeError, KeyError):
            return QueryFailedError(f"the query engine ended unexpectedly (exit code {code}): {lines[-1][:300]}")
        if kind == "memory":
            return QueryRefusedError(
                f"the query needs more than {limits.memory_bytes} bytes of memory",
                setting="--memory",
                way_out="Ask for fewer rows, or raise it",
            )
        return {"refused": QueryRefusedError, "lake": LakeError}.get(kind, QueryFailedError)(message)


def _start(lake: Path, sql: str, limits: SqlLimits) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "sinks.lake.sql_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment | {"HOME": "/nonexistent"},
        start_new_session=True,  # Ctrl-C is for the parent, which ends the worker
    )
    assert process.stdin is not None
    request = {"lake": str(lake.resolve()), "sql": sql, **asdict(limits)}
    with contextlib.suppress(BrokenPipeError), process.stdin:  # a worker that died at once is reported by its exit
        process.stdin.write(json.dumps(request).encode())
    return process


@contextlib.contextmanager
def run_sql(lake: Path, sql: str, limits: SqlLimits | None = None) -> Iterator[Answer]:
    """Run one SELECT over `lake` in a process of its own; the process is gone when the block is left.

    Raises `LakeError` without a lake, `QueryRefusedError` for what is not one SELECT or passes a limit, and
    `QueryFailedError` with DuckDB's message for SQL that is wrong; also while batches are read.
    """
    if not lake.is_dir():
        raise no_lake(lake)
    limits = limits or SqlLimits()
    timed_out = threading.Event()
    process = _start(lake, sql, limits)
    assert process.stdout is not None
    assert process.stderr is not None
    errors = _Errors(process.stderr)

    def end_it() -> None:
        timed_out.set()
        process.kill()

    timer = threading.Timer(limits.timeout_s, end_it)
    timer.start()
    try:
        yield Answer(process, limits, timed_out, errors)
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        errors.join()
        process.stdout.close()
        process.stderr.close()
