"""An alert as notifiers see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Alert:
    """One change in the life of an alert; `fingerprint`, `epoch` and `state` together name it. Times are aware, UTC."""

    fingerprint: str
    epoch: int
    state: str
    name: str
    severity: str
    agent_id: str
    summary: str
    starts_at: datetime
    ends_at: datetime | None
    value: float | None
    threshold: float | None
    labels: Mapping[str, str]
    evidence: Mapping[str, str]

    def age_s(self, now_s: float) -> float:
        """Seconds since it began, never negative; `now_s` in seconds since the epoch."""
        return max(0.0, now_s - self.starts_at.timestamp())


def _pairs(entries: list[dict[str, str]]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in entries}


def from_record(record: Mapping[str, Any]) -> Alert:
    """The alert of a decoded record of schema alert."""
    same = (
        "fingerprint",
        "epoch",
        "state",
        "name",
        "severity",
        "agent_id",
        "summary",
        "starts_at",
        "ends_at",
        "value",
        "threshold",
    )
    return Alert(
        **{name: record[name] for name in same}, labels=_pairs(record["labels"]), evidence=_pairs(record["evidence"])
    )
