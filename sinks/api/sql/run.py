"""One question in SQL: in a process of its own, with an answer of bounded size, in the format that was asked for."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from infra.runtime.errors import FleetpulseError, LakeError
from infra.web.problem import Problem, unavailable
from sinks.api.sql.models import SqlQuestion
from sinks.lake.query_print import Format, plain, writer_of
from sinks.lake.sql import QueryFailedError, SqlLimits, Start, Stop, StoppedError, run_sql
from sinks.lake.sql_error import line_and_column
from sinks.lake.sql_process import start_worker

LIMITS = SqlLimits(
    timeout_s=15.0, max_rows=1 << 62, memory_bytes=500_000_000, threads=2, max_bytes=64 * 1024 * 1024
)  # fmt: skip
_MEDIA = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


@dataclass(frozen=True)
class Cut:
    """The first rows of an answer: `schema`, `batches`, and whether there were more."""

    schema: pa.Schema
    batches: list[pa.RecordBatch]
    truncated: bool

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self.batches)

    @property
    def rows(self) -> int:
        """How many."""
        return sum(batch.num_rows for batch in self.batches)


@dataclass(frozen=True)
class Told:
    """A body, ready to be sent."""

    body: bytes
    media_type: str
    rows: int
    truncated: bool
    took_ms: float


def ask(
    lake: Path,
    question: SqlQuestion,
    tenant: str | None,
    limits: SqlLimits = LIMITS,
    stop: Stop | None = None,
    start: Start = start_worker,
) -> Told:
    """The answer over the rows of `tenant` (None: all), from a process that `start` gives. Blocks. Raises `Problem`:
    422 for the text or what it takes, 499 where `stop` ended it, 503 where the lake cannot be read."""
    began_s = time.monotonic()
    try:
        wanted = replace(limits, stop_after=question.limit + 1)  # one more says that there are more
        with run_sql(lake, question.sql, wanted, tenant=tenant, stop=stop, start=start) as answer:
            found = _cut(answer.schema, answer, question.limit)
        took_ms = (time.monotonic() - began_s) * 1000
        body, media_type = _written(found, question.format, took_ms)
    except FleetpulseError as error:
        raise _problem(error, question.sql) from error
    except pa.ArrowException as error:  # types that Parquet does not have
        raise Problem(422, detail=f"the answer cannot be written as {question.format}", type="format") from error
    return Told(body, media_type, found.rows, found.truncated, took_ms)


def _cut(schema: pa.Schema, batches: Iterable[pa.RecordBatch], limit: int) -> Cut:
    kept: list[pa.RecordBatch] = []
    left = limit
    for batch in batches:
        if batch.num_rows > left:
            return Cut(schema, [*kept, batch.slice(0, left)], True)
        kept.append(batch)
        left -= batch.num_rows
    return Cut(schema, kept, False)


def _written(found: Cut, wanted: str, took_ms: float) -> tuple[bytes, str]:
    if wanted != "json":
        sink = io.BytesIO()
        writer_of(Format(wanted), safe_csv=True)(found, sink)
        return sink.getvalue(), _MEDIA[wanted]
    document = {
        "columns": [{"name": each.name, "type": str(each.type)} for each in found.schema],
        "rows": [[plain(value) for value in row] for batch in found for row in _rows(batch)],
        "row_count": found.rows,
        "truncated": found.truncated,
        "took_ms": round(took_ms, 1),
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"), "application/json"


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[object, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _problem(error: FleetpulseError, sql: str) -> Problem:
    """What a client is told; settings of the command line are none of its affair."""
    if isinstance(error, StoppedError):
        return Problem(499, detail=error.problem, type="stopped")
    if isinstance(error, LakeError):
        return unavailable("the lake cannot be read at the moment", retry_after_s=5.0, type="lake-away")
    if isinstance(error, QueryFailedError):
        return _failed(error, sql)
    return Problem(422, detail=error.problem[:2_000], type="sql-refused")


def _failed(error: QueryFailedError, sql: str) -> Problem:
    """DuckDB's words, with the place in the text: line and column from 1, position in characters from 0."""
    if error.problem.startswith("the query engine ended unexpectedly"):
        return Problem(422, detail="the query ended the engine: it takes too much", type="sql-refused")
    detail, place = error.problem[:2_000], error.position
    if place is None:
        return Problem(422, detail=detail, type="sql-failed")
    line, column = line_and_column(sql, place)
    found = {"field": "body.sql", "message": detail, "line": line, "column": column, "position": place}
    return Problem(422, detail=detail, type="sql-failed", errors=[found])
