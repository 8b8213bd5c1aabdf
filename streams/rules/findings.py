"""From what the operators say to alerts: trust scores, anomaly flags, forecasts, changes of status, silent failures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.runtime.measured import in_seconds, number
from streams.operators.anomaly import Flags
from streams.operators.heartbeat import REASON_TEXT, STATUS_TEXT, Reason, Status, Transitions
from streams.operators.silent import Finding
from streams.operators.slots import Slots
from streams.operators.trust import TrustScores
from streams.rules.engine import Engine, Fleet, applies
from streams.rules.instances import Event, Fact, Instances, key_of
from streams.rules.model import CUSTOM, RATE, AnomalyRule, ForecastRule, TrustRule
from streams.rules.values import Severity

_TEXT = {
    "orphan_tool_completed": "a tool completed that never started",
    "stuck_tool": "a tool is past its deadline",
    "stale_thread": "a turn is open and nothing happens in it",
    "missing_agent_started": "a turn whose beginning never came",
    "high_latency": "far slower than usual",
    "tool_loop": "the same tool with the same arguments again and again",
    "health_mismatch": "what it says of its health is refuted by its events",
}
Evidence = dict[str, str | float]


def on_trust(
    engine: Engine,
    instances: Instances,
    fleet: Fleet,
    slots: Slots,
    scores: TrustScores,
    event_time_s: npt.NDArray[np.float64],
    now_s: float,
) -> Iterator[Event]:
    """Alerts of scores just read: `slots` i4[k] (agent slots), `scores` of k rows, `event_time_s` f8[k] of the newest
    evidence."""
    for rule in engine.trusts:
        lowest = rule.limits[-1][1]
        looked = (scores.trust < lowest) & (scores.p < lowest + rule.margin)
        active = instances.mask(key_of(rule, ""), slots)
        if active is not None:
            looked |= active
        for row in np.flatnonzero(looked).tolist():
            event = _trust(rule, instances, fleet, int(slots[row]), scores, row, float(event_time_s[row]), now_s)
            if event is not None:
                yield event


def _trust(
    rule: TrustRule,
    instances: Instances,
    fleet: Fleet,
    slot: int,
    scores: TrustScores,
    row: int,
    at_s: float,
    now_s: float,
) -> Event | None:
    trust, p, agent = float(scores.trust[row]), float(scores.p[row]), fleet.keys[slot]
    found = next(((s, limit) for s, limit in rule.limits if trust < limit and p < limit + rule.margin), None)
    evidence: Evidence = {
        "p": p,
        "n": float(scores.n[row]),
        "compliant": float(scores.compliant[row]),
        "violating": float(scores.violating[row]),
        "violations": str(int(scores.violations[row])),
    }
    if found is not None and applies(rule, fleet, slot):
        fact = Fact(at_s, now_s, f"{agent}: trust fell to {trust:.2f}", trust, found[1], evidence)
        return instances.holds(slot, rule, "", found[0], fact)
    fact = Fact(at_s, now_s, f"{agent}: trust is back at {trust:.2f}", trust, rule.limits[-1][1], evidence)
    if trust > rule.clear_at:
        return instances.ends(slot, rule, "", fact)
    instances.lingers(slot, rule, "", fact)
    return None


def on_flags(
    engine: Engine,
    instances: Instances,
    fleet: Fleet,
    slots: Slots,
    flags: Flags,
    metrics: Sequence[str],
    event_time_s: npt.NDArray[np.float64],
    now_s: float,
) -> Iterator[Event]:
    """Alerts of flags: `slots` i4[n] (agent slots) and `event_time_s` f8[n] of the batch that the flags' rows index;
    `metrics`: name of every metric column."""
    for rule in engine.anomalies:
        measure, limit = _strength(rule, flags)
        for at in np.flatnonzero(measure >= limit).tolist():
            row, metric = int(flags.row[at]), metrics[int(flags.metric[at])]
            slot = int(slots[row])
            if not _is_meant(rule.metric, metric) or not applies(rule, fleet, slot):
                continue
            value, expected = float(flags.value[at]), float(flags.expected[at])
            evidence: Evidence = {
                "metric": metric,
                "value": value,
                "expected": expected,
                "lower": float(flags.lower[at]),
                "upper": float(flags.upper[at]),
                "score": float(flags.score[at]),
            }
            summary = f"{fleet.keys[slot]}: {metric} is {number(value)}, expected about {number(expected)}"
            fact = Fact(float(event_time_s[row]), now_s, summary, float(measure[at]), limit, evidence)
            event = instances.holds(slot, rule, metric, rule.severity, fact)
            if event is not None:
                yield event


def _is_meant(pattern: str, metric: str) -> bool:
    """Whether a pattern names a metric: one's own only where it says `custom:`, a counter's rate by its name too."""
    if metric.startswith(CUSTOM) and not pattern.startswith(CUSTOM):
        return False
    return fnmatchcase(metric, pattern) or fnmatchcase(metric.removesuffix(f".{RATE}"), pattern)


def _strength(rule: AnomalyRule, flags: Flags) -> tuple[npt.NDArray[np.float64], float]:
    """What the rule looks at, f8[flags], and from where on it is enough."""
    if rule.trend is not None:
        return flags.lasting, rule.trend
    assert rule.confidence is not None
    confidence: npt.NDArray[np.float64] = getattr(flags, "confidence", np.full(len(flags), np.nan))
    return confidence, rule.confidence


def on_transitions(
    engine: Engine, instances: Instances, fleet: Fleet, transitions: Transitions, now_s: float
) -> Iterator[Event]:
    """Alerts of changes of status, in their order: what is over first, then what begins."""
    for at in range(len(transitions)):
        status, reason = Status(int(transitions.status[at])), Reason(int(transitions.reason[at]))
        slot = int(transitions.slots[at])
        fact = _status_fact(fleet.keys[slot], status, reason, transitions, at, now_s)
        is_now = _condition(status, reason)
        begun = [rule for rule in engine.statuses if rule.status == is_now and applies(rule, fleet, slot)]
        over = (instances.ends(slot, rule, "", fact, though_late=True) for rule in engine.statuses if rule not in begun)
        yield from (event for event in over if event is not None)
        now = (instances.holds(slot, rule, "", rule.severity, fact) for rule in begun)
        yield from (event for event in now if event is not None)


def _condition(status: Status, reason: Reason) -> str | None:
    """What a rule may look for; nothing for online and for an agent that stopped on purpose."""
    if status is Status.OFFLINE:
        return "failed" if reason is Reason.EXPLICIT_FAILURE else "offline"
    return {Status.LATE: "late", Status.DEGRADED: "degraded"}.get(status)


def _status_fact(agent: str, status: Status, reason: Reason, transitions: Transitions, at: int, now_s: float) -> Fact:
    at_s, last_s = float(transitions.at_s[at]), float(transitions.last_beat_s[at])
    evidence: Evidence = {
        "reason": REASON_TEXT[reason],
        "previous": STATUS_TEXT[int(transitions.previous[at])],
        "silent_s": at_s - last_s,
        "interval_s": float(transitions.interval_s[at]),
        "loss": float(transitions.loss[at]),
    }
    summary = f"{agent} {_status_words(status, reason, at_s - last_s)}"
    return Fact(at_s, now_s, summary, at_s - last_s, float(transitions.deadline_s[at]) - last_s, evidence)


def _status_words(status: Status, reason: Reason, silent_s: float) -> str:
    """What became of an agent, as one says it; `silent_s`: since its newest beat, s."""
    if reason is Reason.DEADLINE_MISSED:
        return f"is {STATUS_TEXT[status]}: no heartbeat for {in_seconds(silent_s)}"
    if status is Status.ONLINE:
        return "is online" if reason is Reason.FIRST_BEAT else "is online again"
    if status is Status.STOPPED:
        return "stopped on purpose: it said so itself"
    if reason is Reason.NO_PROGRESS:
        return "is degraded: it sends heartbeats, but its work makes no progress"
    return f"{'has failed' if status is Status.OFFLINE else 'is degraded'}: it said so itself"


def on_findings(
    engine: Engine, instances: Instances, fleet: Fleet, slots: Slots, findings: Sequence[Finding], now_s: float
) -> Iterator[Event]:
    """Alerts of silent failures: `slots` i4[k] (agent slots) of the k findings."""
    for slot, finding in zip(slots.tolist(), findings, strict=True):
        evidence: Evidence = {
            "run_id": finding.run_id,
            "thread_id": finding.thread_id,
            "subject": finding.subject,
            "tool": finding.tool or "",
            "claimed_health": finding.claimed_health or "",
        }
        summary = f"{finding.agent_id}: {_TEXT[finding.kind]} ({finding.tool or finding.run_id})"
        fact = Fact(finding.due_s, now_s, summary, finding.value, finding.threshold, evidence)
        for rule in engine.silents:
            if rule.failure == finding.kind and applies(rule, fleet, slot):
                event = instances.holds(slot, rule, "", rule.severity, fact)
                if event is not None:
                    yield event


def on_forecasts(
    engine: Engine,
    instances: Instances,
    fleet: Fleet,
    slots: Slots,
    rows: Sequence[Mapping[str, Any]],
    now_s: float,
) -> Iterator[Event]:
    """Alerts of forecasts: rows of fleet.forecasts, `slots` i4[k] (agent slots) of the k rows."""
    for slot, row in zip(slots.tolist(), rows, strict=True):
        for rule in engine.forecasts:
            if not _foresees(rule, row) or not applies(rule, fleet, slot):
                continue
            hours = row["horizon_s"] / 3600
            evidence: Evidence = {
                "metric": row["metric"],
                "value": row["value"],
                "horizon": f"{hours:g} h",
                "confidence": row["probability"],
            }
            summary = (
                f"{fleet.keys[slot]}: {row['metric']} {_foreseen(rule)} {number(row['threshold'])} within {hours:g} h"
            )
            fact = Fact(row["timestamp"] / 1e6, now_s, summary, row["probability"], rule.confidence, evidence)
            severity: Severity = rule.severity
            event = instances.holds(slot, rule, row["metric"], severity, fact)
            if event is not None:
                yield event


def _foresees(rule: ForecastRule, row: Mapping[str, Any]) -> bool:
    return (
        (row.get("kind") or "threshold") == rule.of
        and row["probability"] >= rule.confidence
        and fnmatchcase(row["metric"], rule.metric)
        and (rule.horizon_s is None or rule.horizon_s == row["horizon_s"])
        and (rule.limit is None or rule.limit == row["threshold"])
    )


def _foreseen(rule: ForecastRule) -> str:
    return "leaks towards" if rule.of == "leak" else "is about to cross"
