"""What the alert manager keeps: alerts, silences, what partitions know of groups. Plain values, written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

Signal: TypeAlias = Mapping[str, Any]
"""A decoded record of schema signal; times in micros since the epoch, named values as dictionaries."""
Event: TypeAlias = dict[str, Any]
"""A record of schema alert, ready to be encoded; times in micros since the epoch."""

FIRING, ACKNOWLEDGED, RESOLVED = "firing", "acknowledged", "resolved"
WATCHDOG, WATCHDOG_KIND = "watchdog", "watchdog"
"""Name and kind of the alert that always fires; a partition without a worker is of this kind too."""
ROOTS = frozenset({"outage", "incident"})
"""Kinds of alerts that stand for others."""
MOST_MEMBERS = 1000


@dataclass(slots=True)
class Alert:
    """One alert in its present or last firing. Times ending in `_us` are event times, micros; `_s` are log times.

    `changes`: events written of this epoch, the seq of the next one. `told`: people were told that it
    fires, and not yet that it ended.
    `began_s`: when this firing, or its present severity, began: escalation counts from here. `step`: steps of the
    route that are done. `receivers`: channels told so far; `told_default`: the default ones too.
    `held_until_s`: not written before, in case a root cause comes; `held_cause` is then its cause.
    `flips_s`: beginnings and ends of late. `noted_s`: when it was first counted for incidents. `root`: fingerprint of
    the outage or incident that it belongs to. Of a root: `members`, `member_count` and `open_members` (alerts, each
    once), `joined_s` of the newest, `below_s` since when an outage is under its limit, `size` (agents down now, or an
    incident's alerts), `worst` of it, `told_size` that people know of, and when they were told (`told_s`).
    `counted_in`: fingerprint and epoch of the root that it was counted in last; "" = none.
    """

    fingerprint: str
    epoch: int
    name: str
    severity: str
    summary: str
    agent_id: str
    user_id: str
    deployment_id: str | None
    rule_kind: str | None
    starts_us: int
    oldest_us: int
    began_s: float
    status: str = FIRING
    ends_us: int | None = None
    value: float | None = None
    threshold: float | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)
    changes: int = 0
    told: bool = False
    suppressed_by: str | None = None
    step: int = 0
    receivers: list[str] = field(default_factory=list)
    told_default: bool = False
    held_until_s: float | None = None
    held_cause: str = "began"
    actor: str | None = None
    comment: str | None = None
    flips_s: list[float] = field(default_factory=list)
    flapping: bool = False
    updated_s: float = 0.0
    noted_s: float = 0.0
    root: str | None = None
    members: list[str] = field(default_factory=list)
    member_count: int = 0
    open_members: int = 0
    joined_s: float = 0.0
    below_s: float | None = None
    size: int = 0
    worst: int = 0
    told_size: int = 0
    told_s: float = 0.0
    counted_in: str = ""

    @property
    def active(self) -> bool:
        """Firing or acknowledged."""
        return self.status != RESOLVED

    @property
    def always(self) -> bool:
        """Whether it is the watchdog: it fires always, nothing suppresses it, it goes no steps."""
        return self.name == WATCHDOG and self.rule_kind == WATCHDOG_KIND

    def values(self) -> dict[str, str]:
        """What matchers and routes see: labels, and the fields that name it."""
        return self.labels | {
            "name": self.name,
            "severity": self.severity,
            "agent_id": self.agent_id,
            "user_id": self.user_id,
            "deployment_id": self.deployment_id or "",
            "rule_kind": self.rule_kind or "",
        }


ALERT_FIELDS = tuple(f.name for f in fields(Alert))


def alert_document(alert: Alert) -> dict[str, Any]:
    """The alert as JSON can hold it."""
    return {name: getattr(alert, name) for name in ALERT_FIELDS}


def alert_of(document: Mapping[str, Any]) -> Alert:
    """The alert in a document; fields that it does not know are left out, those that it lacks have their defaults."""
    return Alert(**{name: document[name] for name in ALERT_FIELDS if name in document})


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that fit all `matchers` (name, operator, value) tell nobody until `until_s`, log time."""

    id: str
    matchers: tuple[tuple[str, str, str], ...]
    until_s: float
    actor: str
    comment: str
    created_s: float


@dataclass(frozen=True, slots=True)
class Group:
    """What one partition, or the sum of all, knows of a group of agents; as in schema signal, counts."""

    agents: float = 0.0
    online: float = 0.0
    late: float = 0.0
    offline: float = 0.0
    degraded: float = 0.0
    trust_sum: float = 0.0
    compliant: float = 0.0
    violating: float = 0.0
    violations: float = 0.0
    spent: float = 0.0

    @property
    def overdue(self) -> float:
        """Agents whose beats are missing."""
        return self.late + self.offline


GROUP_FIELDS = tuple(f.name for f in fields(Group))


def total(groups: Mapping[int, Group]) -> Group:
    """The sum over partitions."""
    if len(groups) == 1:
        return next(iter(groups.values()))
    return Group(*(sum(getattr(group, name) for group in groups.values()) for name in GROUP_FIELDS))
