"""The compliance report from the lake: violations, and the checks that agents count in their metrics.

The compliance rate is the share of checks that passed: each report of metrics says how many checks there were since the
last one and which share passed, so shares are weighted by checks. Reports without checks say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import duckdb

from infra.access.principal import OWN_TENANT
from sinks.api.reports.mask import masked
from sinks.api.scope import Scope
from sinks.api.times import Span, iso, iso_us

TABLES = ("violations", "metrics")
MOST_EVIDENCE = 2_000
_MOST_POLICIES, _MOST_KINDS, _MOST_AGENTS, _MOST_NAMED, _MOST_CONTEXT = 500, 50, 500, 100, 20
_LONGEST_NAME = 200
_TEXTS = ("description", "type", "policy_name", "severity", "action", "policy_id")
Report = dict[str, Any]
_NONE: Mapping[str, Any] = MappingProxyType({})

_WITHIN = '"timestamp" >= $start AND "timestamp" < $end'
_FOUND = f"""CREATE OR REPLACE TEMP TABLE found AS
SELECT user_id, agent_id, policy_id, policy_name, severity, action, "timestamp" FROM violations WHERE {_WITHIN}"""  # noqa: S608  # our own names
_OF_AGENTS = f"user_id <> '{OWN_TENANT}'"
"""Our own processes report, too, and nobody governs them: they are no agents that do not check."""
_REPORTED = f"""CREATE OR REPLACE TEMP TABLE reported AS
SELECT user_id, agent_id, "timestamp"::DATE AS day,
  sum(policy_checks) FILTER (WHERE counted) AS checks,
  sum(policy_checks * compliance_rate) FILTER (WHERE counted) AS passed
FROM (SELECT *, isfinite(policy_checks) AND policy_checks > 0 AND compliance_rate BETWEEN 0 AND 1 AS counted
  FROM metrics WHERE {_WITHIN} AND {_OF_AGENTS}) GROUP BY ALL"""  # noqa: S608  # our own names
_NAMED = f"""CREATE OR REPLACE TEMP TABLE named AS SELECT policy_id, count(*) AS reports
FROM (SELECT unnest(policy_violations) AS policy_id FROM metrics WHERE {_WITHIN} AND len(policy_violations) > 0)
GROUP BY policy_id"""  # noqa: S608  # our own names
_PREPARE = (_FOUND, _REPORTED, _NAMED)
"""What everything else is counted from; all three hold what is within the span, and nothing of others."""

_AGENTS_OF = "count(DISTINCT (user_id, agent_id))"
_RATE = "CASE WHEN sum(checks) > 0 THEN round(least(sum(passed) / sum(checks), 1), 9) END"
"""Rounded: rows are added up in any order, and a report is to be the same whenever it is made."""
_CRITICAL = "count(*) FILTER (WHERE severity = 'critical') AS critical"
_TOTALS = f"""SELECT (SELECT count(*) FROM found) AS violations,
  (SELECT count(*) FROM (SELECT user_id, agent_id FROM found UNION SELECT user_id, agent_id FROM reported)) AS agents,
  (SELECT {_AGENTS_OF} FROM found) AS agents_violating,
  (SELECT count(DISTINCT policy_id) FROM found) AS policies,
  coalesce(sum(checks), 0) AS checks, {_RATE} AS compliance_rate FROM reported"""  # noqa: S608  # our own names
_POLICIES = f"""SELECT policy_id, arg_max(policy_name, "timestamp") AS policy_name, count(*) AS violations,
  {_AGENTS_OF} AS agents, coalesce(any_value(named.reports), 0) AS reports,
  histogram(severity) AS severities, histogram(action) AS actions,
  epoch_us(min("timestamp")) AS first_at, epoch_us(max("timestamp")) AS last_at
FROM found LEFT JOIN named USING (policy_id) GROUP BY policy_id ORDER BY violations DESC, policy_id LIMIT $most"""  # noqa: S608  # our own names
_KINDS = f"""SELECT {{kind}} AS name, count(*) AS violations, {_AGENTS_OF} AS agents
FROM found GROUP BY {{kind}} ORDER BY violations DESC, name LIMIT $most"""  # noqa: S608  # our own names
_AGENTS = f"""SELECT agent_id, user_id, coalesce(violations, 0) AS violations, coalesce(critical, 0) AS critical,
  coalesce(policies, 0) AS policies, coalesce(checks, 0) AS checks, compliance_rate
FROM (SELECT user_id, agent_id, count(*) AS violations, {_CRITICAL}, count(DISTINCT policy_id) AS policies
  FROM found GROUP BY user_id, agent_id)
FULL JOIN (SELECT user_id, agent_id, sum(checks) AS checks, {_RATE} AS compliance_rate
  FROM reported GROUP BY user_id, agent_id) USING (user_id, agent_id)
ORDER BY violations DESC, compliance_rate NULLS LAST, user_id, agent_id LIMIT $most"""  # noqa: S608  # our own names
_DAYS = f"""SELECT day, coalesce(violations, 0) AS violations, coalesce(critical, 0) AS critical,
  coalesce(agents, 0) AS agents, coalesce(checks, 0) AS checks, compliance_rate
FROM (SELECT "timestamp"::DATE AS day, count(*) AS violations, {_CRITICAL}, {_AGENTS_OF} AS agents
  FROM found GROUP BY day)
FULL JOIN (SELECT day, sum(checks) AS checks, {_RATE} AS compliance_rate FROM reported GROUP BY day) USING (day)"""  # noqa: S608  # our own names
_COVERAGE = """SELECT count(*) AS agents_reporting, count(*) FILTER (WHERE checks > 0) AS agents_checked,
  coalesce(list(agent_id ORDER BY agent_id) FILTER (WHERE coalesce(checks, 0) = 0), [])[:$most] AS unchecked
FROM (SELECT user_id, agent_id, sum(checks) AS checks FROM reported GROUP BY user_id, agent_id)"""
_WITHOUT_EVIDENCE = """SELECT coalesce(list(policy_id ORDER BY policy_id), [])[:$most] AS ids FROM named
WHERE policy_id NOT IN (SELECT policy_id FROM found)"""
_EVIDENCE = f"""SELECT epoch_us("timestamp") AS timestamp, event_id::VARCHAR AS event_id, agent_id, user_id, type,
  policy_id, policy_name, severity, action, description, context, remediation_suggested AS remediation, run_id
FROM violations WHERE {_WITHIN} ORDER BY "timestamp" DESC, event_id LIMIT $most"""  # noqa: S608  # our own names


def compliance(
    span: Span, scope: Scope, now: datetime, most_evidence: int, *, only_violating: bool = False
) -> Callable[[duckdb.DuckDBPyConnection], Report]:
    """A question to the lake: the document of `ComplianceReport` over a span."""

    def question(connection: duckdb.DuckDBPyConnection) -> Report:
        for sql in _PREPARE:
            connection.execute(sql, _times(span))
        try:
            report = _report(connection, span, scope, now, most_evidence)
        finally:
            for name in ("found", "reported", "named"):
                connection.execute(f"DROP TABLE IF EXISTS {name}")
        return _narrowed(report, only_violating=only_violating)

    return question


def last_day(report: Mapping[str, Any]) -> str:
    """The last day, UTC, of which a report holds anything: its end is excluded."""
    until = datetime.fromisoformat(report["to"]) - timedelta(microseconds=1)
    return until.astimezone(UTC).date().isoformat()


def _report(
    connection: duckdb.DuckDBPyConnection, span: Span, scope: Scope, now: datetime, most_evidence: int
) -> Report:
    [totals] = _rows(connection, _TOTALS)
    policies = _rows(connection, _POLICIES, _MOST_POLICIES)
    days = {row.pop("day"): row for row in _rows(connection, _DAYS)}
    evidence = _rows(connection, _EVIDENCE, most_evidence, _times(span))
    return {
        "from": iso(span.start),
        "to": iso(span.end),
        "generated_at": iso(now),
        "tenant": scope.tenant,
        "totals": totals,
        "by_policy": [_policy(row) for row in policies],
        "by_severity": _named(_rows(connection, _KINDS.format(kind="severity"), _MOST_KINDS)),
        "by_action": _named(_rows(connection, _KINDS.format(kind="action"), _MOST_KINDS)),
        "by_agent": _rows(connection, _AGENTS, _MOST_AGENTS),
        "by_day": [_day(day, days) for day in _every_day(span)],
        "coverage": _coverage(connection),
        "evidence": [_evidence(row) for row in evidence],
        "evidence_total": totals["violations"],
    }


def _narrowed(report: Report, *, only_violating: bool) -> Report:
    """Without agents and days that have no violation where only others are wanted; the sums stay those of everybody."""
    if only_violating:  # none is lost to the limit of agents: who has violations comes first
        report |= {part: [row for row in report[part] if row["violations"]] for part in ("by_agent", "by_day")}
    return report | {"only_violating": only_violating}


def _times(span: Span) -> dict[str, Any]:
    return {"start": span.start, "end": span.end}


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, most: int | None = None, values: Mapping[str, Any] = _NONE
) -> list[dict[str, Any]]:
    asked = connection.execute(sql, dict(values) if most is None else {**values, "most": most})
    names = [column[0] for column in asked.description or ()]
    return [dict(zip(names, row, strict=True)) for row in asked.fetchall()]


def _policy(row: Mapping[str, Any]) -> dict[str, Any]:
    counts = {name: {_cut(key): n for key, n in sorted(row[name].items())} for name in ("severities", "actions")}
    names = {name: _cut(row[name]) for name in ("policy_id", "policy_name")}
    return {**row, **names, **counts, "first_at": iso_us(row["first_at"]), "last_at": iso_us(row["last_at"])}


def _named(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"name": _cut(row["name"])} for row in rows]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


_EMPTY_DAY: Mapping[str, Any] = {"violations": 0, "critical": 0, "agents": 0, "checks": 0.0, "compliance_rate": None}


def _every_day(span: Span) -> list[Any]:
    first = span.start.astimezone(UTC).date()
    last = (span.end.astimezone(UTC) - timedelta(microseconds=1)).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _day(day: Any, days: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:  # noqa: ANN401  # a date
    return {"date": day.isoformat(), **days.get(day, _EMPTY_DAY)}


def _coverage(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    [found] = _rows(connection, _COVERAGE, _MOST_NAMED)
    [policies] = _rows(connection, _WITHOUT_EVIDENCE, _MOST_NAMED)
    reporting = found["agents_reporting"]
    share = found["agents_checked"] / reporting if reporting else None
    return {**found, "share_checked": share, "without_evidence": [_cut(name) for name in policies["ids"]]}


def _evidence(row: Mapping[str, Any]) -> dict[str, Any]:
    context = {_cut(each["name"]): masked(each["value"]) for each in (row["context"] or [])[:_MOST_CONTEXT]}
    texts = {name: masked(row[name]) for name in _TEXTS}
    remediation = row["remediation"]
    return {
        **row,
        **texts,
        "timestamp": iso_us(row["timestamp"]),
        "context": context,
        "remediation": None if remediation is None else masked(remediation),
    }
