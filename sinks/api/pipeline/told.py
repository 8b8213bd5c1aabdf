"""The pipeline in the shape of `Pipeline`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import duckdb
from aiokafka import TopicPartition

from infra.runtime.offsets import Offsets
from schemas.catalogue import TOPICS
from sinks.api.past.shown import shown
from sinks.api.pipeline.flow import ALERTS, LAKE, NOTIFY, STREAMS, Flow, Point
from sinks.api.times import Span, at_s, iso

MOST_PARTITIONS = 64
MOST_REASONS = 200
_READERS = {
    STREAMS: "stream workers",
    ALERTS: "alert manager",
    LAKE: "lake writer",
    NOTIFY: "notifier: what no channel answers for",
}
_SENT = tuple(name for name, topic in TOPICS.items() if not topic.derived)


def flow_told(flow: Flow) -> dict[str, Any]:
    """Offsets, rates and lag as they were read last."""
    offsets, last = flow.offsets, flow.points[-1] if flow.points else None
    return {
        "as_of": None if last is None else iso(at_s(last.at_s)),
        "trouble": flow.trouble or ("" if offsets is not None else "the broker was not asked yet"),
        "topics": _topics(offsets, flow.rates()),
        "groups": [] if offsets is None else [_group(flow, offsets, name) for name in flow.groups],
        "history": list(_history(flow)),
    }


def _topics(offsets: Offsets | None, rates: dict[str, float]) -> list[dict[str, Any]]:
    return [
        {
            "topic": name,
            "summary": topic.summary,
            "written_by": topic.written_by.replace("`", "") if topic.derived else "producers",
            "records": None if offsets is None else offsets.total(name),
            "records_per_s": rates.get(name),
        }
        for name, topic in TOPICS.items()
    ]


def _group(flow: Flow, offsets: Offsets, name: str) -> dict[str, Any]:
    channel = name.removeprefix(f"{NOTIFY}.") if name.startswith(f"{NOTIFY}.") else None
    reader = _READERS.get(name, "another reader") if channel is None else f"notifier: channel {channel}"
    topics = [_lag(offsets, name, topic) for topic in flow.groups[name] if offsets.held([topic])]
    return {"group": name, "reader": reader, "lag": offsets.lag(name, flow.groups[name]), "topics": topics}


def _lag(offsets: Offsets, group: str, topic: str) -> dict[str, Any]:
    parts = sorted(
        (tp for tp in offsets.ends if tp.topic == topic), key=lambda tp: (-offsets.lag_of(group, tp), tp.partition)
    )
    return {
        "topic": topic,
        "lag": offsets.lag(group, [topic]),
        "partitions": [_partition(offsets, group, tp) for tp in parts[:MOST_PARTITIONS]],
    }


def _partition(offsets: Offsets, group: str, tp: TopicPartition) -> dict[str, Any]:
    committed = offsets.committed.get(group, {}).get(tp)
    lag = offsets.lag_of(group, tp)
    return {"partition": tp.partition, "committed": committed, "end": offsets.ends[tp], "lag": lag}


def _history(flow: Flow) -> Iterator[dict[str, Any]]:
    for before, point in pairwise(flow.points):
        passed_s = point.monotonic_s - before.monotonic_s
        rate = max(_sent(point) - _sent(before), 0) / passed_s if passed_s > 0 else None
        yield {"at": iso(at_s(point.at_s)), "records_per_s": rate, "lag": dict(point.lags)}


def _sent(point: Point) -> int:
    return sum(point.totals[topic] for topic in _SENT)


def read_reasons(span: Span) -> Callable[[duckdb.DuckDBPyConnection], list[dict[str, Any]]]:
    """The question: dead letters of a span by topic and kind, the most first."""
    names = ("topic", "error", "letters", "first_at", "last_at")

    def ask(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        rows = connection.execute(
            f"""SELECT topic, error, count(DISTINCT ("partition", "offset")) AS letters, min("timestamp"),
            max("timestamp") FROM deadletter WHERE "timestamp" >= ? AND "timestamp" < ?
            GROUP BY topic, error ORDER BY letters DESC, topic, error LIMIT {MOST_REASONS}""",  # noqa: S608  # our own number
            [span.start, span.end],
        ).fetchall()
        return [dict(zip(names, map(shown, row), strict=True)) for row in rows]

    return ask
