"""The topics: what each carries, how it is keyed, how many partitions, how long it is kept.

The broker never creates a topic by itself (Tansu would give it 4 partitions, Kafka its default):
`fleetpulse topics create` and every start of ours create them from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

DAY_S = 86_400


@dataclass(frozen=True)
class Topic:
    """One topic of the catalogue.

    `schema` is the name of the `.avsc` file; `table` the name in the lake. `compacted` keeps the latest record of a
    key for ever; otherwise records are kept for `retention_s`. `derived` topics are written by `written_by`, never by
    who reports; the others by producers. `lake_retention_s` is how long the lake keeps the table's raw rows.
    `partitions` is None for as many as the settings say.
    """

    name: str
    schema: str
    table: str
    summary: str
    retention_s: int
    lake_retention_s: int
    key: str = "agent_id"
    compacted: bool = False
    derived: bool = False
    partitions: int | None = None
    written_by: str = "streams"


_TOPICS = (
    Topic("fleet.heartbeats", "heartbeat", "heartbeats", "agents say that they are alive", 2 * DAY_S, 7 * DAY_S),
    Topic(
        "fleet.metrics",
        "metrics",
        "metrics",
        "the four metric families of agents, and custom metrics",
        2 * DAY_S,
        90 * DAY_S,
    ),
    Topic("fleet.violations", "violation", "violations", "policy violations with context", 7 * DAY_S, 365 * DAY_S),
    Topic("fleet.logs", "log", "logs", "structured logs of agents", 2 * DAY_S, 30 * DAY_S),
    Topic("fleet.runs", "run", "runs", "runs, steps and failures", 2 * DAY_S, 90 * DAY_S),
    Topic(
        "fleet.lifecycle",
        "lifecycle",
        "lifecycle",
        "steps of an agent's turn: started, thinking, tools, completed",
        2 * DAY_S,
        30 * DAY_S,
    ),
    Topic("fleet.hosts", "host", "hosts", "host probes", 2 * DAY_S, 90 * DAY_S, key="host"),
    Topic(
        "fleet.trust",
        "trust",
        "trust",
        "rolling trust of every agent",
        2 * DAY_S,
        90 * DAY_S,
        compacted=True,
        derived=True,
    ),
    Topic(
        "fleet.anomalies",
        "anomaly",
        "anomalies",
        "flagged metric values with their explanation",
        7 * DAY_S,
        90 * DAY_S,
        derived=True,
    ),
    Topic(
        "fleet.status",
        "status",
        "status",
        "online, late, offline, degraded",
        2 * DAY_S,
        90 * DAY_S,
        compacted=True,
        derived=True,
    ),
    Topic(
        "fleet.forecasts", "forecast", "forecasts", "predicted threshold crossings", 2 * DAY_S, 30 * DAY_S, derived=True
    ),
    Topic(
        "fleet.signals",
        "signal",
        "signals",
        "what rules found, how partitions stand, what people command: the alert manager's only input",
        7 * DAY_S,
        30 * DAY_S,
        derived=True,
        # One order for all that the alert manager decides on, and one manager at a time.
        partitions=1,
    ),
    Topic("fleet.alerts", "alert", "alerts", "the life of alerts", 7 * DAY_S, 365 * DAY_S, derived=True),
    Topic(
        "fleet.deliveries",
        "delivery",
        "deliveries",
        "every attempt to tell somebody of an alert",
        7 * DAY_S,
        365 * DAY_S,
        derived=True,
    ),
    Topic(
        "fleet.deadletter",
        "deadletter",
        "deadletter",
        "what could not be decoded or accepted",
        14 * DAY_S,
        90 * DAY_S,
        derived=True,
    ),
    Topic(
        "fleet.audit",
        "audit",
        "audit",
        "who was refused at the doors, and who changed or asked what",
        7 * DAY_S,
        365 * DAY_S,
        derived=True,
        written_by="gateway, API and `fleetpulse keys`",
    ),
)

TOPICS: MappingProxyType[str, Topic] = MappingProxyType({topic.name: topic for topic in _TOPICS})
"""Every topic by name."""

TABLES: MappingProxyType[str, Topic] = MappingProxyType({topic.table: topic for topic in _TOPICS})
"""Every topic by its table in the lake."""

STREAMS_CHANGELOG = "fleetpulse-streams-state-changelog"
"""Where the stream workers keep their state: compacted, partitioned like the event topics. Nobody else reads it."""

ALERTS_CHANGELOG = "fleetpulse-alerts-state-changelog"
"""Where the alert manager keeps its state: compacted, one partition. Nobody else reads it."""

ACCESS_KEYS = "fleetpulse-access-keys"
"""Where the keys of the doors are kept: compacted, one partition. `fleetpulse keys` writes, gateways and APIs read."""

ACCESS_ENDED = "fleetpulse-access-ended"
"""The ends of keys, once more: not compacted and kept for ever, one partition: nobody who writes takes one back."""

ACCESS_SESSIONS = "fleetpulse-access-sessions"
"""Sessions of browsers that begin and end: kept for a day, one partition. APIs write and read it."""

SAVED_VIEWS = "fleetpulse-saved-views"
"""Where people's saved views are kept: compacted, one partition. APIs write and read it."""

STREAM_SOURCES: tuple[str, ...] = (
    "fleet.metrics",
    "fleet.heartbeats",
    "fleet.violations",
    "fleet.lifecycle",
    "fleet.hosts",
)
"""Topics that stream workers read; equal partition counts, so that all events of an agent meet in one worker."""

METRIC_FAMILIES: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "governance": ("trust_score", "compliance_rate", "violation_count", "policy_checks"),
        "performance": ("response_time", "throughput", "error_rate", "uptime"),
        "system": ("cpu_usage", "memory_usage", "disk_usage", "network_io"),
        "business": ("request_count", "user_interactions", "success_rate", "revenue"),
    }
)
"""The numeric columns of fleet.metrics by family."""

METRICS: tuple[str, ...] = tuple(name for family in METRIC_FAMILIES.values() for name in family)
"""The sixteen numeric columns of fleet.metrics, in schema order."""

ENVELOPE: tuple[str, ...] = ("event_id", "agent_id", "user_id", "deployment_id", "timestamp", "session_id", "seq")
"""Fields that every event begins with."""
