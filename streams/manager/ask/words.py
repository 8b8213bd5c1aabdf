"""Moments, ages and reasons in the words of a terminal. What agents wrote is shown as text, whatever it holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from infra.runtime.text import printable
from streams.manager.ask.picture import Picture
from streams.manager.model import ACKNOWLEDGED, Alert

_LONGEST = 400
_PLAIN = {"delayed": "later: the first step of its route is still to come", "flapping": "flapping, until it is calm"}
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


def safe(text: str | None, longest: int = _LONGEST) -> str:
    """Text of others, of bounded length."""
    shown = printable(text or "")
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def span(seconds: float) -> str:
    """A length of time in its two largest units: `42 s`, `5 min`, `2 h 10 min`, `3 d 4 h`."""
    whole = max(round(seconds), 0)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < _DAY_S:
        return _two(whole // _HOUR_S, "h", whole % _HOUR_S // _MINUTE_S, "min")
    return _two(whole // _DAY_S, "d", whole % _DAY_S // _HOUR_S, "h")


def _two(large: int, unit: str, small: int, smaller: str) -> str:
    return f"{large} {unit} {small} {smaller}" if small else f"{large} {unit}"


def moment(seconds: float) -> str:
    """Date and time in UTC of seconds since the epoch; what no calendar holds is shown as the number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f}"


def iso(seconds: float | None) -> str | None:
    """The same as ISO 8601 with microseconds, for machines."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def matchers_text(matchers: tuple[tuple[str, str, str], ...]) -> str:
    """As a person writes them."""
    return " ".join(f"{name}{operator}{value}" for name, operator, value in matchers)


def reason_text(picture: Picture, reason: str) -> str:
    """Why nobody is told, with what stands behind it: `silenced until 14:00:00 by ann (id 5f3a): disks`."""
    kind, _, name = reason.partition(":")
    if kind == "silence":
        return _silence_text(picture, name)
    if kind == "maintenance":
        return f"maintenance window {safe(name)}"
    if kind in {"inhibited", "incident"}:
        return f"{'inhibited by' if kind == 'inhibited' else 'part of'} {_other(picture.state.alerts, name)}"
    return _PLAIN.get(kind, safe(reason))


def _silence_text(picture: Picture, name: str) -> str:
    silence = picture.state.silences.get(name)
    if silence is None:
        return f"silenced (id {safe(name)}, over)"
    why = f": {safe(silence.comment)}" if silence.comment else ""
    return f"silenced until {moment(silence.until_s)} by {safe(silence.actor)} (id {safe(name)}){why}"


def _other(alerts: Mapping[str, Alert], fingerprint: str) -> str:
    found = alerts.get(fingerprint)
    return safe(fingerprint[:8]) + (f" ({safe(found.name)} of {safe(found.agent_id)})" if found is not None else "")


def people_text(picture: Picture, alert: Alert) -> str:
    """Whether people know: told on which channels, or why not."""
    if alert.held_until_s is not None:
        return "in a moment: an outage may explain it"
    reason = alert.suppressed_by
    if alert.status == ACKNOWLEDGED:
        who = f"acknowledged by {safe(alert.actor)}" + (f": {safe(alert.comment)}" if alert.comment else "")
        return who if reason in {None, "acknowledged"} else f"{who}; {reason_text(picture, reason or '')}"
    if reason is None:
        return f"told on {', '.join(map(safe, alert.receivers))}" if alert.receivers else "told on the default channels"
    return reason_text(picture, reason) + ("; told before that" if alert.active and alert.told else "")
