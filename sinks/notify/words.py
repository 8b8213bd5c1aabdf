"""What a person reads of an alert at three in the morning: what, why, since when, where, and what to do now.

Everything that comes from agents is made printable: it ends in mails, chats and terminals.
"""

from __future__ import annotations

from datetime import UTC, datetime

from infra.runtime.measured import measured
from infra.runtime.text import printable
from sinks.notify.alert import Alert

_SHORT, _EVIDENCE_MOST, _TITLE_CHARACTERS = 8, 8, 200
_SHOWN = frozenset({"description", "runbook"})
_OF_MANY = frozenset({"outage", "incident", "fleet", "budget", "watchdog"})
"""Kinds of rules whose alerts are about a group: their `agent_id` is KIND:NAME, or `fleet`."""
_OWN_LABELS = frozenset({"agent_id", "user_id", "deployment_id"})
"""Told by the fields of the same name."""


def duration(seconds: float) -> str:
    """12 s, 3 min, 5 h or 2 d: the unit that says it in few digits."""
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def lasted_s(alert: Alert) -> float | None:
    """How long it fired, seconds; None while it does."""
    return max(0.0, (alert.ends_at - alert.starts_at).total_seconds()) if alert.resolved and alert.ends_at else None


def since(alert: Alert, now_s: float) -> str:
    """ "began 3 min ago", or "lasted 12 min"."""
    found_s = lasted_s(alert)
    return f"began {duration(alert.age_s(now_s))} ago" if found_s is None else f"lasted {duration(found_s)}"


def commands(alert: Alert) -> dict[str, str]:
    """What to type now, by what it does."""
    short = alert.fingerprint[:_SHORT]
    found = {"look": f"fleetpulse alerts show {short}"}
    if alert.state == "firing":
        found["acknowledge"] = f"fleetpulse alerts ack {short}"
    return found


def sentence(alert: Alert) -> str:
    """Whom it is about and what is the matter; the summary, where that names both."""
    about = (alert.agent_id, alert.agent_id.replace(":", " ", 1), alert.agent_id.removeprefix("name:"))
    if not alert.summary:
        return alert.agent_id
    named = alert.summary.startswith(tuple(f"{who}{end}" for who in about for end in (" ", ":")))
    return alert.summary if named else f"{alert.agent_id}: {alert.summary}"


def _whole_title(alert: Alert) -> str:
    state = alert.state.upper() if alert.resolved else f"{alert.state.upper()} {alert.severity}"
    return printable(f"[{state}] {alert.name}: {sentence(alert)}")


def title(alert: Alert) -> str:
    """One line: state, severity while it matters, name, whom it is about and what is the matter."""
    whole = _whole_title(alert)
    return whole if len(whole) <= _TITLE_CHARACTERS else f"{whole[: _TITLE_CHARACTERS - 3]}..."


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _when(alert: Alert, now_s: float) -> str:
    if alert.resolved and alert.ends_at is not None:
        return f"{_moment(alert.starts_at)} to {_moment(alert.ends_at)} ({since(alert, now_s)})"
    return f"{_moment(alert.starts_at)} ({since(alert, now_s)})"


def value(alert: Alert) -> str:
    """What was measured and what it was compared with, in words; empty where there is nothing."""
    return measured(alert.rule_kind, alert.value, alert.threshold, alert.evidence)


def _where(alert: Alert) -> str:
    labels = {name: value for name, value in alert.labels.items() if name not in _OWN_LABELS}
    own = {
        "agent": "" if _is_of_many(alert) else alert.agent_id,
        "deployment": alert.deployment_id or "",
        "tenant": alert.user_id,
    }
    return ", ".join(f"{name} {value}" for name, value in (own | labels).items() if value)


def _is_of_many(alert: Alert) -> bool:
    return alert.rule_kind in _OF_MANY and "agent_id" not in alert.labels


def _evidence(alert: Alert) -> str:
    pairs = [f"{name} {value}" for name, value in list(alert.evidence.items())[:_EVIDENCE_MOST]]
    more = len(alert.evidence) - _EVIDENCE_MOST
    return ", ".join([*pairs, *([f"and {more} more"] if more > 0 else [])])


def by_whom(alert: Alert) -> tuple[str, str]:
    """What a person did to it, and who with what comment; empty where nobody did."""
    what = {"acknowledged": "looked after by", "resolved": "ended by"}.get(alert.state, "told on by")
    if alert.actor is None and alert.state != "acknowledged":
        return what, ""
    return what, (alert.actor or "somebody") + (f": {alert.comment}" if alert.comment else "")


def _stands_for(alert: Alert) -> str:
    if not alert.member_count:
        return ""
    return "1 other alert" if alert.member_count == 1 else f"{alert.member_count:,} other alerts, not told one by one"


def _why(alert: Alert) -> dict[str, str]:
    """What was found when it began; of what is over it would say what no longer is."""
    if alert.resolved:
        return {}
    return {"what": alert.annotations.get("description", ""), "value": value(alert)}


def paragraph(alert: Alert, now_s: float) -> str:
    """The alert in a few lines, the most important first; lines that would say nothing are left out."""
    lines = {
        **_why(alert),
        "since": _when(alert, now_s),
        "where": _where(alert),
        "stands for": _stands_for(alert),
        "evidence": "" if alert.resolved else _evidence(alert),
        **dict([by_whom(alert)]),
        "runbook": "" if alert.resolved else alert.annotations.get("runbook", ""),
        **{name: value for name, value in alert.annotations.items() if name not in _SHOWN},
        **commands(alert),
    }
    told = [f"  {name}: {value}" for name, value in lines.items() if value]
    return "\n".join([_whole_title(alert), *map(printable, told)])
