"""Policies of a span: what violated them, when, and how many checks there were. Within the views of a scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from sinks.api.past.metrics import bucket_s
from sinks.api.past.shown import shown
from sinks.api.times import Span, iso

SEVERITIES = ("critical", "high", "medium", "low")
BARS = 48
_MOST_POLICIES, _MOST_WORDS = 200, 50
_WITHIN = '"timestamp" >= $start AND "timestamp" < $end'
_FOUND = f"""CREATE OR REPLACE TEMP TABLE governed AS SELECT user_id, agent_id, policy_id, policy_name,
  lower(severity) AS severity, lower(action) AS action, "timestamp" FROM violations WHERE {_WITHIN}"""  # noqa: S608  # our own names
_AGENTS = "count(DISTINCT (user_id, agent_id))"
_TOTALS = f"SELECT count(*), {_AGENTS} FROM governed"  # noqa: S608  # our own names
_POLICIES = f"""SELECT policy_id, arg_max(policy_name, "timestamp") AS policy_name, count(*) AS violations,
  {_AGENTS} AS agents, histogram(severity) AS by_severity, histogram(action) AS by_action, max("timestamp") AS last_at
FROM governed GROUP BY policy_id ORDER BY violations DESC, policy_id LIMIT {_MOST_POLICIES}"""  # noqa: S608  # as above
_WORDS = f"SELECT {{word}}, count(*) FROM governed GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_MOST_WORDS}"  # noqa: S608  # as above
_BARS = """SELECT severity, epoch_us("timestamp") // $width AS bucket, count(*) FROM governed
WHERE severity IN ('critical', 'high', 'medium', 'low') GROUP BY ALL"""
_MOST_CHECKS = 1e12
"""Of one report: more is no count, and the sum of such is no number that JSON knows."""
_CHECKS = f"""SELECT user_id, agent_id, sum(policy_checks), sum(policy_checks * compliance_rate) FROM metrics
WHERE {_WITHIN} AND policy_checks > 0 AND policy_checks <= {_MOST_CHECKS} AND compliance_rate BETWEEN 0 AND 1
GROUP BY ALL"""  # noqa: S608  # as above
TABLES = ("violations", "metrics")


@dataclass(frozen=True, slots=True)
class Checked:
    """`answer`: members of `Policies` that the lake knows; `agents`: tenant and name of those with a check."""

    answer: dict[str, Any]
    agents: set[tuple[str, str]]


def read_policies(span: Span) -> Callable[[duckdb.DuckDBPyConnection], Checked]:
    """The question."""

    def ask(connection: duckdb.DuckDBPyConnection) -> Checked:
        times = {"start": span.start, "end": span.end}
        connection.execute(_FOUND, times)
        try:
            found = _counted(connection, span)
        finally:
            connection.execute("DROP TABLE IF EXISTS governed")
        rows = connection.execute(_CHECKS, times).fetchall()
        checks = sum(row[2] for row in rows)
        rate = min(1.0, sum(row[3] for row in rows) / checks) if checks else None
        return Checked(found | {"checks": checks, "compliance_rate": rate}, {(row[0], row[1]) for row in rows})

    return ask


def _counted(connection: duckdb.DuckDBPyConnection, span: Span) -> dict[str, Any]:
    total = connection.execute(_TOTALS).fetchone() or (0, 0)
    return {
        "violations": total[0],
        "agents_violating": total[1],
        "by_severity": dict(connection.execute(_WORDS.format(word="severity")).fetchall()),
        "by_action": dict(connection.execute(_WORDS.format(word="action")).fetchall()),
        "policies": _policies(connection),
        "over_time": _bars(connection, span),
    }


def _policies(connection: duckdb.DuckDBPyConnection) -> list[Mapping[str, Any]]:
    asked = connection.execute(_POLICIES)
    names = [column[0] for column in asked.description or ()]
    return [shown(dict(zip(names, row, strict=True))) for row in asked.fetchall()]


def _bars(connection: duckdb.DuckDBPyConnection, span: Span) -> dict[str, Any]:
    width_s = bucket_s(span, BARS)
    first, last = (int(moment.timestamp()) // width_s for moment in (span.start, span.end - timedelta(microseconds=1)))
    counts = {word: [0] * (last - first + 1) for word in SEVERITIES}
    for word, bucket, count in connection.execute(_BARS, {"width": width_s * 1_000_000}).fetchall():
        counts[word][bucket - first] += count
    at = [iso(datetime.fromtimestamp(bucket * width_s, UTC)) for bucket in range(first, last + 1)]
    return {"bucket_s": width_s, "at": at, "by_severity": counts}
