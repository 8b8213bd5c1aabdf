"""What status an agent had when: the changes of fleet.status as spans without holes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from sinks.api.times import Span

MOST_CHANGES = 2_000
"""Changes of one answer; of more, the newest."""
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of status: when, to what, from what, why."""

    at: datetime
    status: str
    previous: str
    reason: str


@dataclass(frozen=True, slots=True)
class StatusSpan:
    """From `start` to before `end` the agent was `status`. `reason`: why it began; None: it had begun before."""

    start: datetime
    end: datetime
    status: str
    reason: str | None


def read_changes(span: Span) -> Callable[[duckdb.DuckDBPyConnection], list[Change]]:
    """The question: changes within a span, the oldest first, and the first one after it, which says how it ended.

    One more than `MOST_CHANGES` within the span at most, the newest.
    """

    def ask(connection: duckdb.DuckDBPyConnection) -> list[Change]:
        within = connection.execute(_WITHIN, [span.start, span.end]).fetchall()
        after = connection.execute(_AFTER, [span.end]).fetchall()
        return [Change(*row) for row in (*reversed(within), *after)]

    return ask


_CHANGES = 'SELECT "timestamp", status, previous, reason FROM status WHERE'
_WITHIN = f"""{_CHANGES} "timestamp" >= ? AND "timestamp" < ?
    ORDER BY "timestamp" DESC, kafka_offset DESC LIMIT {MOST_CHANGES + 1}"""
_AFTER = f"""{_CHANGES} "timestamp" >= ? ORDER BY "timestamp", kafka_offset LIMIT 1"""


def with_now(changes: Sequence[Change], now: Change | None) -> list[Change]:
    """The changes with the newest, which memory knows a second or two before the lake does."""
    if now is None or (changes and now.at <= changes[-1].at):
        return list(changes)
    return [*changes, now]


def spans_of(changes: Iterable[Change], span: Span) -> list[StatusSpan]:
    """Spans of a whole `span`; what follows its end is left out, what was before it gives its first status."""
    found: list[StatusSpan] = []
    start, status, reason = span.start, UNKNOWN, None
    for i, change in enumerate(changes):
        if i == 0:
            status = change.previous or UNKNOWN
        if change.at >= span.end:
            break
        if change.status == status and change.at > span.start:
            continue
        if change.at > start:
            found.append(StatusSpan(start, change.at, status, reason))
        start, status, reason = max(change.at, span.start), change.status, _since(change, span)
    found.append(StatusSpan(start, span.end, status, reason))
    return found


def _since(change: Change, span: Span) -> str | None:
    return change.reason if change.at >= span.start else None


def seconds_of(spans: Iterable[StatusSpan]) -> dict[str, float]:
    """How long each status lasted, all spans together."""
    found: dict[str, float] = {}
    for each in spans:
        found[each.status] = found.get(each.status, 0.0) + (each.end - each.start).total_seconds()
    return found
