"""The methods of an agent's author, one per kind of event. Each only builds a dict and queues it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypedDict, Unpack

Status = Literal["healthy", "degraded", "failed"]
Severity = Literal["low", "medium", "high", "critical"]
Level = Literal["debug", "info", "warn", "error", "critical"]
Category = Literal["governance", "performance", "system", "business", "security"]
Outcome = Literal["success", "failure", "cancelled"]


class MetricValues(TypedDict, total=False):
    """What `metrics` takes: the fields of fleet.metrics, units as in its schema."""

    trust_score: float | None
    compliance_rate: float | None
    violation_count: float | None
    policy_checks: float | None
    response_time: float | None
    throughput: float | None
    error_rate: float | None
    uptime: float | None
    cpu_usage: float | None
    memory_usage: float | None
    disk_usage: float | None
    network_io: float | None
    request_count: float | None
    user_interactions: float | None
    success_rate: float | None
    revenue: float | None
    policy_violations: list[str]
    custom: Mapping[str, float]


class EventMethods:
    """Needs `_put(topic, fields)` and `_put_at(topic, fields, timestamp_us)` of who inherits it.

    None of the methods raises or waits: an event that does not fit its schema is dropped and counted by the sender.
    """

    _put: Callable[[str, Mapping[str, Any]], None]
    _put_at: Callable[[str, Mapping[str, Any], int], None]

    def emit(self, topic: str, fields: Mapping[str, Any], *, timestamp_us: int | None = None) -> None:
        """Queue an event of any topic of the catalogue; `fields` as in its schema, without the envelope.

        `timestamp_us`: event time in micros since the epoch; None is now.
        """
        if timestamp_us is None:
            self._put(topic, fields)
        else:
            self._put_at(topic, fields, timestamp_us)

    def heartbeat(self, status: Status = "healthy", **fields: Any) -> None:  # noqa: ANN401  # the schema's fields
        """Say that the agent is alive. Call it from the agent's own loop: a beat that a helper thread sends hides a
        wedged agent.

        Further fields of the schema, for example `progress` (grows only with work done), `next_beat_by` (aware
        datetime or micros: no beat is due before), `cpu_usage` (percent), `policies_loaded`. Version, uptime, host,
        platform, last activity, progress and dropped events are filled in when not given.
        """
        fields["status"] = status
        self._put("fleet.heartbeats", fields)

    def metrics(self, **values: Unpack[MetricValues]) -> None:
        """Report numbers: any of the sixteen names of `schemas.catalogue.METRICS` and the author's own in `custom`.

        Units are the schema's: `response_time` ms, `cpu_usage` percent, `error_rate` 0 to 1, `success_rate` percent.
        """
        if "custom" in values:
            values["custom"] = dict(values["custom"])
        self._put("fleet.metrics", values)

    def violation(
        self,
        policy_id: str,
        description: str,
        *,
        severity: Severity = "medium",
        action: Literal["blocked", "redacted", "flagged"] = "flagged",
        policy_name: str | None = None,
        violation_type: str = "policy_violation",
        context: Mapping[str, str] | None = None,
        remediation_suggested: str | None = None,
        run_id: str | None = None,
    ) -> None:
        """Report that a policy was violated, or that this was prevented. Texts are to be redacted already."""
        self._put(
            "fleet.violations",
            {
                "type": violation_type,
                "policy_id": policy_id,
                "policy_name": policy_name if policy_name is not None else policy_id,
                "severity": severity,
                "description": description,
                "action": action,
                "context": dict(context) if context else [],
                "remediation_suggested": remediation_suggested,
                "run_id": run_id,
            },
        )

    def log(
        self,
        level: Level,
        message: str,
        *,
        category: Category = "system",
        source: str = "agent",
        metadata: Mapping[str, str] | None = None,
        run_id: str | None = None,
    ) -> None:
        """Write a structured log line. The message is to be redacted already."""
        fields = {
            "level": level,
            "category": category,
            "source": source,
            "message": message,
            "metadata": dict(metadata) if metadata else [],
            "run_id": run_id,
        }
        self._put("fleet.logs", fields)

    def run_started(self, run_id: str, *, name: str | None = None, attributes: Mapping[str, str] | None = None) -> None:
        """A run begins."""
        fields = {"kind": "run_started", "run_id": run_id, "name": name, "attributes": dict(attributes or {})}
        self._put("fleet.runs", fields)

    def run_finished(self, run_id: str, status: Outcome = "success", **fields: Any) -> None:  # noqa: ANN401  # the schema's fields
        """A run ends. Further fields: `name`, `started_at`, `ended_at`, `latency_ms`, `attributes`."""
        self._put("fleet.runs", {"kind": "run_finished", "run_id": run_id, "status": status, **fields})

    def step(self, run_id: str, step_id: str, status: Outcome = "success", **fields: Any) -> None:  # noqa: ANN401  # the schema's fields
        """A step of a run is finished. Further fields: `name`, `step_index`, `latency_ms`, `retries`, `attributes`."""
        self._put("fleet.runs", {"kind": "step", "run_id": run_id, "step_id": step_id, "status": status, **fields})

    def failure(
        self,
        run_id: str,
        failure_type: str,
        failure_code: str,
        *,
        message: str | None = None,
        step_id: str | None = None,
    ) -> None:
        """Something in a run failed: its class (tool, model, policy), its code (timeout), a redacted explanation."""
        fields = {
            "kind": "failure",
            "run_id": run_id,
            "step_id": step_id,
            "status": "failure",
            "failure_type": failure_type,
            "failure_code": failure_code,
            "message": message,
        }
        self._put("fleet.runs", fields)

    def agent_started(self, run_id: str, thread_id: str, *, claimed_health: str | None = None) -> None:
        """The agent takes up a turn `run_id` of the conversation `thread_id`."""
        fields = {"kind": "agent_started", "run_id": run_id, "thread_id": thread_id, "claimed_health": claimed_health}
        self._put("fleet.lifecycle", fields)

    def agent_thinking(self, run_id: str, thread_id: str) -> None:
        """The agent waits for its model."""
        self._put("fleet.lifecycle", {"kind": "agent_thinking", "run_id": run_id, "thread_id": thread_id})

    def tool_executing(
        self,
        run_id: str,
        thread_id: str,
        tool: str,
        *,
        tool_call_id: str | None = None,
        arguments_hash: str | None = None,
        deadline_s: float | None = None,
    ) -> None:
        """A tool begins; `deadline_s` is how long it may take, `tool_call_id` joins it with its completion."""
        fields = {
            "kind": "tool_executing",
            "run_id": run_id,
            "thread_id": thread_id,
            "tool": tool,
            "tool_call_id": tool_call_id,
            "arguments_hash": arguments_hash,
            "deadline_s": deadline_s,
        }
        self._put("fleet.lifecycle", fields)

    def tool_completed(
        self,
        run_id: str,
        thread_id: str,
        tool: str,
        status: Literal["success", "failure"] = "success",
        *,
        tool_call_id: str | None = None,
        latency_ms: float | None = None,
    ) -> None:
        """A tool is done."""
        fields = {
            "kind": "tool_completed",
            "run_id": run_id,
            "thread_id": thread_id,
            "tool": tool,
            "status": status,
            "tool_call_id": tool_call_id,
            "latency_ms": latency_ms,
        }
        self._put("fleet.lifecycle", fields)

    def agent_completed(
        self,
        run_id: str,
        thread_id: str,
        status: Literal["success", "failure"] = "success",
        *,
        latency_ms: float | None = None,
        claimed_health: str | None = None,
    ) -> None:
        """The turn is over."""
        fields = {
            "kind": "agent_completed",
            "run_id": run_id,
            "thread_id": thread_id,
            "status": status,
            "latency_ms": latency_ms,
            "claimed_health": claimed_health,
        }
        self._put("fleet.lifecycle", fields)

    def message_sent(self, run_id: str, thread_id: str, *, latency_ms: float | None = None) -> None:
        """A message went to the user of the conversation."""
        fields = {"kind": "message_sent", "run_id": run_id, "thread_id": thread_id, "latency_ms": latency_ms}
        self._put("fleet.lifecycle", fields)
