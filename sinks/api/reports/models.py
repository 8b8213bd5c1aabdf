"""The compliance report, as the OpenAPI document tells it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sinks.api.models import Answer, Moment

Count = Annotated[int, Field(ge=0)]
Rate = Annotated[float | None, Field(ge=0, le=1, description="passed checks by all checks; null without checks")]


class Totals(Answer):
    """Over the whole span."""

    violations: Count
    agents: Count = Field(description="agents that reported metrics or a violation")
    agents_violating: Count
    policies: Count = Field(description="policies that were violated")
    checks: float = Field(ge=0, description="policy checks, as the agents count them")
    compliance_rate: Rate


class OfPolicy(Answer):
    """One policy. `reports`: reports of metrics that name it as violated."""

    policy_id: str
    policy_name: str
    violations: Count
    agents: Count
    reports: Count
    severities: dict[str, int]
    actions: dict[str, int]
    first_at: Moment | None
    last_at: Moment | None


class OfKind(Answer):
    """Violations of one severity, or with one action."""

    name: str
    violations: Count
    agents: Count


class OfAgent(Answer):
    """One agent."""

    agent_id: str
    user_id: str
    violations: Count
    critical: Count
    policies: Count
    checks: float = Field(ge=0)
    compliance_rate: Rate


class OfDay(Answer):
    """One day, UTC; every day of the span is there, unless only those with violations were asked for."""

    date: str = Field(examples=["2026-11-21"])
    violations: Count
    critical: Count
    agents: Count
    checks: float = Field(ge=0)
    compliance_rate: Rate


class Coverage(Answer):
    """Of whom there are figures at all: an agent without checks is not compliant, it is unknown."""

    agents_reporting: Count = Field(description="agents that reported metrics")
    agents_checked: Count = Field(description="of these, with policy checks")
    share_checked: Rate
    unchecked: list[str] = Field(description="some that report and check nothing")
    without_evidence: list[str] = Field(description="policies that reports name as violated, without a violation event")


class Evidence(Answer):
    """One violation. Texts are cut, and what looks like personal data is masked once more."""

    timestamp: Moment | None
    event_id: str
    agent_id: str
    user_id: str
    type: str
    policy_id: str
    policy_name: str
    severity: str
    action: str
    description: str
    context: dict[str, str]
    remediation: str | None
    run_id: str | None


class ComplianceReport(Answer):
    """What policies said about agents between two times, the end excluded."""

    since: Moment = Field(alias="from")
    until: Moment = Field(alias="to")
    generated_at: Moment
    tenant: str | None = Field(description="null: the whole fleet")
    only_violating: bool = Field(description="`by_agent` and `by_day` leave out who and what has no violation")
    totals: Totals
    by_policy: list[OfPolicy]
    by_severity: list[OfKind]
    by_action: list[OfKind]
    by_agent: list[OfAgent] = Field(description="the most violations first, at most 500")
    by_day: list[OfDay]
    coverage: Coverage
    evidence: list[Evidence] = Field(description="the newest first")
    evidence_total: Count
