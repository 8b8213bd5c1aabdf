"""The overview and changes, as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sinks.api.models import Answer, Moment
from sinks.api.routes.fleet import Distribution, LowTrust


class AlertCounts(Answer):
    """Alerts as a list of `GET /alerts` shows them."""

    total: int = Field(ge=0, description="firing and acknowledged, members of an incident as one")
    by_severity: dict[str, int] = Field(
        description="items of the list with this severity as its filter",
        examples=[{"critical": 1, "warning": 3, "info": 0}],
    )
    acknowledged: int = Field(ge=0, description="of the total")
    quiet: dict[str, int] = Field(
        description="others that go on though nobody is told, by why",
        examples=[{"silence": 2, "maintenance": 0, "inhibited": 0}],
    )
    whole: bool = Field(description="false: alerts are being read, or nobody answers for them; the counts may be old")


class ViolationCounts(Answer):
    """Violations of the last hour."""

    total: int = Field(ge=0)
    by_severity: dict[str, int] = Field(examples=[{"critical": 0, "high": 2, "medium": 1, "low": 4, "other": 0}])
    as_of: Moment | None = Field(description="when the lake was looked at last; null: not yet")


class Throughput(Answer):
    """Events that arrived, of every kind."""

    events_per_s: float = Field(ge=0, description="over the last `window_s`", examples=[1003.4])
    window_s: int = Field(examples=[60])
    per_minute: list[float] = Field(description="events per second in each of the last 60 minutes, the oldest first")
    as_of: Moment | None


class LedgerSums(Answer):
    """The delivery ledger of all sessions. What is on its way for less than half a minute is not missing."""

    sessions: int = Field(ge=0)
    published: int = Field(ge=0, description="numbers given up to the last event that landed")
    landed: int = Field(ge=0)
    missing: int = Field(ge=0)
    expired: int = Field(ge=0, description="landed, and removed since by retention")
    duplicates: int | None = Field(description="second arrivals, kept apart; only for who sees the whole fleet")
    dead_letters: int | None = Field(description="messages that were not accepted; only for who sees the whole fleet")
    span_s: float | None = Field(description="null: everything that the lake holds; else so far back", examples=[None])
    as_of: Moment
    every_s: float = Field(description="how often it is counted while somebody looks", examples=[15.0])


class Change(Answer):
    """Something changed; the members of other kinds are null."""

    kind: Literal["status", "alert", "trust"]
    at: Moment
    id: str
    agent_id: str = Field(examples=["bot-7"])
    user_id: str
    deployment_id: str | None
    status: str | None = Field(examples=["late"])
    previous: str | None = Field(examples=["online"])
    reason: str | None = Field(examples=["beat_late"])
    trust: float | None = Field(description="of a fall: the score at its end")
    trust_before: float | None
    fingerprint: str | None
    name: str | None = Field(description="of an alert")
    severity: str | None
    state: str | None
    cause: str | None
    summary: str | None


class RecentChanges(Answer):
    """What changed in the last hour."""

    since: Moment
    by_status: dict[str, int] = Field(
        description="agents whose status changed, by what it is now", examples=[{"offline": 2, "online": 5}]
    )
    agents: int = Field(ge=0, description="agents whose status changed")
    alerts_begun: int = Field(ge=0)
    alerts_over: int = Field(ge=0)
    trust_falls: int | None = Field(description="falls of trust of 0.05 or more; null: not known yet")
    newest: list[Change] = Field(description="at most a dozen; all: `GET /api/changes`")


class Overview(Answer):
    """The fleet at a glance; each part as fresh as it says."""

    as_of: Moment | None
    agents: int = Field(ge=0)
    by_status: dict[str, int] = Field(examples=[{"online": 97, "late": 1, "offline": 2, "degraded": 0, "unknown": 0}])
    trust: Distribution
    lowest_trust: list[LowTrust]
    alerts: AlertCounts
    violations: ViolationCounts
    throughput: Throughput | None = Field(description="null: not known yet, or the key is of some agents only")
    ledger: LedgerSums | None = Field(description="null: not known yet")
    changes: RecentChanges


class ChangePage(Answer):
    """A page of changes, the newest first."""

    items: list[Change]
    next: str | None = Field(description="`cursor` of the next page; null: this was the last")


class AgentSums(Answer):
    """The delivery ledger of an agent, summed over its sessions."""

    agent_id: str = Field(examples=["bot-7"])
    user_id: str
    sessions: int = Field(ge=0)
    published: int = Field(ge=0)
    landed: int = Field(ge=0)
    missing: int = Field(ge=0)
    expired: int = Field(ge=0, description="landed, and removed since by retention")


class LedgerPage(Answer):
    """Agents, who misses the most first."""

    items: list[AgentSums]
    total: int = Field(ge=0, description="how many fit, over all pages")
    span_s: float | None = Field(description="null: everything that the lake holds; else so far back", examples=[None])
    as_of: Moment
    every_s: float = Field(description="how often it is counted while somebody looks", examples=[15.0])
