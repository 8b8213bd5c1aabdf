"""Dead letters out of the lake, and what would become of each if it was published once more.

Whether a message is accepted is what the lake writer itself would say of it now: a schema that was unknown then may be
known since. Whether its event is in the lake is asked of the lake: it may have come again by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import polars as pl

from schemas.catalogue import TOPICS
from schemas.columnar import ROW, decode_batch
from schemas.registry import SchemaBook
from sinks.api.past.newest import Row
from sinks.api.past.pool import LakePool
from sinks.api.scope import Scope
from sinks.api.times import Span

COLUMNS = ("topic", "partition", "offset", "raw", "raw_size_bytes", "error", "detail")
KEPT = timedelta(days=90)
"""How far back letters are looked for: as long as the lake keeps them."""
_AROUND = timedelta(hours=1)
_SANE_FROM, _AHEAD = datetime(2000, 1, 1, tzinfo=UTC), timedelta(hours=23)
_BEGINNING = 160
WHOLE = Scope()


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. `raw` may be cut: `size_bytes` is what it was."""

    topic: str
    partition: int
    offset: int
    at: datetime
    raw: bytes
    size_bytes: int
    error: str
    detail: str

    @property
    def name(self) -> str:
        """TOPIC/PARTITION/OFFSET."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a replay would do now: `accepted`, or why it is not done; of an event that can be read, whose it is.

    `event`: session and number; what has come with them lands once.
    """

    letter: Letter
    outcome: str
    why: str
    agent_id: str | None = None
    user_id: str | None = None
    event: tuple[str, int] | None = None
    at: datetime | None = None


def letter_of(row: Row) -> Letter:
    """Of a row with `COLUMNS` and its time."""
    return Letter(
        row["topic"], row["partition"], row["offset"], row["timestamp"], row["raw"] or b"", row["raw_size_bytes"],
        row["error"], row["detail"],
    )  # fmt: skip


def read_letters(names: Sequence[str], span: Span) -> Callable[[duckdb.DuckDBPyConnection], list[Letter]]:
    """The question: the letters of these coordinates that a span has; of two with the same the newer."""
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    sql = f"""SELECT "timestamp", {columns} FROM deadletter
        WHERE concat_ws('/', topic, "partition", "offset") IN (SELECT unnest(?::VARCHAR[]))
        AND "timestamp" >= ? AND "timestamp" < ?
        QUALIFY row_number() OVER (PARTITION BY topic, "partition", "offset" ORDER BY "timestamp" DESC) = 1
        ORDER BY topic, "partition", "offset" """  # noqa: S608  # our own names

    def ask(connection: duckdb.DuckDBPyConnection) -> list[Letter]:
        rows = connection.execute(sql, [list(names), span.start, span.end]).fetchall()
        return [letter_of(dict(zip(("timestamp", *COLUMNS), row, strict=True))) for row in rows]

    return ask


async def judge(pool: LakePool, letters: Iterable[Letter], now: datetime) -> list[Judged]:
    """What a replay would do with each, in the order of topics. Raises what `LakePool.ask` raises."""
    by_topic: dict[str, list[Letter]] = {}
    for letter in letters:
        by_topic.setdefault(letter.topic, []).append(letter)
    return [judged for topic, found in by_topic.items() for judged in await _of_topic(pool, topic, found, now)]


async def _of_topic(pool: LakePool, topic: str, letters: list[Letter], now: datetime) -> list[Judged]:
    known = TOPICS.get(topic)
    if known is None:
        return [Judged(each, "unknown", "the topic is not one of the fleet's") for each in letters]
    if known.derived:
        why = f"{known.written_by} write this topic anew from what they read: a copy would count twice"
        return [Judged(each, "derived", why) for each in letters]
    judged = _decoded(known.schema, letters)
    landed = await _landed(pool, known.table, [each for each in judged if each.event is not None], now)
    return [_unless_landed(each, landed) for each in judged]


def _unless_landed(judged: Judged, landed: set[tuple[str, int]]) -> Judged:
    if judged.event not in landed:
        return judged
    return replace(judged, outcome="landed", why="the event stands in the lake already")


def _decoded(schema: str, letters: list[Letter]) -> list[Judged]:
    whole = [each for each in letters if len(each.raw) == each.size_bytes]
    cut = "of the message only the first 256 KiB were kept"
    found = {id(each): Judged(each, "cut", cut) for each in letters if len(each.raw) != each.size_bytes}
    batch = decode_batch(SchemaBook(schema), [each.raw or None for each in whole])
    for bad in batch.bad:
        found[id(whole[bad.row])] = Judged(whole[bad.row], "unreadable", f"{bad.error}: {bad.detail}"[:400])
    for row in _envelopes(batch.frame):
        letter = whole[row[ROW]]
        found[id(letter)] = Judged(
            letter, "accepted", "it can be read now", row["agent_id"], row["user_id"],
            (row["session_id"], row["seq"]), row["timestamp"],
        )  # fmt: skip
    return [found[id(each)] for each in letters]


def _envelopes(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Times out of any calendar become null."""
    us = pl.col("timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    sane = pl.when(us.is_between(_SANE_FROM, datetime(2200, 1, 1, tzinfo=UTC))).then(us)
    chosen = frame.select(ROW, "agent_id", "user_id", "session_id", "seq", sane.alias("timestamp"))
    return list(chosen.iter_rows(named=True))


async def _landed(pool: LakePool, table: str, judged: Sequence[Judged], now: datetime) -> set[tuple[str, int]]:
    """Those of the events that a table has."""
    if not judged:
        return set()
    sessions = sorted({each.event[0] for each in judged if each.event is not None})
    wanted = {each.event for each in judged if each.event is not None}

    def ask(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, int]]:
        sql = f"SELECT session_id, seq FROM {table} WHERE session_id IN (SELECT unnest(?::VARCHAR[]))"  # noqa: S608  # a name of the catalogue
        return wanted & set(connection.execute(sql, [sessions]).fetchall())

    nothing: set[tuple[str, int]] = set()
    return await pool.ask(ask, scope=WHOLE, tables=(table,), span=_span(judged, now), empty=nothing)


def _span(judged: Sequence[Judged], now: datetime) -> Span | None:
    """The hours in which the events would lie; None, all, where a time is one that the writer does not believe."""
    times = [each.at for each in judged]
    if any(at is None or not _SANE_FROM <= at <= now + _AHEAD for at in times):
        return None
    known = [at for at in times if at is not None]
    return Span(min(known) - _AROUND, max(known) + _AROUND)


def told(judged: Judged) -> dict[str, Any]:
    """In the shape of `Letter` of the models, without its time."""
    letter = judged.letter
    return {
        "letter": letter.name,
        "topic": letter.topic,
        "error": letter.error,
        "detail": letter.detail,
        "size_bytes": letter.size_bytes,
        "beginning": _printable(letter.raw[:_BEGINNING]),
        "outcome": judged.outcome,
        "why": judged.why,
        "agent_id": judged.agent_id,
        "user_id": judged.user_id,
    }


def _printable(raw: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in raw)
