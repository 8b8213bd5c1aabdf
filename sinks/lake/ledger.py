"""The delivery ledger: per agent and session, what was published, what landed, is missing, has expired, came twice.

Every event of a session is numbered from 0 over all topics, so the highest number that landed says how many were
published up to there; every number below it that is in no table is missing, unless retention removed it: that has
expired, and `sinks.lake.expired` says which these are (not for what was removed before it was there). What was lost
after the last event that landed cannot be seen from the lake: a session whose last heartbeat says `stopping` is closed
and has no such tail, for the others the producers' account files (`sinks.lake.accounts`) say what was acknowledged. A
gateway's session of an agent that lives on is closed by its account alone: there it has ended and every number has a
fate.
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
LEDGER_TABLES: tuple[str, ...] = (*PRODUCER_TABLES, "deadletter", "duplicates", "expired")
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
again AS (SELECT session_id, count(*) AS duplicates FROM duplicates GROUP BY session_id),
gone AS (
  SELECT session_id, sum(events)::BIGINT AS events, max(last_seq) + 1 AS published FROM expired GROUP BY session_id),
known AS (
  SELECT sessions.* EXCLUDE (published), greatest(sessions.published, gone.published) AS published,
    least(coalesce(gone.events, 0), greatest(sessions.published, gone.published) - landed) AS expired
  FROM sessions LEFT JOIN gone USING (session_id))
SELECT agent_id, session_id, first_at, last_at, published, landed, published - landed - expired AS missing, expired,
  coalesce(duplicates, 0) AS duplicates, double_rows, coalesce(dropped, 0) AS dropped, coalesce(closed, false) AS closed
FROM known LEFT JOIN beats USING (session_id) LEFT JOIN again USING (session_id)"""  # noqa: S608  # names of the catalogue
"""One row a session that landed anything: the view `ledger`."""

_DEAD_LETTERS = """
SELECT coalesce(TRY(decode("key")), '') AS agent_id, count(DISTINCT (topic, "partition", "offset")) AS dead_letters
FROM deadletter GROUP BY 1"""

_EXPIRED = """
SELECT session_id, sum(events)::BIGINT, max(last_seq) + 1 FROM expired
WHERE session_id IN (SELECT unnest(?::VARCHAR[])) GROUP BY session_id"""

_RANGES = f"""
WITH wanted AS (SELECT unnest(?::VARCHAR[]) AS session_id),
runs AS (
  SELECT session_id, seq AS first, seq AS last FROM ({_EVENTS}) SEMI JOIN wanted USING (session_id)
  UNION ALL SELECT session_id, unnest(firsts), unnest(lasts) FROM expired SEMI JOIN wanted USING (session_id)),
steps AS (
  SELECT session_id, first, coalesce(max(last) OVER (PARTITION BY session_id ORDER BY first, last
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1) AS before FROM runs)
SELECT session_id, before + 1, first - 1 FROM steps WHERE first > before + 1
QUALIFY row_number() OVER (PARTITION BY session_id ORDER BY first) <= {MAX_RANGES} ORDER BY session_id, before"""  # noqa: S608  # names of the catalogue


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """Counts of events, of one session or summed.

    `published`: numbers given up to the last event that landed. `missing`: those that did not land; `expired`: those
    that did, and that retention has removed since. `dropped`: what the
    reporter says it gave up (each left a hole too, so `missing` holds them). `duplicates`: second arrivals that were
    kept apart; `double_rows`: those that were not, always 0. `acknowledged`, `not_landed`: what the producers'
    accounts claim, and how much of it is in no table; None without accounts. `gone`: not closed, and who
    gave the numbers writes its account no more. What it gave after it wrote last is not known.
    """

    agent_id: str = ""
    session_id: str = ""
    sessions: int = 1
    published: int = 0
    landed: int = 0
    missing: int = 0
    expired: int = 0
    duplicates: int = 0
    double_rows: int = 0
    dropped: int = 0
    dead_letters: int = 0
    closed: bool = False
    acknowledged: int | None = None
    not_landed: int | None = None
    gone: bool = False

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def read_sessions(connection: duckdb.DuckDBPyConnection, agent_id: str | None = None) -> list[LedgerLine]:
    """One line a session, of all agents or one, as landed."""
    where, values = ("", []) if agent_id is None else ("WHERE agent_id = ?", [agent_id])
    rows = connection.execute(
        f"""SELECT agent_id, session_id, published, landed, missing, duplicates, double_rows, dropped, closed, expired
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
            expired=row[9],
        )
        for row in rows
    ]


def read_expired(connection: duckdb.DuckDBPyConnection, sessions: Iterable[str]) -> list[LedgerLine]:
    """One line a session of those given of which anything has expired; nothing else of it is looked at."""
    rows = connection.execute(_EXPIRED, [sorted(sessions)]).fetchall()
    return [LedgerLine(session_id=row[0], published=row[2], expired=row[1], missing=row[2] - row[1]) for row in rows]


def with_accounts(
    lines: Iterable[LedgerLine], accounts: Iterable[SessionAccount], expired: Iterable[LedgerLine] = ()
) -> list[LedgerLine]:
    """Add what producers claim. Sessions of which nothing is in a table get a line of their own, with what `expired`
    says of them (`read_expired`).

    Where everything issued was acknowledged, `published` is the true end of the session and `missing` is exact to its
    tail; else `not_landed` is the least that is lost, since unacknowledged events may have landed too.
    """
    known = {line.session_id: line for line in lines}
    gone = {line.session_id: line for line in expired}
    for account in accounts:
        line = known.get(account.session_id) or replace(
            gone.get(account.session_id, LedgerLine()), agent_id=account.agent_id, session_id=account.session_id
        )
        published = max(line.published, account.issued) if account.settled else line.published
        known[account.session_id] = replace(
            line,
            published=published,
            missing=published - line.landed - line.expired,
            dropped=max(line.dropped, account.dropped),
            closed=line.closed or (account.ended and account.settled),
            acknowledged=account.acknowledged,
            not_landed=max(0, account.acknowledged - line.landed - line.expired),
            gone=account.gone and not line.closed,
        )
    return list(known.values())


def _add(first: int | None, second: int | None) -> int | None:
    return second if first is None else first if second is None else first + second


def _sum(lines: Iterable[LedgerLine], agent_id: str = "") -> LedgerLine:
    total = LedgerLine(agent_id=agent_id, sessions=0, closed=True, gone=True)
    for line in lines:
        total = LedgerLine(
            agent_id,
            "",
            total.sessions + line.sessions,
            total.published + line.published,
            total.landed + line.landed,
            total.missing + line.missing,
            total.expired + line.expired,
            total.duplicates + line.duplicates,
            total.double_rows + line.double_rows,
            total.dropped + line.dropped,
            total.dead_letters + line.dead_letters,
            total.closed and line.closed,
            _add(total.acknowledged, line.acknowledged),
            _add(total.not_landed, line.not_landed),
            total.gone and (line.closed or line.gone),
        )
    return replace(total, gone=total.gone and not total.closed)


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
