"""The names of our alerts, how grave each is, and the settings that fire and resolve them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from streams.operators.silent import KINDS as SILENT_KINDS

TRUST_LOW, METRIC_ANOMALY = "trust_low", "metric_anomaly"
AGENT_LATE, AGENT_OFFLINE, AGENT_DEGRADED, AGENT_FAILED = (
    "agent_late",
    "agent_offline",
    "agent_degraded",
    "agent_failed",
)

RULES: tuple[str, ...] = (
    TRUST_LOW,
    METRIC_ANOMALY,
    AGENT_LATE,
    AGENT_OFFLINE,
    AGENT_DEGRADED,
    AGENT_FAILED,
    *SILENT_KINDS,
)
"""Every rule; its position is its column in the book. New rules are added at the end: snapshots hold the columns."""

RULE_INDEX: Mapping[str, int] = MappingProxyType({name: index for index, name in enumerate(RULES)})

SEVERITY: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(RULES, "warning"),
        AGENT_LATE: "info",
        AGENT_OFFLINE: "critical",
        AGENT_FAILED: "critical",
        "stuck_tool": "critical",
    }
)
"""Severity of a firing; trust_low is also critical, below its second threshold."""


@dataclass(frozen=True)
class AlertConfig:
    """`trust_warning`, `trust_critical`: trust below fires; `trust_hysteresis`: by so much more than `trust_warning` it
    must rise to resolve. `trust_margin`: the expected probability p, too, must be below the threshold plus this, so
    that an agent of which little is known does not fire by its wide interval alone. `anomaly_trend`: sum of the
    trend terms of a flag that fires. `quiet_s`: metric_anomaly and silent failures resolve after so long without
    another.
    """

    trust_warning: float = 0.7
    trust_critical: float = 0.5
    trust_hysteresis: float = 0.03
    trust_margin: float = 0.05
    anomaly_trend: float = 9.0
    quiet_s: float = 120.0
