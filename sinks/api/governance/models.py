"""Policies and their coverage, as the OpenAPI document tells them."""

from __future__ import annotations

from pydantic import Field

from sinks.api.models import Answer, Moment


class PolicyCounts(Answer):
    """One policy in a span of time."""

    policy_id: str = Field(examples=["hipaa-compliance"])
    policy_name: str = Field(description="as it was named last", examples=["HIPAA Compliance"])
    violations: int = Field(ge=0)
    agents: int = Field(ge=0, description="agents that violated it")
    by_severity: dict[str, int] = Field(examples=[{"critical": 1, "high": 4}])
    by_action: dict[str, int] = Field(examples=[{"blocked": 5}])
    last_at: Moment


class Bars(Answer):
    """Violations over time; one value a bucket, every bucket is there."""

    bucket_s: int = Field(ge=1, examples=[3600])
    at: list[Moment] = Field(description="begin of every bucket")
    by_severity: dict[str, list[int]] = Field(examples=[{"critical": [0, 1], "high": [2, 0], "medium": [], "low": []}])


class GovernedAgent(Answer):
    """An agent that something is missing of."""

    agent_id: str
    user_id: str
    deployment_id: str | None


class Coverage(Answer):
    """Which agents are governed. Lists hold the first hundred names."""

    agents: int = Field(ge=0, description="agents that the caller sees")
    governance_on: int = Field(ge=0, description="whose newest heartbeat says that policies are evaluated")
    governance_off: int = Field(ge=0)
    governance_unknown: int = Field(ge=0, description="that say nothing of it, or sent no heartbeat of late")
    off: list[GovernedAgent]
    checking: int = Field(ge=0, description="agents with a policy check within the span")
    never_checked: int = Field(ge=0, description="agents without one")
    unchecked: list[GovernedAgent]
    policies_loaded: dict[str, int] = Field(
        description="agents by how many policies they have in force", examples=[{"3": 41, "4": 2}]
    )


class Policies(Answer):
    """Policies by violations, and coverage."""

    from_: Moment = Field(alias="from")
    to: Moment
    violations: int = Field(ge=0)
    agents_violating: int = Field(ge=0)
    by_severity: dict[str, int] = Field(examples=[{"critical": 1, "high": 4}])
    by_action: dict[str, int] = Field(examples=[{"blocked": 5}])
    policies: list[PolicyCounts] = Field(description="the most violated first, at most 200")
    over_time: Bars
    checks: float = Field(ge=0, description="policy checks that agents counted")
    compliance_rate: float | None = Field(description="passed checks by all checks; null without checks")
    coverage: Coverage
