"""The payloads of `/api/agents/*`, as the sources write them: heartbeat, metrics, violation, log line."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field

from producers.gateway.event import Event
from producers.gateway.payload.base import (
    MOST_ENTRIES,
    Claims,
    Count,
    Facts,
    Finite,
    Id,
    Payload,
    Short,
    Text,
    given,
    micros,
)

Level = Annotated[
    Literal["debug", "info", "warn", "error", "critical"],
    BeforeValidator(lambda value: "warn" if value == "warning" else value),
]


class Memory(Payload):
    """Bytes."""

    used: Count | None = None
    total: Count | None = None


class Cpu(Payload):
    """`usage` in percent."""

    usage: Finite | None = None
    cores: Count | None = None


class SystemInfo(Payload):
    """What the agent runs on."""

    platform: Short | None = None
    host: Short | None = None
    runtime_version: Annotated[
        Short | None, Field(validation_alias=AliasChoices("runtime_version", "runtimeVersion", "nodeVersion"))
    ] = None
    memory: Memory = Memory()
    cpu: Cpu = Cpu()


class GovernanceStatus(Payload):
    """How the agent is governed, as it says itself."""

    enabled: bool | None = None
    policies_loaded: Count | None = None
    last_policy_update: datetime | None = None
    trust_score: Annotated[Finite, Field(ge=0, le=1)] | None = None


class Heartbeat(Claims):
    """An agent says that it is alive. `uptime` in seconds; `interval` seconds to its next beat."""

    status: Literal["healthy", "degraded", "failed", "stopping"] = "healthy"
    version: Short = "unknown"
    uptime: Finite = 0.0
    last_activity: datetime | None = None
    progress: Count | None = None
    interval: Annotated[Finite, Field(gt=0)] | None = None
    next_beat_by: datetime | None = None
    host: Short | None = None
    system_info: SystemInfo = SystemInfo()
    governance_status: GovernanceStatus = GovernanceStatus()

    def event(self, agent_id: str | None) -> Event:
        """The event; `agent_id` where the payload names none."""
        system, governance = self.system_info, self.governance_status
        fields = given(
            status=self.status,
            version=self.version,
            uptime_s=self.uptime,
            last_activity=micros(self.last_activity),
            progress=self.progress,
            interval_s=self.interval,
            next_beat_by=micros(self.next_beat_by),
            host=self.host or system.host,
            platform=system.platform,
            runtime_version=system.runtime_version,
            memory_used_bytes=system.memory.used,
            memory_total_bytes=system.memory.total,
            cpu_usage=system.cpu.usage,
            cpu_cores=system.cpu.cores,
            governance_enabled=governance.enabled,
            policies_loaded=governance.policies_loaded,
            last_policy_update=micros(governance.last_policy_update),
            trust_score=governance.trust_score,
        )
        return _event(self, "fleet.heartbeats", fields, agent_id)


class GovernanceMetrics(Payload):
    """`trust_score` and `compliance_rate` 0 to 1."""

    trust_score: Finite | None = None
    compliance_rate: Finite | None = None
    violation_count: Finite | None = None
    policy_checks: Finite | None = None
    policy_violations: Annotated[list[Short], Field(max_length=MOST_ENTRIES)] | None = None


class PerformanceMetrics(Payload):
    """`response_time` ms, `throughput` 1/s, `error_rate` 0 to 1, `uptime` s."""

    response_time: Finite | None = None
    throughput: Finite | None = None
    error_rate: Finite | None = None
    uptime: Finite | None = None


class SystemMetrics(Payload):
    """Percent; `network_io` bytes/s."""

    cpu_usage: Finite | None = None
    memory_usage: Finite | None = None
    disk_usage: Finite | None = None
    network_io: Finite | None = None


class BusinessMetrics(Payload):
    """`success_rate` in percent."""

    request_count: Finite | None = None
    user_interactions: Finite | None = None
    success_rate: Finite | None = None
    revenue: Finite | None = None


class Metrics(Claims, GovernanceMetrics, PerformanceMetrics, SystemMetrics, BusinessMetrics):
    """The four families, and metrics of the agent's own in `custom`.

    Names of the families are taken without their family, too, as a line of a batch has them; what a family says wins.
    """

    governance_metrics: GovernanceMetrics = GovernanceMetrics()
    performance_metrics: PerformanceMetrics = PerformanceMetrics()
    system_metrics: SystemMetrics = SystemMetrics()
    business_metrics: BusinessMetrics = BusinessMetrics()
    custom: Annotated[dict[Short, Finite], Field(max_length=MOST_ENTRIES)] | None = None

    def event(self, agent_id: str | None) -> Event:
        """The event; `agent_id` where the payload names none."""
        families = (self.governance_metrics, self.performance_metrics, self.system_metrics, self.business_metrics)
        fields = given(**{name: getattr(self, name) for name in _METRICS})
        fields |= {name: value for family in families for name, value in family if value is not None}
        return _event(self, "fleet.metrics", fields | given(custom=self.custom), agent_id)


_METRICS = tuple(Metrics.model_fields.keys() - Claims.model_fields.keys() - {"custom"} - {
    name for name in Metrics.model_fields if name.endswith("_metrics")
})  # fmt: skip


class Violation(Claims):
    """A policy was violated, or that was prevented. Texts are redacted by who sends them."""

    type: Short = "policy_violation"
    policy_id: Id
    policy_name: Short | None = None
    severity: Literal["low", "medium", "high", "critical"] = "medium"
    description: Text = ""
    action: Literal["blocked", "redacted", "flagged"] = "flagged"
    context: Facts | None = None
    remediation_suggested: Text | None = None
    run_id: Id | None = None

    def event(self, agent_id: str | None) -> Event:
        """The event; `agent_id` where the payload names none."""
        fields = given(
            type=self.type,
            policy_id=self.policy_id,
            policy_name=self.policy_name if self.policy_name is not None else self.policy_id,
            severity=self.severity,
            description=self.description,
            action=self.action,
            context=self.context,
            remediation_suggested=self.remediation_suggested,
            run_id=self.run_id,
        )
        return _event(self, "fleet.violations", fields, agent_id)


class LogLine(Claims):
    """A structured log line. The message is redacted by who sends it."""

    level: Level = "info"
    category: Literal["governance", "performance", "system", "business", "security"] = "system"
    source: Short = "agent"
    message: Text
    metadata: Annotated[
        Facts | None, Field(validation_alias=AliasChoices("log_metadata", "logMetadata", "metadata"))
    ] = None
    run_id: Id | None = None

    def event(self, agent_id: str | None) -> Event:
        """The event; `agent_id` where the payload names none."""
        fields = given(
            level=self.level,
            category=self.category,
            source=self.source,
            message=self.message,
            metadata=self.metadata,
            run_id=self.run_id,
        )
        return _event(self, "fleet.logs", fields, agent_id)


def _event(claims: Claims, topic: str, fields: dict[str, Any], agent_id: str | None) -> Event:
    return Event(
        topic,
        claims.agent_id if claims.agent_id is not None else agent_id,
        fields,
        micros(claims.timestamp),
        claims.user_id,
        claims.deployment_id,
    )
