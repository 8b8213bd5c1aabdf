"""The newest rows of a table first, by pages; older hours are opened only when the newer ones did not fill a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import duckdb

from sinks.api.past.pool import LakePool
from sinks.api.scope import Scope
from sinks.api.times import Span

FIRST_WINDOW = timedelta(hours=3)
_GROWS = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class After:
    """Where a page ended: event time (microseconds since 1970) and id of its last row."""

    timestamp_us: int
    event_id: str

    @property
    def at(self) -> datetime:
        """The time. Raises `OverflowError` for what no calendar has."""
        return _EPOCH + timedelta(microseconds=self.timestamp_us)


@dataclass(frozen=True, slots=True)
class Asked:
    """Rows of `table` with `columns`, of `agent` or all, that `equal` says (column = one of the values)."""

    table: str
    columns: Sequence[str]
    span: Span
    agent: str | None = None
    equal: Mapping[str, Sequence[str]] | None = None
    contains: Mapping[str, str] | None = None

    def condition(self) -> tuple[str, list[Any]]:
        """SQL and its parameters."""
        parts = ['"timestamp" >= ? AND "timestamp" < ?']
        values: list[Any] = []
        for column, allowed in (self.equal or {}).items():
            parts.append(f'lower("{column}") IN (SELECT unnest(?))')
            values.append([text.lower() for text in allowed])
        for column, text in (self.contains or {}).items():
            parts.append(f'contains(lower("{column}"), lower(?))')
            values.append(text)
        return " AND ".join(parts), values


@dataclass(frozen=True, slots=True)
class Page:
    """`rows`, the newest first; `last`: where the next page goes on, None: there is none."""

    rows: list[Row]
    last: After | None


async def newest(pool: LakePool, scope: Scope, asked: Asked, after: After | None, limit: int) -> Page:
    """One page. Raises what `LakePool.ask` raises."""
    rows: list[Row] = []
    end = asked.span.end if after is None else min(asked.span.end, after.at + timedelta(microseconds=1))
    for window in _windows(Span(asked.span.start, end)) if end > asked.span.start else ():
        question = _question(asked, window, after, limit + 1 - len(rows))
        rows += await pool.ask(question, scope=scope, tables=(asked.table,), span=window, agent=asked.agent, empty=[])
        if len(rows) > limit:
            last = rows[limit - 1]
            return Page(rows[:limit], After(_us(last["timestamp"]), str(last["event_id"])))
    return Page(rows, None)


def _windows(span: Span) -> Iterator[Span]:
    """Parts of a span, the newest first, each longer than the one before it."""
    end, length = span.end, FIRST_WINDOW
    while end > span.start:
        start = max(span.start, end - length)
        yield Span(start, end)
        end, length = start, length * _GROWS


def _question(
    asked: Asked, window: Span, after: After | None, count: int
) -> Callable[[duckdb.DuckDBPyConnection], list[Row]]:
    where, values = asked.condition()
    values = [window.start, window.end, *values]
    if after is not None:
        where += ' AND ("timestamp" < ? OR ("timestamp" = ? AND event_id < ?::UUID))'
        values += [after.at, after.at, after.event_id]
    names = ("timestamp", "event_id", *asked.columns)
    chosen = ", ".join(f'"{name}"' for name in names)
    sql = f'SELECT {chosen} FROM {asked.table} WHERE {where} ORDER BY "timestamp" DESC, event_id DESC LIMIT {count}'  # noqa: S608  # our own names

    def ask(connection: duckdb.DuckDBPyConnection) -> list[Row]:
        rows = connection.execute(sql, values).fetchall()
        return [dict(zip(names, row, strict=True)) for row in rows]

    return ask


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def parse_after(values: Sequence[Any] | None) -> After | None:
    """Of the values of a cursor. Raises `ValueError` where they are no place in a table."""
    if values is None:
        return None
    after = After(values[0], str(UUID(values[1])))
    try:
        _ = after.at
    except OverflowError as error:
        raise ValueError(values[0]) from error
    return after
