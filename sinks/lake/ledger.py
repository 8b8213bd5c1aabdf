"""The delivery ledger: per agent and session, what was published, what landed, what is missing, what came twice.

Every event of a session is numbered from 0 over all topics, so the highest number that landed says how many were
published up to there; every number below it that is in no table is missing. What was lost after the last event that
landed cannot be seen from the lake: a session whose last heartbeat says `stopping` is closed and has no such tail, for the
others the producers' account files (`sinks.lake.accounts`) say what was acknowledged.
"""

from __future__ import annotations

from schemas.catalogue import TABLES

PRODUCER_TABLES: tuple[str, ...] = tuple(table for table, topic in TABLES.items() if not topic.derived)
LEDGER_TABLES: tuple[str, ...] = (*PRODUCER_TABLES, "deadletter", "duplicates")

EVENTS_SQL = " UNION ALL ".join(
    f'SELECT agent_id, session_id, seq, "timestamp" FROM {table}' for table in PRODUCER_TABLES
)
"""Every landed event of a producer: agent_id, session_id, seq, timestamp."""

LEDGER_SQL = f"""
WITH sessions AS (
  SELECT agent_id, session_id, min("timestamp") AS first_at, max("timestamp") AS last_at,
    max(seq) + 1 AS published, count(DISTINCT seq) AS landed, count(*) - count(DISTINCT seq) AS double_rows
  FROM ({EVENTS_SQL}) GROUP BY agent_id, session_id),
beats AS (
  SELECT agent_id, session_id, max(events_dropped) AS dropped, bool_or(status = 'stopping') AS closed
  FROM heartbeats GROUP BY agent_id, session_id),
again AS (SELECT agent_id, session_id, count(*) AS duplicates FROM duplicates GROUP BY agent_id, session_id)
SELECT agent_id, session_id, first_at, last_at, published, landed, published - landed AS missing,
  coalesce(duplicates, 0) AS duplicates, double_rows, coalesce(dropped, 0) AS dropped, coalesce(closed, false) AS closed
FROM sessions LEFT JOIN beats USING (agent_id, session_id) LEFT JOIN again USING (agent_id, session_id)"""  # noqa: S608  # our own names
"""One row a session."""
