"""What `fleetpulse trust` answers: of an agent, of a tenant or deployment, of the fleet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from infra.runtime.trust_settings import FACTORS, TrustSettings
from sinks.lake.views import ask_lake
from sinks.trust.model import Evidence, TrustModel
from sinks.trust.moved import Mover, explain, violations_of_group
from sinks.trust.read import Score, Window, agent_score, group_scores, lowest_scores, trend

AGENT_TABLES = ("trust", "violations", "metrics", "heartbeats", "anomalies")
"""What an explanation of an agent's score reads."""
_GROUP_TABLES = ("trust", "violations")
_COLUMNS = {"tenant": "user_id", "deployment": "deployment_id"}


@dataclass(frozen=True)
class Factor:
    """A factor of a score: its share `value`, 0 to 1 (None: no evidence), what the trust is multiplied by for it
    (None: it is the compliance, whose bound is multiplied), and the evidence of the time asked for."""

    value: float | None
    effect: float | None
    evidence: Evidence | None


@dataclass(frozen=True)
class AgentAnswer:
    """`bound`: lower bound of the compliance alone, None for model `classic`; `trend`: (time, trust) in its order."""

    score: Score
    bound: float | None
    factors: dict[str, Factor]
    trend: list[tuple[datetime, float]]
    movers: list[Mover]


@dataclass(frozen=True)
class GroupAnswer:
    """`kind`: tenant, deployment or fleet. `lowest`: its lowest scores.

    Of a tenant or deployment also `pooled`, (bound, p, n) of the evidence of all its agents together, the mean share of
    every factor, and the heaviest violations.
    """

    kind: str
    name: str
    agents: int
    mean: float | None
    lowest: list[Score]
    pooled: tuple[float, float, float] | None
    factors: dict[str, float]
    movers: list[Mover]


def of_agent(lake: Path, agent: str, settings: TrustSettings, since_s: float, top: int) -> AgentAnswer:
    """Raises `LakeError` without a lake or a score of the agent."""

    def ask(connection: duckdb.DuckDBPyConnection) -> AgentAnswer:
        score = agent_score(connection, agent)
        return of_score(connection, score, settings, _window(score.at, since_s), top)

    return ask_lake(lake, AGENT_TABLES, ask)


def of_score(
    connection: duckdb.DuckDBPyConnection, score: Score, settings: TrustSettings, window: Window, top: int
) -> AgentAnswer:
    """Of a score that is known, by what the views of `connection` hold of `window`."""
    found = explain(connection, settings, score, window, top)
    bound, factors = _factors(TrustModel(settings), score, found.evidence)
    return AgentAnswer(score, bound, factors, trend(connection, score.agent_id, window), found.movers)


def _window(end: datetime, since_s: float) -> Window:
    return Window(end - timedelta(seconds=since_s), end)


def _factors(model: TrustModel, score: Score, evidence: dict[str, Evidence]) -> tuple[float | None, dict[str, Factor]]:
    bound = None if score.model == "classic" else model.bound(Evidence(score.compliant, score.violating))
    found = {"compliance": Factor(score.compliance, None, evidence["compliance"])}
    for name in FACTORS:
        share = score.shares.get(name)
        found[name] = Factor(share, model.effect(name, share), evidence[name])
    return bound, found


def of_group(lake: Path, kind: str, name: str, settings: TrustSettings, since_s: float, top: int) -> GroupAnswer:
    """Of a `tenant` or a `deployment`. Raises `LakeError` without a lake or an agent in it."""

    def ask(connection: duckdb.DuckDBPyConnection) -> GroupAnswer:
        scores = group_scores(connection, _COLUMNS[kind], name)
        window = _window(max(score.at for score in scores), since_s)
        movers = violations_of_group(connection, settings, scores, window, top)
        mean = math.fsum(score.trust for score in scores) / len(scores)
        return GroupAnswer(
            kind, name, len(scores), mean, scores[:top], _pooled(settings, scores, window.end), _means(scores), movers
        )

    return ask_lake(lake, _GROUP_TABLES, ask)


def _pooled(settings: TrustSettings, scores: list[Score], now: datetime) -> tuple[float, float, float]:
    """The score of all evidence together, every agent's decayed to `now`."""
    model = TrustModel(settings)
    decays = [model.decay((now - score.at).total_seconds()) for score in scores]
    evidence = Evidence(
        math.fsum(score.compliant * decay for score, decay in zip(scores, decays, strict=True)),
        math.fsum(score.violating * decay for score, decay in zip(scores, decays, strict=True)),
    )
    return model.bound(evidence), *model.compliance(evidence)


def _means(scores: list[Score]) -> dict[str, float]:
    """Mean share of every factor over the agents with evidence of it."""
    shares: dict[str, list[float]] = {"compliance": [score.compliance for score in scores]}
    for name in FACTORS:
        shares[name] = [score.shares[name] for score in scores if name in score.shares]
    return {name: math.fsum(values) / len(values) for name, values in shares.items() if values}


def of_fleet(lake: Path, count: int) -> GroupAnswer:
    """The `count` lowest scores. Raises `LakeError` without a lake."""

    def ask(connection: duckdb.DuckDBPyConnection) -> GroupAnswer:
        lowest, agents, mean = lowest_scores(connection, count)
        return GroupAnswer("fleet", "", agents, mean, lowest, None, {}, [])

    return ask_lake(lake, ("trust",), ask)


def _time(at: datetime) -> str:
    return at.isoformat()


def score_json(score: Score) -> dict[str, Any]:
    """A score as fleet.trust has it."""
    return {
        "agent_id": score.agent_id, "user_id": score.user_id, "deployment_id": score.deployment_id,
        "at": _time(score.at), "model": score.model, "trust": score.trust, "p": score.p, "n": score.n,
        "compliant": score.compliant, "violating": score.violating, "violations": score.violations,
    }  # fmt: skip


def mover_json(mover: Mover) -> dict[str, Any]:
    """An event that moved a score."""
    return {
        "kind": mover.kind, "at": _time(mover.at), "delta": mover.delta, "weight": mover.weight, "unit": mover.unit,
        "text": mover.text, "agent_id": mover.agent_id, "event_id": mover.event_id,
    }  # fmt: skip


def factor_json(factor: Factor) -> dict[str, Any]:
    """A factor and its evidence."""
    evidence = None if factor.evidence is None else {"good": factor.evidence.good, "bad": factor.evidence.bad}
    return {"value": factor.value, "effect": factor.effect, "evidence": evidence}


def agent_json(answer: AgentAnswer) -> dict[str, Any]:
    """The answer as one JSON object."""
    return score_json(answer.score) | {
        "bound": answer.bound,
        "factors": {name: factor_json(factor) for name, factor in answer.factors.items()},
        "trend": [{"at": _time(at), "trust": trust} for at, trust in answer.trend],
        "moved": [mover_json(mover) for mover in answer.movers],
    }


def group_json(answer: GroupAnswer) -> dict[str, Any]:
    """The answer as one JSON object."""
    found: dict[str, Any] = {"kind": answer.kind, "name": answer.name, "agents": answer.agents, "mean": answer.mean}
    if answer.pooled is not None:
        found["pooled"] = dict(zip(("bound", "p", "n"), answer.pooled, strict=True))
        found["factors"] = answer.factors
        found["moved"] = [mover_json(mover) for mover in answer.movers]
    return found | {"lowest": [score_json(score) for score in answer.lowest]}
