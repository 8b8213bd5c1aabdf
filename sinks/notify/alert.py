"""An alert as notifiers see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from schemas.record import decode_record
from schemas.registry import SchemaBook

SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Alert:
    """One change in the life of an alert; `fingerprint`, `epoch`, `state` and `seq` name it. Times are aware, UTC."""

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
    annotations: Mapping[str, str] = field(default_factory=dict)
    seq: int = 0
    user_id: str = ""
    deployment_id: str | None = None
    correlation_id: str | None = None
    rule_kind: str | None = None
    cause: str | None = None
    suppressed_by: str | None = None
    receivers: tuple[str, ...] = ()
    escalation_step: int | None = None
    members: tuple[str, ...] = ()
    member_count: int | None = None
    actor: str | None = None
    comment: str | None = None
    oldest_source_timestamp: datetime | None = None

    def age_s(self, now_s: float) -> float:
        """Seconds since it began, never negative; `now_s` in seconds since the epoch."""
        return max(0.0, now_s - self.starts_at.timestamp())

    @property
    def resolved(self) -> bool:
        """Whether it is over."""
        return self.state == "resolved"

    def at_least(self, severity: str) -> bool:
        """Whether it is as severe; a severity that nobody knows counts as critical, so that somebody hears of it."""
        own = SEVERITIES.index(self.severity) if self.severity in SEVERITIES else len(SEVERITIES)
        return own >= SEVERITIES.index(severity)

    def word(self, name: str) -> str:
        """The value of a field or label that alerts are grouped by; empty where it has none."""
        if name in self.labels:
            return self.labels[name]
        found = getattr(self, name, None) if name in GROUPABLE else None
        return "" if found is None else str(found)


GROUPABLE = ("name", "severity", "agent_id", "user_id", "deployment_id", "correlation_id", "fingerprint", "rule_kind")
"""Fields, beside labels, that alerts may be grouped by."""
_REMEMBERED_BYTES = 8_192
_PAIRED = ("labels", "evidence", "annotations")
_LISTED = ("receivers", "members")
_SAME = tuple(name for name in Alert.__dataclass_fields__ if name not in (*_PAIRED, *_LISTED))


def _pairs(entries: list[dict[str, str]]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in entries}


class AlertReader:
    """Reads messages of fleet.alerts. All lanes of a process share one: each message is decoded once."""

    def __init__(self, remembered: int = 2_048) -> None:
        self._book = SchemaBook("alert")
        self._cached = lru_cache(maxsize=remembered)(self._decode)

    def read(self, raw: bytes | None) -> Alert:
        """The alert of a message. Raises `UndecodableError`."""
        return self._decode(raw) if raw is None or len(raw) > _REMEMBERED_BYTES else self._cached(raw)

    def _decode(self, raw: bytes | None) -> Alert:
        return from_record(decode_record(self._book, raw))


def from_record(record: Mapping[str, Any]) -> Alert:
    """The alert of a decoded record of schema alert; what an older writer left out has its default."""
    fields: dict[str, Any] = {name: record[name] for name in _SAME if name in record}
    fields |= {name: _pairs(record.get(name, [])) for name in _PAIRED}
    fields |= {name: tuple(record.get(name, ())) for name in _LISTED}
    return Alert(**fields)
