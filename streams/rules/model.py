"""What a pack may say. Strict: a field that nobody knows is an error, not a comment."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from streams.rules.budgets import STEPS
from streams.rules.sections import Correlation, Flapping, Inhibit, Maintenance, Route, Watchdog
from streams.rules.values import RANK, Duration, Number, Patterns, Severity, Share, Strict, Template

_MATCHED = frozenset({"user_id", "deployment_id", "agent_id", "host", "gateway"})
Limits = tuple[tuple[Severity, float], ...]
"""(severity, limit), the gravest first."""


class RuleBase(Strict):
    """What every rule has. `for_s`: its condition must have been true so long, in event time. `GRADED`: the field that,
    where it is given, has severities of its own."""

    GRADED: ClassVar[str] = ""
    name: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z_][A-Za-z0-9_.:-]*$")
    severity: Severity = "warning"
    for_s: Duration = Field(default=0.0, alias="for")
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, Template] = Field(default_factory=dict)
    match: Patterns = Field(default_factory=dict)

    @field_validator("match")
    @classmethod
    def _of_an_agent(cls, match: Patterns) -> Patterns:
        if unknown := set(match) - _MATCHED:
            raise ValueError(f"a rule matches {', '.join(sorted(_MATCHED))}, not {', '.join(sorted(unknown))}")
        return match

    @property
    def _is_graded(self) -> bool:
        return bool(self.GRADED) and getattr(self, self.GRADED) is not None

    @model_validator(mode="after")
    def _one_say_on_severity(self) -> Self:
        if self._is_graded and "severity" in self.model_fields_set:
            raise ValueError(f"severity beside {self.GRADED} says nothing: each limit in it has its own")
        return self

    @model_serializer(mode="wrap")
    def _as_it_may_be_given(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = write(self)
        if self._is_graded:
            found.pop("severity", None)
        return found


class Limited(RuleBase):
    """A rule with limits: one `above` or `below`, or several as `levels`; it ends only beyond `clear`."""

    GRADED = "levels"
    above: Number | None = None
    below: Number | None = None
    levels: dict[Severity, Number] | None = Field(default=None, min_length=1)
    clear: Number | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if sum(given is not None for given in (self.above, self.below, self.levels)) != 1:
            raise ValueError("a rule has exactly one of above, below and levels")
        limits = [limit for _, limit in self.limits]
        if limits != sorted(limits, reverse=self.side > 0):
            raise ValueError("levels must become stricter from info over warning to critical")
        if self.clear is not None and self.side * (self.clear - limits[-1]) > 0:
            raise ValueError("clear lies on the good side of the limits")
        return self

    def _judge_share(self, what: str) -> None:
        """Raises `ValueError` for limits of what goes from 0 to 1 that would hold always or never."""
        if self.side > 0:
            raise ValueError(f"{what} is judged below limits: write below, or levels from warning down to critical")
        if not all(0 < limit <= 1 for limit in (*(limit for _, limit in self.limits), self.clear_at)):
            raise ValueError(f"{what} is a share from 0 to 1: write 0.9, not 90")

    @property
    def side(self) -> int:
        """1: true above its limits; -1: below."""
        if self.levels is not None:
            limits = [limit for _, limit in self.limits]
            return -1 if limits[0] < limits[-1] else 1
        return 1 if self.above is not None else -1

    @property
    def limits(self) -> Limits:
        """Limits, the gravest first."""
        if self.levels is not None:
            return tuple(sorted(self.levels.items(), key=lambda level: -RANK[level[0]]))
        limit = self.above if self.above is not None else self.below
        assert limit is not None
        return ((self.severity, limit),)

    @property
    def clear_at(self) -> float:
        """The value that ends it, or better."""
        return self.limits[-1][1] if self.clear is None else self.clear


class ThresholdRule(Limited):
    """A value beyond a limit."""

    kind: Literal["threshold"]
    of: Literal["agents", "hosts", "any"] = "agents"
    metric: str = Field(min_length=1)


class RateRule(Limited):
    """A metric that changes by more than the limit per `per_s`, over about `window_s`."""

    kind: Literal["rate"]
    of: Literal["agents", "hosts", "any"] = "agents"
    metric: str = Field(min_length=1)
    per_s: Duration = Field(default=60.0, alias="per", gt=0)
    window_s: Duration = Field(default=300.0, alias="window", gt=0)


class AbsenceRule(RuleBase):
    """An agent of which `topic` had events before has had none for `after_s`; with `metric`, a name or a pattern: none
    that said this metric, while the agent still beats. An agent that stopped on purpose is not missed."""

    kind: Literal["absence"]
    topic: Literal["fleet.metrics", "fleet.heartbeats", "fleet.violations", "fleet.lifecycle", "fleet.hosts"] = (
        "fleet.metrics"
    )
    metric: str | None = Field(default=None, min_length=1)
    after_s: Duration = Field(alias="after", gt=0)

    @model_validator(mode="after")
    def _has_metrics(self) -> Self:
        if self.metric is not None and self.topic not in {"fleet.metrics", "fleet.hosts"}:
            raise ValueError(f"{self.topic} has no metrics: topic is fleet.metrics or fleet.hosts")
        return self


class AnomalyRule(RuleBase):
    """A flag of a metric with enough confidence, or with trend terms that sum up to `trend`; over after `quiet_s`."""

    kind: Literal["anomaly"]
    metric: str = "*"
    confidence: Share | None = None
    trend: Number | None = None
    quiet_s: Duration = Field(default=120.0, alias="quiet", gt=0)

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.confidence is None) == (self.trend is None):
            raise ValueError("an anomaly rule has either confidence or trend")
        return self


class ForecastRule(RuleBase):
    """A forecast of `metric` with at least this probability; `of` threshold crossings or leaks."""

    kind: Literal["forecast"]
    of: Literal["threshold", "leak"] = "threshold"
    metric: str = "*"
    confidence: Share = 0.8
    horizon_s: Duration | None = Field(default=None, alias="horizon")
    limit: Number | None = None
    quiet_s: Duration = Field(default=600.0, alias="quiet", gt=0)


class TrustRule(Limited):
    """Trust of an agent. `margin`: the expected probability, too, is below the limit plus this, so that an agent of
    which little is known does not fire by its wide interval alone."""

    kind: Literal["trust"]
    margin: Share = 0.05

    @model_validator(mode="after")
    def _low(self) -> Self:
        self._judge_share("trust")
        return self


class StatusRule(RuleBase):
    """An agent is late, offline, degraded, or said that it failed."""

    kind: Literal["status"]
    status: Literal["late", "offline", "degraded", "failed"]


class SilentRule(RuleBase):
    """One of the six silent failures, or a claim of health that events refute; over after `quiet_s` without another."""

    kind: Literal["silent"]
    failure: Literal[
        "orphan_tool_completed",
        "stuck_tool",
        "stale_thread",
        "missing_agent_started",
        "high_latency",
        "tool_loop",
        "health_mismatch",
    ]
    quiet_s: Duration = Field(default=120.0, alias="quiet", gt=0)


class FleetRule(Limited):
    """Groups of agents, judged by the alert manager. `measure`: share of agents online (0 to 1), mean trust (0 to 1),
    violations in the last hour (count); of groups with at least `least` agents."""

    kind: Literal["fleet"]
    measure: Literal["online_share", "mean_trust", "violations_per_hour"]
    of: Literal["fleet", "tenant", "deployment", "host", "gateway"] = "fleet"
    least: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _low(self) -> Self:
        if self.measure != "violations_per_hour":
            self._judge_share(self.measure)
        return self


AMOUNTS = (
    "revenue", "request_count", "user_interactions", "violation_count", "policy_checks", "failed_requests",
    "violations", "completed", "failures",
)  # fmt: skip
"""What budgets can add up beside custom metrics: amounts since an agent's last report, failed requests (from
error_rate or success_rate and request_count), events of fleet.violations, and steps of fleet.lifecycle that completed,
or failed."""
CUSTOM = "custom:"
RATE = "per_second"
"""Of a counter `custom:NAME` the rate is `custom:NAME.per_second`."""


class BudgetRule(RuleBase):
    """What amounts sum up to within `window_s` against `limit`, by agent, deployment, tenant or fleet; `burn`: share
    of the limit by severity. With `per` the limit is a share: of the sum of `metric` in that of `per`, once that has
    reached `least`."""

    GRADED = "burn"
    kind: Literal["budget"]
    metric: str
    per: str | None = None
    least: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    of: Literal["agent", "deployment", "tenant", "fleet"] = "deployment"
    limit: float = Field(gt=0, allow_inf_nan=False)
    window_s: Duration = Field(alias="window", ge=60.0, le=366 * 86_400.0)
    burn: dict[Severity, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default={"warning": 0.8, "critical": 1.0}, min_length=1
    )

    @field_validator("metric", "per")
    @classmethod
    def _adds_up(cls, name: str | None) -> str | None:
        if name is None or name in AMOUNTS or (name.startswith(CUSTOM) and len(name) > len(CUSTOM)):
            return name
        raise ValueError(f"{name!r} does not add up: write custom:NAME, or {', '.join(AMOUNTS)}")

    @model_validator(mode="after")
    def _graver_later(self) -> Self:
        shares = [share for _, share in sorted(self.burn.items(), key=lambda item: RANK[item[0]])]
        if shares != sorted(shares):
            raise ValueError("burn must grow from info over warning to critical")
        return self

    @property
    def step_s(self) -> float:
        """What is forgotten at once as the window rolls on."""
        return self.window_s / STEPS

    @property
    def limits(self) -> Limits:
        """Sums at which it fires, the gravest first."""
        burn = sorted(self.burn.items(), key=lambda level: -RANK[level[0]])
        return tuple((severity, share * self.limit) for severity, share in burn)


Rule = Annotated[
    ThresholdRule
    | RateRule
    | AbsenceRule
    | AnomalyRule
    | ForecastRule
    | TrustRule
    | StatusRule
    | SilentRule
    | FleetRule
    | BudgetRule,
    Field(discriminator="kind"),
]


class Pack(Strict):
    """Rules for the stream workers (and, of kinds fleet and budget, the alert manager) and the manager's sections."""

    version: Literal[1]
    rules: tuple[Rule, ...] = ()
    inhibit: tuple[Inhibit, ...] = ()
    routes: tuple[Route, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    correlation: Correlation = Correlation()
    flapping: Flapping = Flapping()
    watchdog: Watchdog | None = None

    @cached_property
    def fleet_rules(self) -> tuple[FleetRule, ...]:
        """Those that the alert manager judges by summaries."""
        return tuple(rule for rule in self.rules if isinstance(rule, FleetRule))

    @cached_property
    def budget_rules(self) -> tuple[BudgetRule, ...]:
        """Rolling budgets."""
        return tuple(rule for rule in self.rules if isinstance(rule, BudgetRule))
