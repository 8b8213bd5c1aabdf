"""Alerts in the shapes of Prometheus' Alertmanager: its webhook body, version 4, and its API, v2."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sinks.notify.alert import SEVERITIES, Alert
from sinks.notify.channel import Notification
from sinks.notify.words import commands, duration, lasted_s, value

_NOT_YET = "0001-01-01T00:00:00Z"
_NO_LABEL = re.compile(r"[^a-zA-Z0-9_]")


def moment(when: datetime) -> str:
    """RFC 3339, UTC."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def label_name(name: str) -> str:
    """A name that Prometheus accepts: letters, digits, underscores, no digit first."""
    cleaned = _NO_LABEL.sub("_", name)
    return f"_{cleaned}" if not cleaned or cleaned[0].isdigit() else cleaned


def identity(alert: Alert) -> dict[str, str]:
    """What identifies it: equal for all states of one alert. Empty values are left out, as Alertmanager does."""
    own = {
        "alertname": alert.name,
        "agent_id": alert.agent_id,
        "user_id": alert.user_id,
        "deployment_id": alert.deployment_id or "",
        "severity": alert.severity,
    }
    found = {label_name(name): value for name, value in alert.labels.items()} | own
    return {name: value for name, value in found.items() if value}


def texts(alert: Alert) -> dict[str, str]:
    """Texts for people: the summary, what the rule says, the evidence, what was measured, who acknowledged or
    ended it, what to type now."""
    found = {f"evidence_{name}": value for name, value in alert.evidence.items()}
    found |= dict(alert.annotations) | {"summary": alert.summary}
    if alert.state == "acknowledged":
        found["acknowledged_by"] = alert.actor or "somebody"
    elif alert.actor is not None:
        found["resolved_by" if alert.resolved else "escalated_by"] = alert.actor
    if alert.comment:
        found["comment"] = alert.comment
    if not alert.resolved and (told := value(alert)):
        found["measured"] = told
    if (ended_after_s := lasted_s(alert)) is not None:
        found["lasted"] = duration(ended_after_s)
    found |= {f"to_{name}": text for name, text in commands(alert).items()}
    if alert.member_count:
        found["member_count"] = str(alert.member_count)
    return {label_name(name): value for name, value in found.items() if value}


def _status(alert: Alert) -> str:
    return "resolved" if alert.resolved else "firing"


def _ended(alert: Alert) -> str:
    return moment(alert.ends_at or alert.starts_at) if alert.resolved else _NOT_YET


def _entry(alert: Alert) -> dict[str, Any]:
    return {
        "status": _status(alert),
        "labels": identity(alert),
        "annotations": texts(alert),
        "startsAt": moment(alert.starts_at),
        "endsAt": _ended(alert),
        "generatorURL": "",
        "fingerprint": alert.fingerprint,
    }


def _common(entries: Sequence[dict[str, str]]) -> dict[str, str]:
    """What all have, with the same value."""
    first, *rest = entries
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in rest)}


def webhook_body(receiver: str, notification: Notification) -> dict[str, Any]:
    """Version "4": the last state of each alert; the whole is firing while any of them is."""
    alerts = notification.latest()
    entries = [_entry(alert) for alert in alerts]
    return {
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": 0,
        "status": "resolved" if all(alert.resolved for alert in alerts) else "firing",
        "receiver": receiver,
        "groupLabels": dict(notification.labels),
        "commonLabels": _common([entry["labels"] for entry in entries]),
        "commonAnnotations": _common([entry["annotations"] for entry in entries]),
        "externalURL": "",
        "alerts": entries,
    }


def milder_ones(notification: Notification, now_s: float) -> list[Alert]:
    """Ends of what alerts were before they became graver: severity is a label, so there that is another alert.

    Without them it would fire on until re-sends are missed, also beyond the end of the graver one. What it is at last
    has no end among them: of two entries with the same labels in one message either might count.
    """
    at = datetime.fromtimestamp(now_s, tz=UTC)
    last = {alert.fingerprint: identity(alert) for alert in notification.latest()}
    ends = (
        replace(alert, state="resolved", severity=severity, ends_at=at)
        for alert in notification.alerts
        if alert.cause == "worse" and alert.severity in SEVERITIES
        for severity in SEVERITIES[: SEVERITIES.index(alert.severity)]
    )
    return [end for end in ends if identity(end) != last[end.fingerprint]]


def api_alert(alert: Alert, until_s: float) -> dict[str, Any]:
    """One alert for `POST /api/v2/alerts`; one that fires ends at `until_s` (seconds since the epoch) if nobody
    tells of it again. An end before the start would be refused."""
    end = (alert.ends_at or alert.starts_at) if alert.resolved else datetime.fromtimestamp(until_s, tz=UTC)
    return {
        "labels": identity(alert) | {"fleetpulse_fingerprint": alert.fingerprint},
        "annotations": texts(alert),
        "startsAt": moment(alert.starts_at),
        "endsAt": moment(max(end, alert.starts_at)),
    }
