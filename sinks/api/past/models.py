"""Answers about history, as the OpenAPI document tells them."""

from __future__ import annotations

from pydantic import Field

from sinks.api.models import Answer, Moment

Named = dict[str, str | float | None]


class EventHead(Answer):
    """What every event of the lake says first."""

    timestamp: Moment
    event_id: str = Field(examples=["019aa5f2-6c3e-7d1a-8f00-0242ac120002"])
    agent_id: str = Field(examples=["customer_service_bot"])
    user_id: str = Field(examples=["company_xyz"])
    deployment_id: str | None


class Violation(EventHead):
    """A violation of a policy."""

    type: str = Field(examples=["policy_violation"])
    policy_id: str = Field(examples=["hipaa-compliance"])
    policy_name: str = Field(examples=["HIPAA Compliance"])
    severity: str = Field(examples=["critical"])
    description: str = Field(examples=["Attempted to share patient SSN"])
    action: str = Field(description="what was done", examples=["blocked"])
    context: Named = Field(description="redacted circumstances", examples=[{"rule": "no-personal-info"}])
    remediation_suggested: str | None
    run_id: str | None


class LogLine(EventHead):
    """A log line."""

    level: str = Field(examples=["warn"])
    category: str = Field(examples=["governance"])
    source: str = Field(examples=["wrapper"])
    message: str
    metadata: Named = Field(examples=[{"policyId": "hipaa-compliance"}])
    run_id: str | None


class Forecast(EventHead):
    """A predicted crossing of a threshold."""

    metric: str = Field(examples=["memory_usage"])
    kind: str | None = Field(examples=["leak"])
    horizon_s: float | None
    threshold: float | None
    probability: float | None
    value: float | None
    expected_at: Moment | None
    p_walk: float | None
    p_trend: float | None
    p_exceed: float | None
    slope_per_hour: float | None


class ViolationPage(Answer):
    """A page of violations, the newest first."""

    items: list[Violation]
    next: str | None = Field(description="`cursor` of the next page; null: this was the last")


class LogPage(Answer):
    """A page of log lines, the newest first."""

    items: list[LogLine]
    next: str | None


class ForecastPage(Answer):
    """A page of forecasts, the newest first."""

    items: list[Forecast]
    next: str | None


class MetricSeries(Answer):
    """Of one metric; one value a bucket."""

    mean: list[float | None] = Field(examples=[[45.2, 46.0]])
    min: list[float | None] = Field(examples=[[44.0, 45.1]])
    max: list[float | None] = Field(examples=[[46.7, 47.3]])
    expected: list[float | None] | None = Field(
        default=None, description="with `bands=true`: mean of the values before the bucket; null: too few"
    )
    low: list[float | None] | None = Field(default=None, description="three standard deviations below it")
    high: list[float | None] | None = Field(default=None, description="three standard deviations above it")


class Metrics(Answer):
    """Metrics of an agent in buckets; buckets without a report are left out."""

    agent_id: str = Field(examples=["customer_service_bot"])
    from_: Moment = Field(alias="from")
    to: Moment
    bucket_s: int = Field(ge=1, description="width of a bucket, seconds", examples=[300])
    at: list[Moment] = Field(description="begin of every bucket")
    reports: list[int] = Field(description="reports of every bucket", examples=[[5, 5]])
    series: dict[str, MetricSeries]


class LedgerLine(Answer):
    """What was published, landed, is missing, came twice; of one session or all."""

    agent_id: str
    session_id: str = Field(description="empty: all of them")
    sessions: int
    published: int = Field(description="numbers given up to the last event that landed")
    landed: int
    missing: int
    expired: int = Field(description="landed, and removed since by retention")
    duplicates: int
    double_rows: int
    dropped: int
    dead_letters: int
    closed: bool
    acknowledged: int | None
    not_landed: int | None
    gone: bool = Field(description="ended without a last word; only accounts of producers say so")


class Ledger(Answer):
    """The delivery ledger of an agent."""

    agent_id: str = Field(examples=["customer_service_bot"])
    total: LedgerLine
    sessions: list[LedgerLine]
    missing: dict[str, list[tuple[int, int]]] = Field(description="by session, the first ranges of missing numbers")
    as_of: Moment = Field(description="when the lake was asked")


class Run(Answer):
    """A run of an agent."""

    run_id: str = Field(examples=["run-4711"])
    user_id: str
    agent_id: str
    deployment_id: str | None
    name: str | None
    status: str = Field(description="success, failure, cancelled; running while it goes on", examples=["success"])
    started_at: Moment
    ended_at: Moment | None
    latency_ms: float | None
    steps: int = Field(description="how many")
    failures: int = Field(description="how many")


class RunPage(Answer):
    """A page of runs, the newest first."""

    items: list[Run]
    next: str | None


class Step(Answer):
    """A step of a run."""

    step_id: str | None
    agent_id: str
    name: str | None
    status: str | None
    started_at: Moment | None
    ended_at: Moment | None
    latency_ms: float | None
    step_index: int | None
    retries: int | None
    attributes: Named


class Failure(Answer):
    """A failure in a run."""

    at: Moment
    agent_id: str
    step_id: str | None
    failure_type: str | None = Field(examples=["tool"])
    failure_code: str | None = Field(examples=["timeout"])
    message: str | None
    attributes: Named


class RunDetail(Answer):
    """A run with its steps and failures."""

    run: Run
    steps: list[Step]
    failures: list[Failure]
    attributes: Named = Field(description="of the run itself")


class Point(Answer):
    """A score at a time."""

    at: Moment
    trust: float


class Evidence(Answer):
    """Decayed weights."""

    good: float
    bad: float


class Factor(Answer):
    """A factor of a score."""

    value: float | None = Field(description="its share, 0 to 1; null: no evidence")
    effect: float | None = Field(description="what the trust is multiplied by for it; null: it is the compliance")
    evidence: Evidence | None


class Mover(Answer):
    """An event that moved a score."""

    kind: str = Field(examples=["violation"])
    at: Moment
    delta: float | None = Field(description="how much it changed the trust", examples=[-0.04])
    weight: float
    unit: str
    text: str
    agent_id: str
    event_id: str | None


class Trust(Answer):
    """Why an agent is trusted as it is."""

    agent_id: str = Field(examples=["customer_service_bot"])
    user_id: str
    deployment_id: str | None
    at: Moment
    model: str = Field(examples=["beta"])
    trust: float = Field(ge=0, le=1, description="the score to act on", examples=[0.85])
    p: float
    n: float
    compliant: float
    violating: float
    violations: int
    bound: float | None = Field(description="lower bound of the compliance alone; null for model classic")
    factors: dict[str, Factor]
    trend: list[Point]
    moved: list[Mover] = Field(description="the events that moved it most, within the range")
