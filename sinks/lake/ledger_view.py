"""The ledger for people and for programs: which lines are asked for, as a table or as JSON."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
from rich.box import SQUARE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.runtime.narrow import PIPE_WIDTH, Narrowable
from infra.runtime.text import printable
from sinks.lake.accounts import SessionAccount, read_accounts
from sinks.lake.ledger import (
    LEDGER_TABLES,
    LedgerLine,
    by_agent,
    missing_ranges,
    read_dead_letters,
    read_expired,
    read_sessions,
    total,
    with_accounts,
)
from sinks.lake.views import ask_lake


@dataclass(frozen=True)
class LedgerQuestion:
    """Which lines: of one agent or all, only with missing events, by session or by agent, how many."""

    agent: str | None = None
    only_missing: bool = False
    by_session: bool = False
    limit: int = 20


@dataclass(frozen=True)
class Ledger:
    """The answer: the lines asked for (worst first), the total of all, and ranges of missing numbers by session."""

    lines: list[LedgerLine]
    total: LedgerLine
    ranges: dict[str, list[tuple[int, int]]]
    agents: int

    def as_json(self) -> str:
        """One JSON object: `total`, `agents` (how many there are), `lines`, `missing_ranges`."""
        content = {
            "total": {k: v for k, v in self.total.as_json().items() if k not in {"agent_id", "session_id"}},
            "agents": self.agents,
            "lines": [line.as_json() for line in self.lines],
            "missing_ranges": self.ranges,
        }
        return json.dumps(content, indent=2) + "\n"


def read_ledger(lake: Path, question: LedgerQuestion, accounts: Path | None = None) -> Ledger:
    """Ask the lake. Raises `LakeError` without a lake, `SettingError` for accounts that cannot be read."""
    claims = read_accounts(accounts).sessions if accounts is not None else None
    return ask_lake(lake, LEDGER_TABLES, lambda connection: _read(connection, question, claims))


def _read(
    connection: duckdb.DuckDBPyConnection, question: LedgerQuestion, claims: list[SessionAccount] | None
) -> Ledger:
    sessions = read_sessions(connection, question.agent)
    if claims is not None:
        claims = [claim for claim in claims if question.agent in {None, claim.agent_id}]
        expired = read_expired(connection, {claim.session_id for claim in claims})
        sessions = with_accounts(sessions, claims, expired)
    dead = read_dead_letters(connection)
    agents = by_agent(sessions, dead)
    all_dead = sum(dead.values()) if question.agent is None else dead.get(question.agent, 0)
    worst_first = sorted(sessions, key=lambda s: (-s.missing, -s.double_rows, s.agent_id))
    lines = worst_first if question.by_session else agents
    if question.only_missing:
        lines = [line for line in lines if line.missing]
    lines = lines[: question.limit]
    shown = {line.agent_id for line in lines}
    holes = [s.session_id for s in sessions if s.missing and s.agent_id in shown] if question.only_missing else []
    summed = replace(total(agents), dead_letters=all_dead)
    return Ledger(lines, summed, missing_ranges(connection, holes), len(agents))


def _numbers(ledger: Ledger, line: LedgerLine) -> list[str]:
    counts = [
        line.sessions,
        line.published,
        line.landed,
        line.missing,
        line.expired,
        line.duplicates,
        line.double_rows,
        line.dropped,
        line.dead_letters,
    ]
    if ledger.total.acknowledged is not None:
        counts += [line.acknowledged or 0, line.not_landed or 0]
    return [f"{count:,}" for count in counts]


def _ending(line: LedgerLine) -> str:
    return "yes" if line.closed else "no last word" if line.gone else "no"


def show_ledger(ledger: Ledger, width: int = PIPE_WIDTH) -> str:
    """The ledger as a table with a line of totals; ranges of missing numbers below it. Lines of at most `width`
    characters."""
    by_session = any(line.session_id for line in ledger.lines)
    names = ["sessions", "published", "landed", "missing", "expired"]
    names += ["duplicates", "double rows", "dropped", "dead letters"]
    if ledger.total.acknowledged is not None:
        names += ["acknowledged", "not landed"]
    table = Table(box=SQUARE, show_footer=True)
    table.add_column("agent", footer=f"all {ledger.agents:,}", overflow="fold")
    if by_session:
        table.add_column("session", overflow="fold")
    for name, sum_ in zip(names, _numbers(ledger, ledger.total), strict=True):
        table.add_column(name, footer=sum_, justify="right")
    table.add_column("closed", footer="yes" if ledger.total.closed and ledger.agents else "")
    for line in ledger.lines:
        who = [Text(printable(line.agent_id)), *([Text(printable(line.session_id))] if by_session else [])]
        table.add_row(*who, *_numbers(ledger, line), _ending(line))
    text = io.StringIO()
    Console(file=text, width=width, color_system=None, highlight=False).print(Narrowable(table))
    for session, ranges in ledger.ranges.items():
        spans = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
        text.write(f"missing of {printable(session)}: {spans}\n")
    return text.getvalue()
