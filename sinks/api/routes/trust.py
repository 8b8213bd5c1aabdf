"""Why an agent is trusted as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import duckdb
from fastapi import APIRouter, Query, Request

from infra.runtime.trust_settings import FACTORS
from infra.web.problem import not_found
from infra.web.rules import needs
from sinks.api.live.memory import Memory
from sinks.api.live.words import number
from sinks.api.models import answers
from sinks.api.past.models import Trust
from sinks.api.past.shown import shown
from sinks.api.routes.common import AgentId, Range, agent_asked, span_asked
from sinks.api.times import Span
from sinks.api.world import whole_memory
from sinks.trust.answer import AGENT_TABLES, AgentAnswer, factor_json, mover_json, of_score, score_json
from sinks.trust.read import Score, Window

router = APIRouter(tags=["agents"])


@router.get(
    "/api/agents/{agent_id:path}/trust",
    dependencies=[needs("viewer")],
    response_model=None,
    responses=answers(Trust),
)
async def trust(
    request: Request,
    agent_id: AgentId,
    range_: Range = None,
    top: Annotated[int, Query(ge=1, le=100, description="so many of the events that moved it")] = 10,
) -> dict[str, Any]:
    """The score of an agent, its factors, its trend, and what moved it; of the last 7 days unless a range is given."""
    memory, agent = whole_memory(request), agent_asked(request, agent_id)
    slot = memory.find(agent.scope, agent_id)
    if slot is None or not memory.trust.frame[slot]:
        raise not_found("there is no such agent" if slot is None else "this agent has no score yet")
    score = score_of(memory, slot)
    asked_s = span_asked(agent.world, range_, None, None, "7d").length_s
    window = Window(score.at - timedelta(seconds=asked_s), score.at)

    def explain(connection: duckdb.DuckDBPyConnection) -> AgentAnswer:
        return of_score(connection, score, agent.world.trust, window, top)

    span = Span(window.start, window.end + timedelta(hours=1))
    scope = agent.scope.narrowed(memory.users[slot]) or agent.scope
    answer = await agent.past.ask(explain, scope=scope, tables=AGENT_TABLES, span=span, agent=agent_id)
    return _shown(answer)


def score_of(memory: Memory, slot: int) -> Score:
    """The score of a slot as `sinks.trust` explains it."""
    columns = memory.trust
    shares = {name: value for name in FACTORS if (value := number(columns[name][slot])) is not None}
    p = float(columns["p"][slot])
    compliance = number(columns["compliance"][slot])
    return Score(
        agent_id=memory.agents[slot],
        user_id=memory.users[slot],
        deployment_id=columns["deployment_id"][slot],
        at=datetime.fromtimestamp(int(columns["timestamp"][slot]) / 1e6, UTC),
        trust=float(columns["trust"][slot]),
        p=p,
        n=float(columns["n"][slot]),
        compliant=float(columns["compliant"][slot]),
        violating=float(columns["violating"][slot]),
        model=columns["model"][slot],
        violations=int(columns["violations"][slot]),
        compliance=p if compliance is None else compliance,
        shares=shares,
    )


def _shown(answer: AgentAnswer) -> dict[str, Any]:
    found = score_json(answer.score) | {"at": answer.score.at, "bound": answer.bound}
    found["factors"] = {name: factor_json(factor) for name, factor in answer.factors.items()}
    found["trend"] = [{"at": at, "trust": trust} for at, trust in answer.trend]
    found["moved"] = [mover_json(mover) | {"at": mover.at} for mover in answer.movers]
    whole: dict[str, Any] = shown(found)
    return whole
