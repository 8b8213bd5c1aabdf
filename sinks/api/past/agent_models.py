"""Answers about one agent's past that explain its present, as the OpenAPI document tells them."""

from __future__ import annotations

from pydantic import Field

from sinks.api.models import Answer, Moment, Share
from sinks.api.past.models import EventHead


class Anomaly(EventHead):
    """A value that was flagged, with what was expected and why."""

    metric: str = Field(examples=["response_time"], description="a metric, or custom:NAME")
    value: float | None
    expected: float | None
    lower: float | None = Field(description="from here to `upper` the trend terms would not have flagged it")
    upper: float | None
    score: float | None = Field(description="sum of the terms; at the threshold or above it is flagged")
    threshold: float | None
    term_fast: float | None
    term_medium: float | None
    term_slow: float | None
    term_record: float | None
    term_record_smooth: float | None
    confidence: Share | None


class AnomalyPage(Answer):
    """A page of flagged values, the newest first."""

    items: list[Anomaly]
    next: str | None = Field(description="`cursor` of the next page; null: this was the last")


class LifecycleStep(EventHead):
    """A step in the life of an agent's turn."""

    kind: str = Field(examples=["tool_executing"])
    run_id: str
    thread_id: str
    tool: str | None
    tool_call_id: str | None
    deadline_s: float | None
    latency_ms: float | None
    status: str | None = Field(description="success or failure, of what finished")
    claimed_health: str | None = Field(description="what the agent says of its health")


class LifecyclePage(Answer):
    """A page of steps, the newest first."""

    items: list[LifecycleStep]
    next: str | None


class StatusSpan(Answer):
    """A time of one status."""

    from_: Moment = Field(alias="from")
    to: Moment
    status: str = Field(examples=["online"])
    reason: str | None = Field(description="why it came to be; null: it was so before the range", examples=["beat"])


class Timeline(Answer):
    """What status an agent had when."""

    agent_id: str = Field(examples=["customer_service_bot"])
    from_: Moment = Field(alias="from")
    to: Moment
    spans: list[StatusSpan] = Field(description="without a hole between them, the oldest first")
    seconds: dict[str, float] = Field(description="how long it had each status, s", examples=[{"online": 86_400.0}])
    changes: int = Field(ge=0, description="changes of status within the range")
    cut: bool = Field(description="there are more changes than are told: `from` is where those that are told begin")


class MetricName(Answer):
    """A metric that an agent reports."""

    name: str = Field(description="as `metrics=` and the anomalies have it", examples=["response_time"])
    family: str = Field(description="governance, performance, system, business or custom", examples=["performance"])
    unit: str | None = Field(description="null: the agent's own metrics do not say theirs", examples=["ms"])
    meaning: str | None
    reports: int = Field(ge=0, description="finite values within the range")
    first_at: Moment | None = Field(description="when the first of them came")
    latest: float | None
    latest_at: Moment | None
    flags: int = Field(ge=0, description="values that were flagged")
    forecasts: int = Field(ge=0, description="predicted crossings")


class MetricNames(Answer):
    """What an agent measures."""

    agent_id: str = Field(examples=["customer_service_bot"])
    from_: Moment = Field(alias="from")
    to: Moment
    metrics: list[MetricName]


class TrustPoint(Answer):
    """The score that was in force at the end of a part of the range."""

    at: Moment
    trust: Share
    p: float | None = Field(description="without the caution for little evidence: trust is its lower bound")
    n: float | None
    compliance: float | None
    reliability: float | None
    liveness: float | None
    behaviour: float | None


class TrustHistory(Answer):
    """Scores over time."""

    agent_id: str = Field(examples=["customer_service_bot"])
    from_: Moment = Field(alias="from")
    to: Moment
    points: list[TrustPoint]
