"""The process that runs one SQL text and ends: started by `sinks.lake.sql`, never imported by it.

It reads one JSON request on standard input and writes an Arrow stream to standard output; what went wrong is one JSON
line on standard error: {"error": "refused" | "sql" | "lake" | "memory", "message": ...}.

1. Limits of the operating system: address space, processor time, no written byte, a timer that kills.
2. Check the text (`sql_guard`), create the views, lock DuckDB's configuration; give up writing (`landlock`).
3. Run, and count rows while they leave.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from dataclasses import dataclass
from io import IOBase
from itertools import chain
from pathlib import Path
from typing import IO, cast

import duckdb
import pyarrow as pa

from infra.runtime.errors import LakeError, QueryRefusedError
from sinks.lake.landlock import give_up_writing
from sinks.lake.sql_guard import check_select
from sinks.lake.views import ATTEMPTS, create_views, has_vanished, tables_named_in

BATCH_ROWS = 20_000
_ADDRESS_SPACE_SLACK_BYTES = 6 * 1024**3
"""Code, thread stacks and allocator arenas: reserved, not used. DuckDB's own limit is the tight one."""
_GRACE_S = 5.0
EXIT_FAILED = 3


@dataclass(frozen=True)
class Request:
    """What the parent asks for; the fields of `sinks.lake.sql.SqlLimits` and the lake and text."""

    lake: str
    sql: str
    timeout_s: float
    max_rows: int
    memory_bytes: int
    threads: int


def _limit_process(request: Request) -> None:
    """Limits that hold whatever DuckDB does. A timer of the kernel ends the process even if the parent is gone."""
    cpu_s = int((request.timeout_s + _GRACE_S) * (request.threads + 1)) + 1
    space_bytes = 2 * request.memory_bytes + _ADDRESS_SPACE_SLACK_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (space_bytes, space_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, request.timeout_s + _GRACE_S)


def _lock(connection: duckdb.DuckDBPyConnection, request: Request) -> None:
    """Shut the engine in: only the lake's folder can be opened, nothing can be loaded, nothing changed any more."""
    lake = str(Path(request.lake).resolve()).replace("'", "''")
    for setting in (
        "TimeZone = 'UTC'",
        f"memory_limit = '{request.memory_bytes}B'",
        f"threads = {request.threads}",
        "temp_directory = ''",
        "python_enable_replacements = false",
        "allow_community_extensions = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        f"allowed_directories = ['{lake}']",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def _answer(connection: duckdb.DuckDBPyConnection, request: Request, *, by_name: bool) -> pa.RecordBatchReader:
    lake = Path(request.lake).resolve()
    create_views(connection, lake, tables_named_in(request.sql), by_name=by_name)
    _lock(connection, request)
    reader: pa.RecordBatchReader = connection.sql(request.sql).to_arrow_reader(BATCH_ROWS)
    return reader


def _begin(request: Request) -> tuple[pa.RecordBatchReader, pa.RecordBatch | None]:
    """The answer's reader and its first batch, None when it has no rows.

    Files can vanish between the listing and the reading (compaction, retention), and files in the middle of a lake's
    age can lack a column: both show before or with the first batch, and another attempt with a new listing mends them.
    """
    by_name = False
    for attempts_left in range(ATTEMPTS - 1, -1, -1):
        connection = duckdb.connect(":memory:")
        check_select(connection, request.sql)
        try:
            reader = _answer(connection, request, by_name=by_name)
            return reader, next(iter(reader), None)
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            connection.close()
            differ = "schema mismatch" in str(error)
            if not attempts_left or not (differ or has_vanished(error)):
                raise
            by_name |= differ
    raise AssertionError("unreachable")


def _write(request: Request, sink: IO[bytes]) -> None:
    reader, first = _begin(request)
    rows = 0
    with pa.ipc.new_stream(pa.PythonFile(cast("IOBase", sink), mode="w"), reader.schema) as writer:
        for batch in () if first is None else chain((first,), reader):
            rows += batch.num_rows
            if rows > request.max_rows:
                raise QueryRefusedError(
                    f"the answer has more than {request.max_rows} rows",
                    setting="--max-rows",
                    way_out="Add a LIMIT, aggregate, or raise it",
                )
            writer.write_batch(batch)


def _one_line(error: BaseException) -> str:
    """DuckDB's message without its drawing of the place: the lines up to the first empty one, joined."""
    text = str(error).split("\n\n", maxsplit=1)[0]
    return " ".join(line.strip() for line in text.splitlines() if line.strip() and not set(line.strip()) <= {"^"})


def _fail(kind: str, message: str) -> int:
    sys.stderr.write(json.dumps({"error": kind, "message": message}) + "\n")
    return EXIT_FAILED


def _run(request: Request, sink: IO[bytes]) -> int:
    try:
        _write(request, sink)
    except QueryRefusedError as error:
        return _fail("refused", str(error))
    except LakeError as error:
        return _fail("lake", str(error))
    except (duckdb.OutOfMemoryException, MemoryError):
        return _fail("memory", "the query needs more memory than it may have")
    except duckdb.Error as error:
        return _fail(*_what_duckdb_says(error))
    except BrokenPipeError:
        return EXIT_FAILED  # the parent has read enough and gone
    return 0


def _what_duckdb_says(error: duckdb.Error) -> tuple[str, str]:
    if has_vanished(error):
        return "lake", "files of the lake were compacted or removed while the query read them. Ask it again"
    return "sql", _one_line(error)


def main() -> int:
    """Entry point: `python -m sinks.lake.sql_worker`."""
    request = Request(**json.loads(sys.stdin.buffer.read()))
    _limit_process(request)
    # The lake is only read, so writing can be given up before the first byte of the user's text is parsed.
    give_up_writing()
    with os.fdopen(os.dup(1), "wb") as sink:
        return _run(request, sink)


if __name__ == "__main__":
    sys.exit(main())
