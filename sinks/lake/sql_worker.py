"""The process that runs one SQL text and ends: started by `sinks.lake.sql`, never imported by it.

It makes ready, reads one JSON request on standard input (none: it ends) and writes an Arrow stream to standard output;
what went wrong is one JSON line on standard error: {"error": "refused" | "sql" | "lake" | "memory", "message": ...,
"position": ... | null}.

1. Before the request: no written byte, give up writing (`landlock`), open an engine that has seen nothing yet.
2. Limits of the operating system as the request has them: address space, processor time, a timer that kills.
3. Check the text (`sql_guard`), create the views, lock DuckDB's configuration.
4. Run, and count rows while they leave.
"""

from __future__ import annotations

import json
import os
import resource
import select
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
from sinks.lake.sql_error import PLACES, SqlMistake, mistake_of, placed
from sinks.lake.sql_guard import check_select
from sinks.lake.tenant_views import create_tenant_views, tenant_names
from sinks.lake.views import ATTEMPTS, create_views, has_vanished, quoted, tables_named_in

BATCH_ROWS = 20_000
_ADDRESS_SPACE_SLACK_BYTES = 6 * 1024**3
"""Code, thread stacks and allocator arenas: reserved, not used. DuckDB's own limit is the tight one."""
_GRACE_S = 5.0
EXIT_FAILED = 3
_PERHAPS_OLD = (duckdb.IOException, duckdb.InvalidInputException, FileNotFoundError)
"""What a query meets whose files were compacted, or differ in columns. Arrow's come as they are, or within DuckDB's."""


@dataclass(frozen=True)
class Request:
    """What the parent asks for; the fields of `sinks.lake.sql.SqlLimits`, the lake, the text, and whose rows there are
    for it: `tenant` None: all."""

    lake: str
    sql: str
    timeout_s: float
    max_rows: int
    memory_bytes: int
    threads: int
    tenant: str | None = None
    max_bytes: int = 1 << 62
    stop_after: int = 1 << 62


class WrongTextError(Exception):
    """What the engine says of a text, with its place."""

    def __init__(self, mistake: SqlMistake) -> None:
        self.mistake = mistake
        super().__init__(mistake.message)


def _limit_process(request: Request) -> None:
    """Limits that hold whatever DuckDB does. A timer of the kernel ends the process even if the parent is gone."""
    _limit_writing()
    cpu_s = int((request.timeout_s + _GRACE_S) * (request.threads + 1)) + 1
    space_bytes = 2 * request.memory_bytes + _ADDRESS_SPACE_SLACK_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (space_bytes, space_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, request.timeout_s + _GRACE_S)


def _limit_writing() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _made_ready() -> duckdb.DuckDBPyConnection:
    """A connection for the first attempt. What every question needs once is done by now, behind the walls that no
    request changes: the lake is only read, so writing is given up before the first byte of a user's text comes."""
    _limit_writing()
    give_up_writing()
    connection = _connected()
    if not select.select([sys.stdin], [], [], 0)[0]:  # nobody waits yet: do what any question needs once
        check_select(connection, "SELECT 1")
        with _connected() as practice:
            create_tenant_views(practice, Path(), (), "")
    return connection


def _connected() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config={"threads": 1})
    connection.execute(PLACES)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def lock(connection: duckdb.DuckDBPyConnection, request: Request) -> None:
    """Shut the engine in: only the lake's folder can be opened, for a tenant no file at all; nothing can be loaded,
    nothing changed any more."""
    folders = [] if request.tenant is not None else [quoted(str(Path(request.lake).resolve()))]
    for setting in (
        "TimeZone = 'UTC'",
        f"memory_limit = '{request.memory_bytes}B'",
        f"threads = {request.threads}",
        "temp_directory = ''",
        "python_enable_replacements = false",
        "allow_community_extensions = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        f"allowed_directories = [{', '.join(folders)}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def _answer(connection: duckdb.DuckDBPyConnection, request: Request, *, by_name: bool) -> pa.RecordBatchReader:
    lake = Path(request.lake).resolve()
    if request.tenant is None:
        create_views(connection, lake, tables_named_in(request.sql), by_name=by_name)
    else:
        create_tenant_views(connection, lake, tables_named_in(request.sql), request.tenant, by_name=by_name)
    lock(connection, request)
    try:
        relation = connection.sql(request.sql)
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        raise WrongTextError(placed(connection, request.sql, error)) from error
    reader: pa.RecordBatchReader = relation.to_arrow_reader(BATCH_ROWS)
    return reader


def _begin(
    request: Request, connection: duckdb.DuckDBPyConnection
) -> tuple[pa.RecordBatchReader, pa.RecordBatch | None]:
    """The answer's reader and its first batch, None when it has no rows.

    Files can vanish between the listing and the reading (compaction, retention), and files in the middle of a lake's
    age can lack a column: both show before or with the first batch, and another attempt with a new listing mends them.
    """
    by_name = False
    for attempts_left in range(ATTEMPTS - 1, -1, -1):
        check_select(connection, request.sql, None if request.tenant is None else tenant_names())
        try:
            reader = _answer(connection, request, by_name=by_name)
            return reader, next(iter(reader), None)
        except _PERHAPS_OLD as error:
            connection.close()
            differ = "schema mismatch" in str(error)
            if not attempts_left or not (differ or has_vanished(error)):
                raise
            by_name |= differ
            connection = _connected()
    raise AssertionError("unreachable")


def _write(request: Request, connection: duckdb.DuckDBPyConnection, sink: IO[bytes]) -> None:
    reader, first = _begin(request, connection)
    rows = size_bytes = 0
    with pa.ipc.new_stream(pa.PythonFile(cast("IOBase", sink), mode="w"), reader.schema) as writer:
        for whole in () if first is None else chain((first,), reader):
            batch = whole.slice(0, request.stop_after - rows)
            rows += batch.num_rows
            size_bytes += batch.nbytes
            _check_size(request, rows, size_bytes)
            writer.write_batch(batch)
            if rows >= request.stop_after:
                break


def _check_size(request: Request, rows: int, size_bytes: int) -> None:
    """Raises `QueryRefusedError`."""
    if rows > request.max_rows:
        raise QueryRefusedError(
            f"the answer has more than {request.max_rows} rows",
            setting="--max-rows",
            way_out="Add a LIMIT, aggregate, or raise it",
        )
    if size_bytes > request.max_bytes:
        raise QueryRefusedError(
            f"the answer is larger than {request.max_bytes} bytes", way_out="Ask for fewer columns or rows"
        )


def _fail(kind: str, mistake: SqlMistake) -> int:
    told = {"error": kind, "message": mistake.message, "position": mistake.position}
    sys.stderr.write(json.dumps(told) + "\n")
    return EXIT_FAILED


_EXPECTED = (QueryRefusedError, LakeError, MemoryError, duckdb.Error, OSError, pa.ArrowInvalid)


def _run(request: Request, connection: duckdb.DuckDBPyConnection, sink: IO[bytes]) -> int:
    try:
        _write(request, connection, sink)
    except BrokenPipeError:
        return EXIT_FAILED  # the parent has read enough and gone
    except WrongTextError as error:
        return _fail("sql", error.mistake)
    except _EXPECTED as error:
        return _fail(*_told(error, request.sql))
    return 0


def _told(error: Exception, sql: str) -> tuple[str, SqlMistake]:
    """Kind and message of what went wrong."""
    if isinstance(error, QueryRefusedError):
        return "refused", SqlMistake(str(error))
    if isinstance(error, LakeError):
        return "lake", SqlMistake(str(error))
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException):
        return "memory", SqlMistake("the query needs more memory than it may have")
    if has_vanished(error):
        return "lake", SqlMistake("files of the lake were compacted or removed while the query read them. Ask it again")
    if isinstance(error, duckdb.Error):
        return "sql", mistake_of(error, sql)
    return "lake", SqlMistake(f"a file of the lake cannot be read ({type(error).__name__})")


def main() -> int:
    """Entry point: `python -m sinks.lake.sql_worker`."""
    connection = _made_ready()
    told = sys.stdin.buffer.read()
    if not told:
        return 0  # whoever kept this process ready needs it no longer, or is gone
    request = Request(**json.loads(told))
    _limit_process(request)
    with os.fdopen(os.dup(1), "wb") as sink:
        return _run(request, connection, sink)


if __name__ == "__main__":
    sys.exit(main())
