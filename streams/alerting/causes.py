"""From what the operators say to alerts: trust scores, anomaly flags, changes of status, silent failures, time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streams.alerting.book import AlertBook, AlertEvents, Cause
from streams.alerting.rules import (
    AGENT_DEGRADED,
    AGENT_FAILED,
    AGENT_LATE,
    AGENT_OFFLINE,
    METRIC_ANOMALY,
    RULE_INDEX,
    RULES,
    TRUST_LOW,
    AlertConfig,
)
from streams.operators.anomaly import Flags
from streams.operators.heartbeat import REASON_TEXT, STATUS_TEXT, Reason, Status, Transitions
from streams.operators.silent import KINDS as SILENT_KINDS
from streams.operators.silent import Finding
from streams.operators.slots import Slots
from streams.operators.trust import TrustScores

_STATUS_RULES = (AGENT_LATE, AGENT_OFFLINE, AGENT_DEGRADED, AGENT_FAILED)
_TEXT = {
    "orphan_tool_completed": "a tool completed that never started",
    "stuck_tool": "a tool is past its deadline",
    "stale_thread": "a turn is open and nothing happens in it",
    "missing_agent_started": "a turn whose beginning never came",
    "high_latency": "far slower than usual",
    "tool_loop": "the same tool with the same arguments again and again",
}


def on_trust(
    config: AlertConfig,
    book: AlertBook,
    slots: Slots,
    keys: Sequence[str],
    scores: TrustScores,
    event_time_s: npt.NDArray[np.float64],
) -> AlertEvents:
    """Alerts of scores just read: `slots` i4[k] (agent slots), `scores` of k rows, `event_time_s` f8[k] of the newest
    evidence; `keys`: agent id of every slot."""
    out = AlertEvents()
    book.arrays.reserve(int(slots.max()) + 1 if slots.size else 0)
    rule = RULE_INDEX[TRUST_LOW]
    low = (scores.trust < config.trust_warning) & (scores.p < config.trust_warning + config.trust_margin)
    high = (book.arrays["level"][slots, rule] > 0) & (scores.trust > config.trust_warning + config.trust_hysteresis)
    for row in np.flatnonzero(low | high):
        slot, trust, p = int(slots[row]), float(scores.trust[row]), float(scores.p[row])
        critical = trust < config.trust_critical and p < config.trust_critical + config.trust_margin
        limit = config.trust_critical if critical else config.trust_warning
        evidence: dict[str, str | float] = {
            "p": p,
            "n": float(scores.n[row]),
            "compliant": float(scores.compliant[row]),
            "violating": float(scores.violating[row]),
            "violations": str(int(scores.violations[row])),
        }
        agent = keys[slot]
        if high[row]:
            cause = Cause(
                float(event_time_s[row]), f"{agent}: trust is back at {trust:.2f}", trust, limit, evidence, int(row)
            )
            book.resolve(out, slot, agent, rule, cause)
            continue
        cause = Cause(float(event_time_s[row]), f"{agent}: trust fell to {trust:.2f}", trust, limit, evidence, int(row))
        book.fire(out, slot, agent, rule, cause, "critical" if critical else "warning")
    return out


def on_flags(
    config: AlertConfig,
    book: AlertBook,
    slots: Slots,
    keys: Sequence[str],
    flags: Flags,
    metrics: Sequence[str],
    event_time_s: npt.NDArray[np.float64],
) -> AlertEvents:
    """Alerts of flags: `slots` i4[n] (agent slots) and `event_time_s` f8[n] of the batch that the flags' rows index;
    `metrics`: name of every metric column; `keys`: agent id of every slot."""
    out = AlertEvents()
    rule = RULE_INDEX[METRIC_ANOMALY]
    for at in np.flatnonzero(flags.lasting >= config.anomaly_trend):
        row, metric = int(flags.row[at]), metrics[int(flags.metric[at])]
        slot, value, expected = int(slots[row]), float(flags.value[at]), float(flags.expected[at])
        evidence: dict[str, str | float] = {
            "metric": metric,
            "value": value,
            "expected": expected,
            "lower": float(flags.lower[at]),
            "upper": float(flags.upper[at]),
            "score": float(flags.score[at]),
        }
        summary = f"{keys[slot]}: {metric} is {value:.4g}, expected about {expected:.4g}"
        cause = Cause(float(event_time_s[row]), summary, float(flags.lasting[at]), config.anomaly_trend, evidence, row)
        book.fire(out, slot, keys[slot], rule, cause)
    return out


def on_transitions(book: AlertBook, keys: Sequence[str], transitions: Transitions) -> AlertEvents:
    """Alerts of changes of status, in their order; `keys`: agent id of every slot of the transitions."""
    out = AlertEvents()
    for at in range(len(transitions)):
        status, reason = Status(int(transitions.status[at])), Reason(int(transitions.reason[at]))
        agent, slot = keys[int(transitions.slots[at])], int(transitions.slots[at])
        cause = _status_cause(agent, status, reason, transitions, at)
        now = _rule_of(status, reason)
        for name in _STATUS_RULES:
            if name != now:
                book.resolve(out, slot, agent, RULE_INDEX[name], cause)
        if now is not None:
            book.fire(out, slot, agent, RULE_INDEX[now], cause)
    return out


def _rule_of(status: Status, reason: Reason) -> str | None:
    """The alert that a status means; none for online and for an agent that stopped on purpose."""
    if status is Status.OFFLINE:
        return AGENT_FAILED if reason is Reason.EXPLICIT_FAILURE else AGENT_OFFLINE
    return {Status.LATE: AGENT_LATE, Status.DEGRADED: AGENT_DEGRADED}.get(status)


def _status_cause(agent: str, status: Status, reason: Reason, transitions: Transitions, at: int) -> Cause:
    at_s, last_s = float(transitions.at_s[at]), float(transitions.last_beat_s[at])
    evidence: dict[str, str | float] = {
        "reason": REASON_TEXT[reason],
        "previous": STATUS_TEXT[int(transitions.previous[at])],
        "silent_s": at_s - last_s,
        "interval_s": float(transitions.interval_s[at]),
        "loss": float(transitions.loss[at]),
    }
    summary = f"{agent} is {STATUS_TEXT[status]}: {REASON_TEXT[reason].replace('_', ' ')}"
    row = int(transitions.row[at])
    return Cause(
        at_s, summary, at_s - last_s, float(transitions.deadline_s[at]) - last_s, evidence, row if row >= 0 else None
    )


def on_findings(book: AlertBook, slots: Slots, findings: Sequence[Finding]) -> AlertEvents:
    """Alerts of silent failures: `slots` i4[k] (agent slots) of the k findings."""
    out = AlertEvents()
    for slot, finding in zip(slots, findings, strict=True):
        if finding.kind not in RULE_INDEX:
            continue
        evidence: dict[str, str | float] = {
            "run_id": finding.run_id,
            "thread_id": finding.thread_id,
            "subject": finding.subject,
            "tool": finding.tool or "",
            "claimed_health": finding.claimed_health or "",
        }
        summary = f"{finding.agent_id}: {_TEXT[finding.kind]} ({finding.tool or finding.run_id})"
        cause = Cause(finding.due_s, summary, finding.value, finding.threshold, evidence)
        book.fire(out, int(slot), finding.agent_id, RULE_INDEX[finding.kind], cause)
    return out


def on_time(config: AlertConfig, book: AlertBook, keys: Sequence[str], now_s: float) -> AlertEvents:
    """Resolve what was not seen for `quiet_s`; `keys`: agent id of every slot."""
    out = AlertEvents()
    rules = [RULE_INDEX[name] for name in (METRIC_ANOMALY, *SILENT_KINDS)]
    for slot, rule in book.quiet(rules, len(keys), now_s - config.quiet_s):
        seen_s = float(book.arrays["seen_s"][slot, rule])
        summary = f"{keys[slot]}: no {RULES[rule]} for {config.quiet_s:.0f} s"
        book.resolve(out, slot, keys[slot], rule, Cause(seen_s + config.quiet_s, summary))
    return out
