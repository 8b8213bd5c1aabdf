"""What a pack may say. Strict: a field that nobody knows is an error, not a comment."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from streams.rules.sections import Correlation, Flapping, Inhibit, Maintenance, Route
from streams.rules.values import RANK, Duration, Number, Patterns, Severity, Share, Strict, Template

_MATCHED = frozenset({"user_id", "deployment_id", "agent_id", "host", "gateway"})
Limits = tuple[tuple[Severity, float], ...]
"""(severity, limit), the gravest first."""


class RuleBase(Strict):
    """What every rule has. `for_s`: its condition must have been true so long, in event time."""

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


class Limited(RuleBase):
    """A rule with limits: one `above` or `below`, or several as `levels`; it ends only beyond `clear`."""

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
    """An agent of which `topic` had events before has had none for `after_s`."""

    kind: Literal["absence"]
    topic: Literal["fleet.metrics", "fleet.heartbeats", "fleet.violations", "fleet.lifecycle", "fleet.hosts"] = (
        "fleet.metrics"
    )
    after_s: Duration = Field(alias="after", gt=0)


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
        if self.side > 0:
            raise ValueError("trust is judged below limits")
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


class BudgetRule(RuleBase):
    """What a metric sums up to within `window_s` against `limit`, by agent, deployment, tenant or fleet; `burn`: share
    of the limit by severity."""

    kind: Literal["budget"]
    metric: str = Field(min_length=1)
    of: Literal["agent", "deployment", "tenant", "fleet"] = "deployment"
    limit: float = Field(gt=0, allow_inf_nan=False)
    window_s: Duration = Field(alias="window", gt=0)
    burn: dict[Severity, float] = Field(default={"warning": 0.8, "critical": 1.0}, min_length=1)


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

    @field_validator("rules")
    @classmethod
    def _different_names(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        names = [rule.name for rule in rules]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two rules are called {', '.join(sorted(twice))}")
        return rules

    @property
    def fleet_rules(self) -> tuple[FleetRule, ...]:
        """Those that the alert manager judges by summaries."""
        return tuple(rule for rule in self.rules if isinstance(rule, FleetRule))

    @property
    def budget_rules(self) -> tuple[BudgetRule, ...]:
        """Rolling budgets."""
        return tuple(rule for rule in self.rules if isinstance(rule, BudgetRule))
