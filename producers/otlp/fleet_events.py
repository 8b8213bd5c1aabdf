"""What OpenTelemetry has no convention for, as events of a span or log records named `fleet.*`: beats and violations.

A beat counts only from the agent's own loop, so none is made up from the mere arrival of data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from producers.governance.redact import redact_text
from producers.otlp.values import Attributes, Value, cut, number, text

_SEVERITIES = frozenset({"low", "medium", "high", "critical"})
_ACTIONS = frozenset({"blocked", "redacted", "flagged"})
_HEALTH = frozenset({"healthy", "degraded", "failed", "stopping"})
LEAST_INTERVAL_S = 10.0
"""Shorter ones cannot be kept by an exporter that sends every 5 s, its default: the interval is then learned."""
_LONGEST = 2_000
_MOST_CONTEXT = 32
Fields = dict[str, Any]


def _one_of(said: str | None, known: frozenset[str], otherwise: str) -> str:
    return said if said in known else otherwise


def _whole(attributes: Attributes, name: str) -> int | None:
    value = number(attributes, name)
    return int(value) if value is not None and 0 <= value < 2**62 else None


def _heartbeat(attributes: Attributes, run_id: str | None) -> Fields:  # noqa: ARG001  # as the others
    interval_s = number(attributes, "fleet.interval_s")
    return {
        "status": _one_of(text(attributes, "fleet.status"), _HEALTH, "healthy"),
        "version": text(attributes, "fleet.version", limit=128) or "0",
        "uptime_s": max(number(attributes, "fleet.uptime_s", "process.uptime") or 0.0, 0.0),
        "progress": _whole(attributes, "fleet.progress"),
        "interval_s": interval_s if interval_s is not None and LEAST_INTERVAL_S <= interval_s <= 86_400 else None,
        "host": text(attributes, "host.name"),
    }


def _violation(attributes: Attributes, run_id: str | None) -> Fields:
    policy = text(attributes, "fleet.policy.id") or "unnamed"
    return {
        "type": text(attributes, "fleet.violation.type") or "policy_violation",
        "policy_id": policy,
        "policy_name": text(attributes, "fleet.policy.name") or policy,
        "severity": _one_of(text(attributes, "fleet.severity"), _SEVERITIES, "medium"),
        "description": redact_text(text(attributes, "fleet.description", limit=_LONGEST) or ""),
        "action": _one_of(text(attributes, "fleet.action"), _ACTIONS, "flagged"),
        "context": {
            name.removeprefix("fleet.context."): redact_text(cut(str(value), _LONGEST))
            for name, value in _context(attributes)
        },
        "remediation_suggested": text(attributes, "fleet.remediation", limit=_LONGEST),
        "run_id": run_id,
    }


def _context(attributes: Attributes) -> list[tuple[str, Value]]:
    return [each for each in attributes.items() if each[0].startswith("fleet.context.")][:_MOST_CONTEXT]


_MAKERS: Mapping[str, tuple[str, Callable[[Attributes, str | None], Fields]]] = MappingProxyType(
    {"fleet.heartbeat": ("fleet.heartbeats", _heartbeat), "fleet.violation": ("fleet.violations", _violation)}
)


def fleet_event(name: str, attributes: Attributes, run_id: str | None) -> tuple[str, Fields] | None:
    """Topic and fields of an event named `fleet.heartbeat` or `fleet.violation`; None for other names."""
    maker = _MAKERS.get(name)
    return None if maker is None else (maker[0], maker[1](attributes, run_id))
