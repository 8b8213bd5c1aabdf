"""What `--json` prints of alerts and silences. Times are ISO 8601 in UTC."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from streams.manager.ask.choose import Chosen
from streams.manager.ask.picture import Picture
from streams.manager.ask.trail import Trail
from streams.manager.ask.words import iso
from streams.manager.matchers import fits
from streams.manager.model import Alert, Silence

_AS_IT_IS = (
    "fingerprint", "epoch", "name", "severity", "summary", "agent_id", "user_id", "deployment_id", "rule_kind",
    "labels", "annotations", "evidence", "told", "suppressed_by", "receivers", "flapping", "actor", "comment",
)  # fmt: skip


def number(value: float | None) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if value is not None and math.isfinite(value) else None


def alert_json(alert: Alert) -> dict[str, Any]:
    """One alert; `incident`: fingerprint of the outage or incident that it belongs to, `steps_done` of its route."""
    found = {name: getattr(alert, name) for name in _AS_IT_IS}
    return found | {
        "state": alert.status,
        "starts_at": iso(alert.starts_us / 1e6),
        "ends_at": iso(alert.ends_us / 1e6 if alert.ends_us is not None else None),
        "value": number(alert.value),
        "threshold": number(alert.threshold),
        "steps_done": alert.step,
        "held": alert.held_until_s is not None,
        "incident": alert.root,
        "members": alert.members,
        "member_count": alert.member_count,
        "open_members": alert.open_members,
    }


def manager_json(picture: Picture) -> dict[str, Any]:
    """How fresh the answer is: when the alert manager last wrote, how many signals it is behind, and what is wrong."""
    wrote_s = picture.state.now_s or None
    return {"last_wrote_at": iso(wrote_s), "behind": picture.behind, "trouble": picture.trouble}


def list_json(picture: Picture, chosen: Chosen) -> dict[str, Any]:
    """The answer of `alerts list`; `hidden`: how many others fit, by why they are not shown."""
    return {
        "alerts": [alert_json(alert) for alert in chosen.shown],
        "hidden": chosen.hidden,
        "manager": manager_json(picture),
    }


def silence_json(picture: Picture, silence: Silence) -> dict[str, Any]:
    """One silence; `alerts`: fingerprints of the active alerts that fit it."""
    active = (picture.state.alerts[name] for name in picture.state.active)
    return {
        "id": silence.id,
        "matchers": ["".join(matcher) for matcher in silence.matchers],
        "until": iso(silence.until_s),
        "created_at": iso(silence.created_s),
        "by": silence.actor,
        "comment": silence.comment,
        "alerts": sorted(alert.fingerprint for alert in active if fits(silence.matchers, alert.values())),
    }


def show_json(picture: Picture, alert: Alert, trail: Trail) -> dict[str, Any]:
    """The answer of `alerts show`: the alert, its changes and the attempts to tell people, in their order."""
    known = picture.state.alerts
    return {
        "alert": alert_json(alert),
        "members": [alert_json(known[name]) for name in alert.members if name in known],
        "changes": [_row_json(row, _CHANGE) for row in trail.changes],
        "deliveries": [_row_json(row, _ATTEMPT) for row in trail.deliveries],
        "complete": trail.complete,
        "manager": manager_json(picture),
    }


_CHANGE = (
    "timestamp", "epoch", "seq", "state", "cause", "severity", "summary", "suppressed_by", "receivers",
    "escalation_step", "correlation_id", "actor", "comment",
)  # fmt: skip
_ATTEMPT = (
    "timestamp",
    "epoch",
    "state",
    "channel",
    "channel_kind",
    "attempt",
    "outcome",
    "status_code",
    "error",
    "duration_s",
)


def _row_json(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: iso(row[name].timestamp()) if name == "timestamp" else row[name] for name in names}
