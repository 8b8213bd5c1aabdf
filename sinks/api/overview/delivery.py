"""The delivery ledger of everybody, summed: what was published, what landed, what is missing, what has expired.

What is on its way is not missing: of each session only numbers up to the highest one count that landed `SETTLED`
ago, since the writer puts the tables of one agent into files at different moments. Over the whole lake a session counts
from 0; over its last day or hour, from the first number of that time, and then nothing of it has expired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from sinks.api.scope import Scope
from sinks.lake.ledger import PRODUCER_TABLES

SETTLED = timedelta(seconds=30)
TABLES = (*PRODUCER_TABLES, "duplicates", "deadletter", "expired")

_EVENTS = " UNION ALL ".join(
    f"SELECT user_id, agent_id, session_id, seq, kafka_timestamp FROM {table}"  # noqa: S608  # names of the catalogue
    for table in PRODUCER_TABLES
)
_SQL = f"""WITH gone AS (
  SELECT session_id, sum(events)::BIGINT AS events, max(last_seq) AS last FROM expired WHERE $whole
  GROUP BY session_id),
settled AS (
  SELECT session_id, any_value(user_id) AS user_id, any_value(agent_id) AS agent_id,
    CASE WHEN $whole THEN 0 ELSE min(seq) END AS first, max(seq) AS last, count(*) AS landed
  FROM ({_EVENTS}) WHERE kafka_timestamp < $cut GROUP BY session_id),
sessions AS (
  SELECT settled.* EXCLUDE (last), greatest(settled.last, gone.last) AS last, coalesce(gone.events, 0) AS expired
  FROM settled LEFT JOIN gone USING (session_id)),
late AS (
  SELECT session_id, count(*) AS landed FROM ({_EVENTS}) JOIN sessions USING (session_id)
  WHERE kafka_timestamp >= $cut AND seq BETWEEN first AND last GROUP BY session_id)
SELECT user_id, agent_id, count(*), sum(last - first + 1)::BIGINT,
  sum(sessions.landed + coalesce(late.landed, 0))::BIGINT, sum(expired)::BIGINT
FROM sessions LEFT JOIN late USING (session_id) GROUP BY ALL"""  # noqa: S608  # names of the catalogue
_DUPLICATES = "SELECT count(*) FROM duplicates"
_LETTERS = """SELECT count(DISTINCT (topic, "partition", "offset")) FROM deadletter"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Sums over sessions. `missing`: numbers that did not land; `expired`: those that retention has removed since."""

    sessions: int = 0
    published: int = 0
    landed: int = 0
    expired: int = 0

    @property
    def missing(self) -> int:
        """Never below 0: a number that came by two ways is one."""
        return max(0, self.published - self.landed - self.expired)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """By tenant and agent, those who miss the most first; and what is of the fleet alone."""

    of_agent: dict[tuple[str, str], Delivery]
    of_tenant: dict[str, Delivery]
    total: Delivery
    duplicates: int
    dead_letters: int

    def of(self, scope: Scope) -> Delivery:
        """The sum of a scope."""
        if scope.agents:
            return _sum(each for key, each in self.of_agent.items() if scope.sees(*key))
        return self.total if scope.tenant is None else self.of_tenant.get(scope.tenant, Delivery())

    def agents_of(self, scope: Scope, part: str) -> list[tuple[str, str]]:
        """Tenant and name of the agents of a scope with `part` in their name, in lower case; the worst first."""
        if scope == Scope() and not part:
            return list(self.of_agent)
        return [key for key in self.of_agent if scope.sees(*key) and part in key[1].lower()]


def read_deliveries(now: datetime, *, whole: bool) -> Callable[[duckdb.DuckDBPyConnection], Deliveries]:
    """The question; `whole`: the views hold everything that there ever was, so that sessions begin at 0."""

    def ask(connection: duckdb.DuckDBPyConnection) -> Deliveries:
        rows = connection.execute(_SQL, {"whole": whole, "cut": now - SETTLED}).fetchall()
        found = {(row[0], row[1]): Delivery(*row[2:]) for row in rows}
        worst = dict(sorted(found.items(), key=lambda item: (-item[1].missing, item[0][1], item[0][0])))
        tenants: dict[str, list[Delivery]] = {}
        for (user_id, _), each in worst.items():
            tenants.setdefault(user_id, []).append(each)
        sums = {user_id: _sum(each) for user_id, each in tenants.items()}
        duplicates, letters = _count(connection, _DUPLICATES), _count(connection, _LETTERS)
        return Deliveries(worst, sums, _sum(sums.values()), duplicates, letters)

    return ask


def _sum(deliveries: Iterable[Delivery]) -> Delivery:
    sessions = published = landed = expired = 0
    for each in deliveries:
        sessions, published, landed = sessions + each.sessions, published + each.published, landed + each.landed
        expired += each.expired
    return Delivery(sessions, published, landed, expired)


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0
