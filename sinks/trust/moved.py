"""The events that moved a score most, each with what the trust would have been without it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from infra.runtime.trust_settings import TrustSettings
from schemas.catalogue import METRICS
from sinks.trust.model import Evidence, TrustModel
from sinks.trust.read import Score, Window

_PER_KIND = 100
"""Of every kind, so many of the heaviest are weighed."""


@dataclass(frozen=True)
class Mover:
    """An event; `weight`: what it weighs now, in `unit`; `delta`: how much it changed the trust, None where no single
    event has a share of its own (model `classic`)."""

    kind: str
    at: datetime
    weight: float
    unit: str
    delta: float | None
    text: str
    agent_id: str
    event_id: str | None = None


@dataclass(frozen=True)
class Explanation:
    """`evidence`: of every factor, from the events of the window; `movers`: the one that cost most first."""

    evidence: dict[str, Evidence]
    movers: list[Mover]


def explain(
    connection: duckdb.DuckDBPyConnection, settings: TrustSettings, score: Score, window: Window, count: int
) -> Explanation:
    """What moved the score of an agent: the `count` events with the greatest effect."""
    asked = _Question(connection, TrustModel(settings), [score.agent_id], window, count)
    evidence = {"compliance": Evidence(score.compliant, score.violating), **_factors(asked)}
    movers = [*_violations(asked, score), *_poor_reports(asked, score)]
    for factor, found in (
        ("reliability", _error_bursts(asked)),
        ("liveness", _gaps(asked)),
        ("behaviour", _flags(asked)),
    ):
        movers += _with_delta(asked.model, score, factor, evidence[factor], found)
    return Explanation(evidence, heaviest(movers, count))


def heaviest(movers: Iterable[Mover], count: int) -> list[Mover]:
    """The `count` that cost most trust first; where that is not known, those that weigh most."""
    return sorted(movers, key=lambda m: (m.delta or 0.0, -m.weight, m.at))[:count]


@dataclass(frozen=True)
class _Question:
    connection: duckdb.DuckDBPyConnection
    model: TrustModel
    agents: list[str]
    window: Window
    count: int

    @property
    def decay(self) -> str:
        """SQL: weight of a row for its age at the end of the window."""
        end_s, half_life_s = self.window.end.timestamp(), self.model.settings.half_life_s
        return f'pow(2, -greatest({end_s!r} - epoch("timestamp"), 0) / {half_life_s!r})'

    @property
    def where(self) -> str:
        return f"agent_id IN (SELECT unnest(?)) AND {self.window.where}"

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of `sql`, which has `where` once."""
        return self.connection.execute(sql, [self.agents, *self.window.values]).fetchall()


def violations_of_group(
    connection: duckdb.DuckDBPyConnection, settings: TrustSettings, scores: list[Score], window: Window, count: int
) -> list[Mover]:
    """The violations of a group that cost the trust of their agents most."""
    by_agent = {score.agent_id: score for score in scores}
    asked = _Question(connection, TrustModel(settings), list(by_agent), window, count)
    return heaviest((_judged(asked.model, by_agent[row[-1]], row) for row in _violation_rows(asked)), count)


def _violations(asked: _Question, score: Score) -> list[Mover]:
    return [_judged(asked.model, score, row) for row in _violation_rows(asked)]


def _violation_rows(asked: _Question) -> list[tuple[Any, ...]]:
    weights = asked.model.settings.severity_weights
    cases = " ".join(f"WHEN '{name}' THEN {weight!r}" for name, weight in weights.items())
    return asked.ask(
        f"""SELECT event_id::VARCHAR, "timestamp", severity, "type", policy_name, policy_id, description, "action",
        (CASE lower(severity) {cases} ELSE {weights["medium"]!r} END) * {asked.decay} AS weight, agent_id
        FROM violations WHERE {asked.where} ORDER BY weight DESC, "timestamp" LIMIT {max(asked.count, _PER_KIND)}"""  # noqa: S608  # our own names
    )


def _judged(model: TrustModel, score: Score, row: tuple[Any, ...]) -> Mover:
    event, at, severity, kind, policy, policy_id, description, action, weight, agent = row
    without = Evidence(score.compliant, max(score.violating - weight, 0.0))
    text = ": ".join(part for part in (policy or policy_id or kind, description) if part)
    text = f"{severity}, {action}: {text}" if action else f"{severity}: {text}"
    return Mover("violation", at, weight, "checks", _compliance_delta(model, score, without), text, agent, event)


def _compliance_delta(model: TrustModel, score: Score, without: Evidence) -> float | None:
    """How much of the trust a change of the evidence of compliance is."""
    if score.model == "classic":
        return None
    bound = model.bound(Evidence(score.compliant, score.violating))
    return score.trust * (1 - model.bound(without) / bound)


def _poor_reports(asked: _Question, score: Score) -> list[Mover]:
    """Reports with failed checks: what passing them would have been worth."""
    rows = asked.ask(
        f"""SELECT event_id::VARCHAR, "timestamp", compliance_rate, coalesce(policy_checks, 1),
        (1 - greatest(compliance_rate, 0)) * coalesce(policy_checks, 1) * {asked.decay} AS weight
        FROM metrics WHERE {asked.where} AND compliance_rate < 1 AND coalesce(policy_checks, 1) > 0
        AND isfinite(compliance_rate) AND isfinite(coalesce(policy_checks, 1))
        ORDER BY weight DESC, "timestamp" LIMIT {_PER_KIND}"""  # noqa: S608  # our own names
    )
    return [
        Mover(
            "report", at, weight, "checks",
            _compliance_delta(asked.model, score, Evidence(score.compliant + weight, score.violating)),
            f"{max(rate, 0):.1%} of {checks:,.0f} checks passed", score.agent_id, event,
        )
        for event, at, rate, checks, weight in rows
    ]  # fmt: skip


_ERRORS = (
    "CASE WHEN isfinite(error_rate) THEN least(greatest(error_rate, 0), 1) "
    "WHEN isfinite(success_rate) THEN 1 - least(greatest(success_rate / 100, 0), 1) END"
)
_REQUESTS = (
    "CASE WHEN request_count IS NULL THEN 1 WHEN isfinite(request_count) AND request_count > 0 THEN request_count END"
)
_FOUND = "+".join(f'coalesce(isfinite("{name}"), false)::INT' for name in METRICS)


def _factors(asked: _Question) -> dict[str, Evidence]:
    """Evidence of the factors beside compliance."""
    ((good, bad, values),) = asked.ask(
        f"""SELECT coalesce(sum((1 - errors) * requests * decay), 0), coalesce(sum(errors * requests * decay), 0),
        coalesce(sum(found * decay), 0)
        FROM (SELECT {_ERRORS} AS errors, {_REQUESTS} AS requests, {_FOUND} AS found, {asked.decay} AS decay
        FROM metrics WHERE {asked.where})"""  # noqa: S608  # our own names
    )
    ((came, missed),) = asked.ask(
        f"SELECT coalesce(sum(decay), 0), coalesce(sum(missed * decay), 0) FROM ({_missed(asked)})"  # noqa: S608  # our own names
    )
    flagged = sum(flag.weight for flag in _flags(asked, everything=True))
    return {
        "reliability": Evidence(good, bad),
        "liveness": Evidence(came, missed),
        "behaviour": Evidence(values, flagged),
    }


def _error_bursts(asked: _Question) -> list[Mover]:
    """Minutes in which a greater share of requests failed than the reference allows."""
    allowed = 1 - asked.model.settings.reliability_reference
    rows = asked.ask(
        f"""SELECT min("timestamp"), sum(errors * requests), sum(requests), sum(errors * requests * decay) AS weight
        FROM (SELECT "timestamp", {_ERRORS} AS errors, {_REQUESTS} AS requests, {asked.decay} AS decay
        FROM metrics WHERE {asked.where}) WHERE errors * requests IS NOT NULL
        GROUP BY time_bucket(INTERVAL 1 MINUTE, "timestamp") HAVING sum(errors * requests) > {allowed!r} * sum(requests)
        ORDER BY weight DESC LIMIT {_PER_KIND}"""  # noqa: S608  # our own names
    )
    return [
        Mover(
            "errors", at, weight, "requests", None,
            f"{failed:,.0f} of {requests:,.0f} requests failed within a minute", asked.agents[0],
        )
        for at, failed, requests, weight in rows
    ]  # fmt: skip


def _missed(asked: _Question) -> str:
    """SQL: beats after a gap that was not planned, and how many beats were missed in it."""
    most = asked.model.settings.longest_gap_beats
    return f"""SELECT "timestamp", gap_s, decay,
        least(greatest(round(gap_s / coalesce(nullif(interval_s, 0), 30)) - 1, 0), {most!r}) AS missed
        FROM (SELECT "timestamp", interval_s, {asked.decay} AS decay, lag(next_beat_by) OVER beats AS promised,
        lag(status) OVER beats AS before, lag("timestamp") OVER beats AS previous,
        epoch("timestamp") - epoch(lag("timestamp") OVER beats) AS gap_s
        FROM heartbeats WHERE {asked.where} WINDOW beats AS (ORDER BY "timestamp", seq))
        WHERE gap_s > 0 AND before <> 'stopping' AND NOT coalesce(promised > previous, false)"""  # noqa: S608  # our own names


def _gaps(asked: _Question) -> list[Mover]:
    rows = asked.ask(
        f'SELECT "timestamp", gap_s, missed, missed * decay AS weight FROM ({_missed(asked)}) WHERE missed > 0 '  # noqa: S608  # our own names
        f'ORDER BY weight DESC, "timestamp" LIMIT {_PER_KIND}'
    )
    return [
        Mover("gap", at, weight, "beats", None, f"no beat for {gap_s:,.0f} s, {missed:,.0f} missed", asked.agents[0])
        for at, gap_s, missed, weight in rows
    ]


def _flags(asked: _Question, *, everything: bool = False) -> list[Mover]:
    metrics = ", ".join(f"'{name}'" for name in METRICS)
    rows = asked.ask(
        f"""SELECT event_id::VARCHAR, "timestamp", metric, value, expected, {asked.decay} AS decay
        FROM anomalies WHERE {asked.where} AND metric IN ({metrics})
        ORDER BY decay DESC, "timestamp" {"" if everything else f"LIMIT {_PER_KIND}"}"""  # noqa: S608  # our own names
    )
    each = asked.model.settings.flag_weight
    return [
        Mover("anomaly", at, each * decay, "values", None, f"{metric} was {value:.4g}, expected {expected:.4g}",
              asked.agents[0], event)
        for event, at, metric, value, expected, decay in rows
    ]  # fmt: skip


def _with_delta(
    model: TrustModel, score: Score, factor: str, evidence: Evidence, movers: Iterable[Mover]
) -> list[Mover]:
    """The same with the effect that each has through its factor; nothing for a score without that factor."""
    if score.model == "classic" or factor not in score.shares:
        return []
    now = model.effect(factor, model.share(factor, evidence))
    found = []
    for mover in movers:
        without = model.share(factor, Evidence(evidence.good, max(evidence.bad - mover.weight, 0.0)))
        delta = score.trust * (1 - model.effect(factor, without) / now) if now else None
        found.append(replace(mover, delta=delta))
    return found
