"""The delivery ledger of an agent."""

from __future__ import annotations

from typing import Any

import duckdb
from fastapi import APIRouter, Request

from infra.web.rules import needs
from sinks.api.models import answers
from sinks.api.past.models import Ledger
from sinks.api.routes.common import AgentId, agent_asked
from sinks.api.times import iso
from sinks.lake.ledger import LEDGER_TABLES, LedgerLine, by_agent, missing_ranges, read_sessions

router = APIRouter(tags=["history"])

_WAY_OUT = (
    "a ledger takes everything that the lake holds of an agent. Ask again when less is asked of the lake; beside it, "
    "fleetpulse ledger --agent answers however long it takes"
)
"""Numbers go from 0 on: of a part of the time it could not be told which of them are missing."""
_LETTERS = """SELECT count(DISTINCT (topic, "partition", "offset")) FROM deadletter"""


@router.get(
    "/api/agents/{agent_id:path}/ledger",
    dependencies=[needs("viewer")],
    response_model=None,
    responses=answers(Ledger),
)
async def ledger(request: Request, agent_id: AgentId) -> dict[str, Any]:
    """What the agent published, what landed, what is missing and what came twice, by session, over the whole lake."""
    agent = agent_asked(request, agent_id)
    now = agent.world.now()

    def read(connection: duckdb.DuckDBPyConnection) -> tuple[list[LedgerLine], dict[str, list[tuple[int, int]]], int]:
        sessions = read_sessions(connection)
        holes = missing_ranges(connection, [line.session_id for line in sessions if line.missing])
        letters = connection.execute(_LETTERS).fetchone()
        return sessions, holes, letters[0] if letters else 0

    sessions, holes, letters = await agent.past.ask(
        read,
        scope=agent.scope,
        tables=LEDGER_TABLES,
        span=None,
        agent=agent_id,
        views=("ledger",),
        way_out=_WAY_OUT,
    )
    agent.found(sessions)
    total = by_agent(sessions, {agent_id: letters})
    whole = total[0] if total else LedgerLine(agent_id=agent_id, sessions=0, dead_letters=letters)
    lines = [line.as_json() for line in sorted(sessions, key=lambda line: line.session_id)]
    found = {"agent_id": agent_id, "total": whole.as_json(), "sessions": lines, "missing": holes}
    return found | {"as_of": iso(now)}
