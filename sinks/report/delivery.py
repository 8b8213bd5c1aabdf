"""Published against landed: the producers' accounts against the tables of the lake, event by event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb

from schemas.catalogue import TABLES
from sinks.lake.accounts import Accounts
from sinks.lake.ledger import LedgerLine, read_dead_letters, read_expired, read_sessions, with_accounts

_EXAMPLES = 20
OWN_AGENTS = "fleetpulse:"
"""How the agents begin that our own processes are. They watch and prove nothing: the last beats of the process that
writes the lake can never be in it. They are counted apart."""


@dataclass(frozen=True)
class Delivery:
    """What became of the events.

    `published`: acknowledged events per topic and `total`; without accounts, the numbers seen in the lake under
    `total` alone. `landed`: distinct event ids per producer topic and `total`; `derived` the same for what streams
    wrote. `missing`: acknowledged and in no table. `duplicates`: rows beyond the first of an event id, in all tables,
    always 0, our own processes' too; `duplicates_removed`: second arrivals kept apart. `holes`: numbers below a
    session's last landed one that did not land, dropped ones (`dropped`) among them; `expired`: those that landed and
    that retention has removed since. `sessions_gone`: of those that are not closed, those whose process writes its
    account no more, so that they have ended without a last word. `unclaimed`: landed events that no account says it
    issued. `self_audit`: what landed of our own processes' heartbeats and metrics, which no other count holds.
    """

    published: Mapping[str, int]
    landed: Mapping[str, int]
    derived: Mapping[str, int]
    missing: int
    duplicates: int
    duplicates_removed: int
    dead_letters: int
    dropped: int
    holes: int
    unclaimed: int
    sessions: int
    sessions_not_closed: int
    expired: int = 0
    sessions_gone: int = 0
    missing_sessions: list[dict[str, Any]] = field(default_factory=list)
    self_audit: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int, int]:
    """Rows of a table, distinct event ids among them, and how many of these are our own processes'."""
    row = connection.execute(
        f"""SELECT count(*), count(DISTINCT event_id),
          count(DISTINCT event_id) FILTER (WHERE starts_with(agent_id, '{OWN_AGENTS}')) FROM {table}"""  # noqa: S608  # names of ours
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])


def _self_audit(lines: list[LedgerLine]) -> dict[str, int]:
    return {
        "sessions": len(lines),
        "agents": len({line.agent_id for line in lines}),
        "landed": sum(line.landed for line in lines),
        "holes": sum(line.missing for line in lines),
    }


def _unclaimed(lines: list[LedgerLine], accounts: Accounts) -> int:
    """Landed events beyond what their session's account issued, and all of sessions that no account names."""
    issued = {session.session_id: session.issued for session in accounts.sessions}
    return sum(max(0, line.published - issued.get(line.session_id, line.published - line.landed)) for line in lines)


def _with_accounts(
    connection: duckdb.DuckDBPyConnection, lines: list[LedgerLine], accounts: Accounts
) -> list[LedgerLine]:
    expired = read_expired(connection, {session.session_id for session in accounts.sessions})
    return with_accounts(lines, accounts.sessions, expired)


def _examples(lines: list[LedgerLine]) -> list[dict[str, Any]]:
    lost = [line for line in lines if line.not_landed or (line.not_landed is None and line.missing)]
    lost.sort(key=lambda line: -(line.not_landed or line.missing))
    return [line.as_json() for line in lost[:_EXAMPLES]]


def measure_delivery(connection: duckdb.DuckDBPyConnection, accounts: Accounts | None) -> Delivery:
    """Count it all. `connection` has the views of a lake; see `Delivery` for what the counts mean without accounts."""
    counts = {topic.name: _count(connection, table) for table, topic in TABLES.items()}
    derived = {topic.name for topic in TABLES.values() if topic.derived}
    sessions = read_sessions(connection)
    own = [line for line in sessions if line.agent_id.startswith(OWN_AGENTS)]
    in_lake = [line for line in sessions if not line.agent_id.startswith(OWN_AGENTS)]
    lines = in_lake if accounts is None else _with_accounts(connection, in_lake, accounts)
    landed = {name: distinct - ours for name, (_, distinct, ours) in counts.items() if name not in derived}
    published = {} if accounts is None else dict(accounts.published)
    total = sum(line.published for line in in_lake) if accounts is None else accounts.acknowledged
    removed = connection.execute("SELECT count(*) FROM duplicates").fetchone()
    return Delivery(
        published=published | {"total": total},
        landed=landed | {"total": sum(landed.values())},
        derived={name: counts[name][1] for name in sorted(derived)},
        missing=sum(line.missing if line.not_landed is None else line.not_landed for line in lines),
        duplicates=sum(rows - distinct for rows, distinct, _ in counts.values()),
        duplicates_removed=int(removed[0]) if removed else 0,
        dead_letters=sum(read_dead_letters(connection).values()),
        dropped=sum(line.dropped for line in lines),
        holes=sum(line.missing for line in lines),
        unclaimed=0 if accounts is None else _unclaimed(in_lake, accounts),
        sessions=len(lines),
        sessions_not_closed=sum(not line.closed for line in lines),
        sessions_gone=sum(line.gone for line in lines),
        expired=sum(line.expired for line in lines),
        missing_sessions=_examples(lines),
        self_audit=_self_audit(own),
    )
