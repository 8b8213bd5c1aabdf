"""What the memory knows of a slot, as the API tells it."""

from __future__ import annotations

import math
from typing import Any

from infra.runtime.trust_settings import FACTORS
from sinks.api.live.memory import Memory
from sinks.api.times import iso_us

_FACTORS = ("compliance", *FACTORS)
STATUSES = ("online", "late", "offline", "degraded")
UNKNOWN = "unknown"


def number(value: float) -> float | None:
    """A number that JSON can carry; None for NaN and infinities."""
    value = float(value)
    return value if math.isfinite(value) else None


def status_word(memory: Memory, slot: int) -> str:
    """Status of a slot; `unknown` where no heartbeat ever came."""
    found: str | None = memory.status["status"][slot]
    return found or UNKNOWN


def deployment(memory: Memory, slot: int) -> str | None:
    """Deployment of a slot as it was told last."""
    found: str | None = memory.status["deployment_id"][slot] or memory.trust["deployment_id"][slot]
    return found


def last_beat_us(memory: Memory, slot: int) -> int:
    """Event time of the last heartbeat that is known of, 0: none."""
    return max(int(memory.status["last_beat"][slot]), int(memory.recent["beat"][slot]))


def trust_now(memory: Memory, slot: int) -> dict[str, Any] | None:
    """The score of a slot; None: it has none."""
    columns = memory.trust
    if not columns.frame[slot]:
        return None
    factors = {name: number(columns[name][slot]) for name in _FACTORS}
    return {
        "score": number(columns["trust"][slot]) or 0.0,
        "p": number(columns["p"][slot]),
        "n": number(columns["n"][slot]),
        "model": columns["model"][slot],
        "violations": int(columns["violations"][slot]),
        "factors": {name: value for name, value in factors.items() if value is not None},
        "at": iso_us(int(columns["timestamp"][slot])),
    }


def agent_status(memory: Memory, slot: int, violations: int, as_of: str) -> dict[str, Any]:
    """A slot in the shape of `AgentStatus`. `violations`: those of the last day."""
    status, recent, where = memory.status, memory.recent, deployment(memory, slot)
    trust = trust_now(memory, slot)
    return {
        "agent_id": memory.agents[slot],
        "user_id": memory.users[slot],
        "status": status_word(memory, slot),
        "last_heartbeat": iso_us(last_beat_us(memory, slot)),
        "last_metrics_update": iso_us(int(recent["metrics"][slot])),
        "governance_metrics": {
            "trust_score": trust and trust["score"],
            "compliance_rate": number(recent["compliance_rate"][slot]),
            "recent_violations": violations,
        },
        "version": recent["version"][slot],
        "platform": recent["platform"][slot],
        "runtime_version": recent["runtime_version"][slot],
        "labels": memory.labels.of(slot),
        "deployment_id": where,
        "environment": where,
        "host": status["host"][slot],
        "gateway": status["gateway"][slot],
        "heartbeats": {
            "status_since": iso_us(int(status["timestamp"][slot])),
            "reason": status["reason"][slot],
            "previous": status["previous"][slot],
            "deadline": iso_us(int(status["deadline"][slot])),
            "interval_s": number(status["interval_s"][slot]),
            "loss": number(status["loss"][slot]),
            "clock_skew_s": number(status["clock_skew_s"][slot]),
        },
        "trust": trust,
        "as_of": as_of,
    }


def agent_line(memory: Memory, slot: int) -> dict[str, Any]:
    """A slot in the shape of `AgentLine`."""
    scored = bool(memory.trust.frame[slot])
    return {
        "agent_id": memory.agents[slot],
        "user_id": memory.users[slot],
        "deployment_id": deployment(memory, slot),
        "host": memory.status["host"][slot],
        "version": memory.recent["version"][slot],
        "platform": memory.recent["platform"][slot],
        "labels": memory.labels.of(slot),
        "status": status_word(memory, slot),
        "status_since": iso_us(int(memory.status["timestamp"][slot])),
        "last_heartbeat": iso_us(last_beat_us(memory, slot)),
        "trust": number(memory.trust["trust"][slot]) if scored else None,
        "violations": int(memory.trust["violations"][slot]) if scored else None,
    }
