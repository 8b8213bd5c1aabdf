"""Scores in the lake: of one agent, of a group, of the fleet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from infra.runtime.errors import LakeError
from infra.runtime.text import printable
from infra.runtime.trust_settings import FACTORS

TREND_POINTS = 40
_SCORE = (
    'agent_id, user_id, deployment_id, "timestamp", trust, p, n, compliant, violating, model, violations, '
    "coalesce(compliance, p), reliability, liveness, behaviour"
)


@dataclass(frozen=True)
class Score:
    """One published score; `shares`: p of every factor of `FACTORS` with evidence; the rest as in fleet.trust."""

    agent_id: str
    user_id: str
    deployment_id: str | None
    at: datetime
    trust: float
    p: float
    n: float
    compliant: float
    violating: float
    model: str
    violations: int
    compliance: float
    shares: dict[str, float]


@dataclass(frozen=True)
class Window:
    """What an explanation looks at: from, to (time of the score)."""

    start: datetime
    end: datetime

    @property
    def where(self) -> str:
        """A condition with the parameters `values`: rows of an agent within the window, opened by date."""
        return '"date" >= ? AND "timestamp" >= ? AND "timestamp" <= ?'

    @property
    def values(self) -> list[Any]:
        """Parameters of `where`; what came from a clock ahead of ours is within the window too."""
        return [self.start.date(), self.start, self.end + timedelta(seconds=300)]


def _score(row: tuple[Any, ...]) -> Score:
    shares = {name: value for name, value in zip(FACTORS, row[12:], strict=True) if value is not None}
    values: dict[str, Any] = dict(zip(Score.__dataclass_fields__, row[:12], strict=False))
    return Score(**values, shares=shares)


def agent_score(connection: duckdb.DuckDBPyConnection, agent: str) -> Score:
    """The newest score of an agent. Raises `LakeError` with the names that are like it when it has none."""
    row = connection.execute(f"SELECT {_SCORE} FROM latest_trust WHERE agent_id = ?", [agent]).fetchone()  # noqa: S608  # our own names
    if row is None:
        raise _unknown(connection, "agent", "agent_id", agent)
    return _score(row)


def group_scores(connection: duckdb.DuckDBPyConnection, column: str, name: str) -> list[Score]:
    """The newest score of every agent of a tenant (`user_id`) or deployment (`deployment_id`), the lowest first.

    Raises `LakeError` with the names that are like it when there is none.
    """
    rows = connection.execute(
        f"SELECT {_SCORE} FROM latest_trust WHERE {column} = ? ORDER BY trust, agent_id",  # noqa: S608  # our own names
        [name],
    ).fetchall()
    if not rows:
        raise _unknown(connection, "tenant" if column == "user_id" else "deployment", column, name)
    return [_score(row) for row in rows]


def lowest_scores(connection: duckdb.DuckDBPyConnection, count: int) -> tuple[list[Score], int, float | None]:
    """The lowest scores of the fleet, how many agents have one, and their mean."""
    rows = connection.execute(
        f"SELECT {_SCORE} FROM latest_trust ORDER BY trust, agent_id LIMIT ?",  # noqa: S608  # our own names
        [count],
    ).fetchall()
    found = connection.execute("SELECT count(*), avg(trust) FROM latest_trust").fetchone()
    assert found is not None
    return [_score(row) for row in rows], *found


def _unknown(connection: duckdb.DuckDBPyConnection, kind: str, column: str, name: str) -> LakeError:
    alike = connection.execute(
        f"""SELECT {column} FROM (SELECT DISTINCT {column} FROM trust WHERE {column} IS NOT NULL)
        WHERE jaro_winkler_similarity(lower({column}), lower(?)) >= 0.75
        ORDER BY jaro_winkler_similarity(lower({column}), lower(?)) DESC, {column} LIMIT 3""",  # noqa: S608  # our own names
        [name, name],
    ).fetchall()
    names = ", ".join(printable(row[0]) for row in alike)
    way_out = f"Did you mean {names}?" if names else "`fleetpulse trust` without a name lists the lowest scores"
    return LakeError(f"no score of the {kind} {printable(name)!r} in the lake", way_out=way_out)


def trend(connection: duckdb.DuckDBPyConnection, agent: str, window: Window) -> list[tuple[datetime, float]]:
    """The scores that were in force last in at most `TREND_POINTS` equal parts of the time that has scores."""
    return connection.execute(
        f"""WITH scores AS (
          SELECT "timestamp" AS at_time, trust, kafka_offset FROM trust WHERE agent_id = ? AND {window.where}),
        span AS (
          SELECT epoch(min(at_time)) AS first_s, greatest(epoch(max(at_time)) - epoch(min(at_time)), 1e-6) AS length_s
          FROM scores)
        SELECT max(at_time), arg_max(trust, (at_time, kafka_offset)) FROM scores, span
        GROUP BY least(floor((epoch(at_time) - first_s) / length_s * {TREND_POINTS}), {TREND_POINTS - 1})
        ORDER BY 1""",  # noqa: S608  # our own names
        [agent, *window.values],
    ).fetchall()
