"""The delivery ledger: per agent and session, what was published, what landed, what is missing, what came twice.

Every event of a session is numbered from 0 over all topics, so the highest number that landed says how many were
published up to there; every number below it that is in no table is missing. What was lost after the last event that
landed cannot be seen from the lake: a session whose last heartbeat says `stopping` is closed and has no such tail,
for the others the producers' account files (`sinks.lake.accounts`) say what was acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from schemas.catalogue import TABLES

if TYPE_CHECKING:
    import duckdb

    from sinks.lake.accounts import SessionAccount

PRODUCER_TABLES: tuple[str, ...] = tuple(table for table, topic in TABLES.items() if not topic.derived)
"""Tables whose rows agents and hosts sent; only these carry the numbers of their sessions."""
LEDGER_TABLES: tuple[str, ...] = (*PRODUCER_TABLES, "deadletter", "duplicates")
"""Tables that the ledger reads."""
MAX_RANGES = 20
"""Examples of missing ranges per session."""

_EVENTS = " UNION ALL ".join(
    f'SELECT agent_id, session_id, seq, "timestamp" FROM {table}'  # noqa: S608  # names of the catalogue
    for table in PRODUCER_TABLES
)

LEDGER_SQL = f"""
WITH sessions AS (
  SELECT session_id, min(agent_id) AS agent_id, min("timestamp") AS first_at, max("timestamp") AS last_at,
    max(seq) + 1 AS published, count(DISTINCT seq) AS landed, count(*) - count(DISTINCT seq) AS double_rows
  FROM ({_EVENTS}) GROUP BY session_id),
beats AS (
  SELECT session_id, max(events_dropped) AS dropped, bool_or(status = 'stopping') AS closed
  FROM heartbeats GROUP BY session_id),
again AS (SELECT session_id, count(*) AS duplicates FROM duplicates GROUP BY session_id)
SELECT agent_id, session_id, first_at, last_at, published, landed, published - landed AS missing,
  coalesce(duplicates, 0) AS duplicates, double_rows, coalesce(dropped, 0) AS dropped, coalesce(closed, false) AS closed
FROM sessions LEFT JOIN beats USING (session_id) LEFT JOIN again USING (session_id)"""  # noqa: S608  # names of the catalogue
"""One row a session that landed anything: the view `ledger`."""

_DEAD_LETTERS = """
SELECT coalesce(TRY(decode("key")), '') AS agent_id, count(DISTINCT (topic, "partition", "offset")) AS dead_letters
FROM deadletter GROUP BY 1"""

_RANGES = f"""
WITH numbers AS (
  SELECT DISTINCT session_id, seq FROM ({_EVENTS}) WHERE session_id IN (SELECT unnest(?::VARCHAR[]))),
steps AS (SELECT session_id, seq, lag(seq, 1, -1) OVER (PARTITION BY session_id ORDER BY seq) AS before FROM numbers)
SELECT session_id, before + 1, seq - 1 FROM steps WHERE seq > before + 1
QUALIFY row_number() OVER (PARTITION BY session_id ORDER BY seq) <= {MAX_RANGES} ORDER BY session_id, before"""  # noqa: S608  # names of the catalogue


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """Counts of events, of one session or summed.

    `published`: numbers given up to the last event that landed. `missing`: those in no table. `dropped`: what the
    reporter says it gave up (each left a hole too, so `missing` holds them). `duplicates`: second arrivals that were
    kept apart; `double_rows`: those that were not, always 0. `acknowledged`, `not_landed`: what the producers'
    accounts claim, and how much of it is in no table; None without accounts.
    """

    agent_id: str = ""
    session_id: str = ""
    sessions: int = 1
    published: int = 0
    landed: int = 0
    missing: int = 0
    duplicates: int = 0
    double_rows: int = 0
    dropped: int = 0
    dead_letters: int = 0
    closed: bool = False
    acknowledged: int | None = None
    not_landed: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def read_sessions(connection: duckdb.DuckDBPyConnection, agent_id: str | None = None) -> list[LedgerLine]:
    """One line a session, of all agents or one, as landed."""
    where, values = ("", []) if agent_id is None else ("WHERE agent_id = ?", [agent_id])
    rows = connection.execute(
        f"""SELECT agent_id, session_id, published, landed, missing, duplicates, double_rows, dropped, closed
        FROM ledger {where}""",  # noqa: S608  # one of two texts of ours
        values,
    ).fetchall()
    return [
        LedgerLine(
            agent_id=row[0],
            session_id=row[1],
            published=row[2],
            landed=row[3],
            missing=row[4],
            duplicates=row[5],
            double_rows=row[6],
            dropped=row[7],
            closed=row[8],
        )
        for row in rows
    ]


def with_accounts(lines: Iterable[LedgerLine], accounts: Iterable[SessionAccount]) -> list[LedgerLine]:
    """Add what producers claim. Sessions of which nothing landed get a line of their own.

    Where everything issued was acknowledged, `published` is the true end of the session and `missing` is exact to its
    tail; else `not_landed` is the least that is lost, since unacknowledged events may have landed too.
    """
    known = {line.session_id: line for line in lines}
    for account in accounts:
        line = known.get(account.session_id) or LedgerLine(agent_id=account.agent_id, session_id=account.session_id)
        published = max(line.published, account.issued) if account.settled else line.published
        known[account.session_id] = replace(
            line,
            published=published,
            missing=published - line.landed,
            dropped=max(line.dropped, account.dropped),
            acknowledged=account.acknowledged,
            not_landed=max(0, account.acknowledged - line.landed),
        )
    return list(known.values())


def _add(first: int | None, second: int | None) -> int | None:
    return second if first is None else first if second is None else first + second


def _sum(lines: Iterable[LedgerLine], agent_id: str = "") -> LedgerLine:
    total = LedgerLine(agent_id=agent_id, sessions=0, closed=True)
    for line in lines:
        total = LedgerLine(
            agent_id,
            "",
            total.sessions + line.sessions,
            total.published + line.published,
            total.landed + line.landed,
            total.missing + line.missing,
            total.duplicates + line.duplicates,
            total.double_rows + line.double_rows,
            total.dropped + line.dropped,
            total.dead_letters + line.dead_letters,
            total.closed and line.closed,
            _add(total.acknowledged, line.acknowledged),
            _add(total.not_landed, line.not_landed),
        )
    return total


def by_agent(lines: Iterable[LedgerLine], dead_letters: dict[str, int]) -> list[LedgerLine]:
    """Sessions summed per agent, the worst first: most missing, most doubled, then by name."""
    agents: dict[str, list[LedgerLine]] = {}
    for line in lines:
        agents.setdefault(line.agent_id, []).append(line)
    summed = [
        replace(_sum(sessions, agent), dead_letters=dead_letters.get(agent, 0)) for agent, sessions in agents.items()
    ]
    return sorted(summed, key=lambda a: (-a.missing, -a.double_rows, -a.duplicates, -a.dead_letters, a.agent_id))


def total(agents: Iterable[LedgerLine]) -> LedgerLine:
    """All of them in one line; `dead_letters` only of the agents given, see `read_dead_letters` for all."""
    return _sum(agents)


def read_dead_letters(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Messages that were not accepted, by the agent that their key names; '' for those without a readable key."""
    return dict(connection.execute(_DEAD_LETTERS).fetchall())


def missing_ranges(connection: duckdb.DuckDBPyConnection, sessions: list[str]) -> dict[str, list[tuple[int, int]]]:
    """Of each session the first `MAX_RANGES` ranges of numbers that did not land, both ends included."""
    found: dict[str, list[tuple[int, int]]] = {}
    if sessions:
        for session, first, last in connection.execute(_RANGES, [sessions]).fetchall():
            found.setdefault(session, []).append((first, last))
    return found
