"""Answers about the latest state, as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Status = Literal["online", "late", "offline", "degraded", "unknown"]
Moment = Annotated[str, Field(description="ISO 8601, UTC, with Z", examples=["2026-11-21T19:00:00.000Z"])]
Share = Annotated[float, Field(ge=0, le=1)]
Labels = Annotated[
    dict[str, str], Field(description="what the agents file says", examples=[{"department": "finance", "tier": "gold"}])
]


class Answer(BaseModel):
    """What every answer has in common: unknown members are mistakes of ours."""

    model_config = ConfigDict(extra="forbid")


class Governance(Answer):
    """As the sources have it."""

    trust_score: Share | None = Field(description="the score to act on; null without evidence", examples=[0.85])
    compliance_rate: float | None = Field(description="of the last report that has one", examples=[0.92])
    recent_violations: int = Field(ge=0, description="violations of the last 24 hours", examples=[2])


class Heartbeats(Answer):
    """What is known of the beats of an agent."""

    status_since: Moment | None
    reason: str | None = Field(description="why it has its status", examples=["beat"])
    previous: str | None = Field(examples=["late"])
    deadline: Moment | None = Field(description="when it counts as offline without another beat, as of status_since")
    interval_s: float | None = Field(description="learned interval between beats", examples=[30.0])
    loss: float | None = Field(description="learned share of beats that get lost", examples=[0.01])
    clock_skew_s: float | None = Field(description="positive: the agent's clock is behind")


class TrustNow(Answer):
    """The last score that was published."""

    score: Share = Field(examples=[0.85])
    p: float = Field(examples=[0.93])
    n: float = Field(description="weight of the evidence, decayed", examples=[112.0])
    model: str = Field(examples=["beta"])
    violations: int = Field(examples=[2], description="since the state began")
    factors: dict[str, float] = Field(examples=[{"compliance": 0.95, "reliability": 0.99}])
    at: Moment | None


class AgentStatus(Answer):
    """The latest of an agent: the sources' members, and ours."""

    agent_id: str = Field(examples=["customer_service_bot"])
    user_id: str = Field(description="the tenant", examples=["company_xyz"])
    status: Status
    last_heartbeat: Moment | None = Field(description="event time of the last heartbeat")
    last_metrics_update: Moment | None = Field(description="event time of the last report of metrics")
    governance_metrics: Governance
    version: str | None = Field(examples=["1.0.0"])
    platform: str | None = Field(description="operating system", examples=["Linux"])
    runtime_version: str | None = Field(examples=["3.11.9"])
    labels: Labels
    deployment_id: str | None = Field(examples=["eu-1"])
    environment: str | None = Field(description="the deployment again, for clients of the sources", examples=["eu-1"])
    host: str | None = Field(examples=["host-7"])
    gateway: str | None
    heartbeats: Heartbeats
    trust: TrustNow | None
    as_of: Moment = Field(description="up to then everything is in it")


class AgentLine(Answer):
    """An agent in a list."""

    agent_id: str = Field(examples=["customer_service_bot"])
    user_id: str = Field(examples=["company_xyz"])
    deployment_id: str | None
    host: str | None
    version: str | None
    platform: str | None
    labels: Labels
    status: Status
    status_since: Moment | None
    last_heartbeat: Moment | None
    trust: Share | None
    violations: int | None


class AgentPage(Answer):
    """A page of agents."""

    items: list[AgentLine]
    total: int = Field(ge=0, description="how many fit, over all pages")
    next: str | None = Field(description="`cursor` of the next page; null: this was the last")
    facets: list[str] = Field(description="what all of the caller's agents can be filtered and grouped by")
    as_of: Moment


def answers(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """What a route answers, for `responses=`: its model, and an example made of those of the model's fields."""
    return {200: {"model": model, "content": {"application/json": {"example": example_of(model)}}}}


def example_of(model: type[BaseModel]) -> dict[str, Any]:
    """An answer that fits a model: the first example of every field, else the simplest value of its type."""
    return {field.alias or name: _example(field) for name, field in model.model_fields.items()}


def _example(field: FieldInfo) -> Any:  # noqa: ANN401  # any JSON value
    return field.examples[0] if field.examples else _simplest(field.annotation)


def _simplest(kind: Any) -> Any:  # noqa: ANN401  # a type, and a JSON value
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _example(FieldInfo.from_annotation(kind))
    if type(None) in arguments:
        return None
    if origin is Literal:
        return arguments[0]
    if origin in {list, tuple}:
        return [] if origin is tuple else [_simplest(arguments[0])]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return example_of(kind)
    return {str: "", int: 0, float: 0.0, bool: False}.get(kind, {})
