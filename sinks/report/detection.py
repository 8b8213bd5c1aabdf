"""Which incidents were found, how late, and which alerts nothing explains.

Compares the ground truth with rows of the lake's `alerts` and `status` tables. It shares nothing with the detectors: it
knows the names of their alerts and nothing of how they come to them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import duckdb

from sinks.report.delivery import OWN_AGENTS
from sinks.report.truth import GroundTruth, Incident

DEFAULT_GRACE_S = 15.0
ABSENCE_ALERTS = frozenset({"agent_late", "agent_offline"})
"""Alerts whose event is that nothing came."""
_NO_END_US = 1 << 62


@dataclass(frozen=True, slots=True)
class Evidence:
    """What would show that an incident of a kind was found: names of alerts, or values of a status."""

    alerts: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    alert_expected: bool = True


EVIDENCE: Mapping[str, Evidence] = {
    "trust_collapse": Evidence(frozenset({"trust_low"})),
    "metric_anomaly": Evidence(frozenset({"metric_anomaly"})),
    "crash": Evidence(frozenset({"agent_offline"})),
    "late_beats": Evidence(ABSENCE_ALERTS, frozenset({"late", "offline"})),
    "lossy_network": Evidence(frozenset(), frozenset({"late", "offline", "degraded"}), alert_expected=False),
    **{
        kind: Evidence(frozenset({kind}))
        for kind in (
            "stuck_tool",
            "orphan_tool_completed",
            "stale_thread",
            "missing_agent_started",
            "high_latency",
            "tool_loop",
        )
    },
}
"""What counts as finding each kind; a kind that is not here is found by an alert of its own name."""

SIDE_EFFECTS: Mapping[str, frozenset[str]] = {
    "trust_collapse": frozenset({"metric_anomaly"}),
    "crash": ABSENCE_ALERTS | {"stuck_tool", "stale_thread"},
    "late_beats": ABSENCE_ALERTS,
    "lossy_network": ABSENCE_ALERTS,
    "stuck_tool": frozenset({"stale_thread", "high_latency"}),
}
"""Alerts that follow from an incident of a kind without being about it: explained, but no finding of it."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One firing of an alert, by the Kafka timestamp of its first row, micros."""

    name: str
    agent_id: str
    at_us: int
    metric: str | None


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One row of the status table, by its Kafka timestamp, micros."""

    status: str
    agent_id: str
    at_us: int


def read_firings(connection: duckdb.DuckDBPyConnection) -> list[Firing]:
    """Every firing once (fingerprint and epoch), oldest first."""
    rows = connection.execute(
        """SELECT any_value(name), any_value(agent_id), min(epoch_us(kafka_timestamp)) AS at_us,
          arg_min(labels, kafka_offset), arg_min(evidence, kafka_offset)
        FROM alerts WHERE state = 'firing' GROUP BY fingerprint, epoch ORDER BY at_us"""
    ).fetchall()
    return [Firing(row[0], row[1], row[2], _named(row[3], "metric") or _named(row[4], "metric")) for row in rows]


def _named(values: Iterable[Mapping[str, str]] | None, name: str) -> str | None:
    return next((label["value"] for label in values or () if label["name"] == name), None)


def read_status_changes(connection: duckdb.DuckDBPyConnection) -> list[StatusChange]:
    """Every status row that is not `online`, oldest first."""
    rows = connection.execute(
        """SELECT status, agent_id, epoch_us(kafka_timestamp) FROM status
        WHERE status <> 'online' ORDER BY kafka_timestamp"""
    ).fetchall()
    return [StatusChange(*row) for row in rows]


def _evidence_of(kind: str) -> Evidence:
    return EVIDENCE.get(kind) or Evidence(frozenset({kind}))


def _within(incident: Incident, at_us: int, grace_us: int) -> bool:
    end_us = _NO_END_US if incident.ended_at_us is None else incident.ended_at_us + grace_us
    return incident.started_at_us <= at_us <= end_us


def _metric_fits(incident: Incident, firing: Firing) -> bool:
    wanted = incident.detail.get("metric")
    return incident.kind != "metric_anomaly" or wanted is None or firing.metric == wanted


class Detections:
    """Firings and status changes, asked by incident and by alert. Times in micros, `grace_s` in seconds."""

    def __init__(
        self,
        truths: Iterable[GroundTruth],
        firings: Iterable[Firing],
        changes: Iterable[StatusChange],
        grace_s: float = DEFAULT_GRACE_S,
    ) -> None:
        self._truths = list(truths)
        self._firings = list(firings)
        self._grace_us = round(grace_s * 1e6)
        self._firings_of: defaultdict[str, list[Firing]] = defaultdict(list)
        self._changes_of: defaultdict[str, list[StatusChange]] = defaultdict(list)
        self._incidents_of: defaultdict[str, list[Incident]] = defaultdict(list)
        for firing in self._firings:
            self._firings_of[firing.agent_id].append(firing)
        for change in changes:
            self._changes_of[change.agent_id].append(change)
        for incident in self.incidents:
            self._incidents_of[incident.agent_id].append(incident)
        ends = [truth.ended_at_us for truth in self._truths if truth.ended_at_us is not None]
        self._ended_at_us = max(ends) if ends and len(ends) == len(self._truths) else _NO_END_US

    @property
    def incidents(self) -> list[Incident]:
        """Those of all truths."""
        return [incident for truth in self._truths for incident in truth.incidents]

    def found_at_us(self, incident: Incident) -> int | None:
        """When the first evidence of an incident came; None when it was missed."""
        evidence = _evidence_of(incident.kind)
        alerts = (
            firing.at_us
            for firing in self._firings_of[incident.agent_id]
            if firing.name in evidence.alerts and _metric_fits(incident, firing)
        )
        statuses = (c.at_us for c in self._changes_of[incident.agent_id] if c.status in evidence.statuses)
        times = [at_us for at_us in (*alerts, *statuses) if _within(incident, at_us, self._grace_us)]
        return min(times, default=None)

    def explained(self, firing: Firing) -> bool:
        """Whether an incident of the agent, or the end of the simulation, accounts for a firing."""
        if firing.name in ABSENCE_ALERTS and firing.at_us >= self._ended_at_us:
            return True
        return any(
            _within(incident, firing.at_us, self._grace_us)
            and (
                (firing.name in _evidence_of(incident.kind).alerts and _metric_fits(incident, firing))
                or firing.name in SIDE_EFFECTS.get(incident.kind, ())
            )
            for incident in self._incidents_of[firing.agent_id]
        )

    def by_kind(self) -> dict[str, dict[str, Any]]:
        """`incidents.<kind>` of the report: injected, found, delay_p50_s, delay_max_s, missed, alert_expected."""
        kinds: defaultdict[str, list[Incident]] = defaultdict(list)
        for incident in self.incidents:
            kinds[incident.kind].append(incident)
        return {kind: self._kind(kind, incidents) for kind, incidents in sorted(kinds.items())}

    def _kind(self, kind: str, incidents: list[Incident]) -> dict[str, Any]:
        found = [(incident, self.found_at_us(incident)) for incident in incidents]
        delays_s = [(at_us - incident.started_at_us) / 1e6 for incident, at_us in found if at_us is not None]
        return {
            "injected": len(incidents),
            "found": len(delays_s),
            "delay_p50_s": round(median(delays_s), 3) if delays_s else None,
            "delay_max_s": round(max(delays_s), 3) if delays_s else None,
            "alert_expected": _evidence_of(kind).alert_expected,
            "missed": [
                {
                    "agent_id": i.agent_id,
                    "started_at_us": i.started_at_us,
                    "ended_at_us": i.ended_at_us,
                    "detail": i.detail,
                }
                for i, at_us in found
                if at_us is None
            ],
        }

    def false_alarms(self) -> Counter[str]:
        """Firings that nothing explains, by name, of agents that the truth covers."""
        return Counter(f.name for f in self._firings if self._covered(f.agent_id) and not self.explained(f))

    def outside_truth(self) -> Counter[str]:
        """Firings of agents of which no truth knows anything, by name: neither right nor wrong."""
        return Counter(f.name for f in self._firings if not self._covered(f.agent_id))

    def share_found(self) -> float | None:
        """Incidents found of all that there were, 0 to 1; None when there were none."""
        incidents = self.incidents
        found = sum(self.found_at_us(incident) is not None for incident in incidents)
        return found / len(incidents) if incidents else None

    def false_alarms_per_hour(self, seconds: float) -> float | None:
        """False alarms an hour on 1,000 agents in a run of `seconds`; None when no truth names its agents."""
        agents = sum(len(truth.agents or ()) for truth in self._truths)
        if not agents or seconds <= 0:
            return None
        return self.false_alarms().total() * (3_600 / seconds) * (1_000 / agents)

    def _covered(self, agent_id: str) -> bool:
        if agent_id.startswith(OWN_AGENTS):
            return False
        return not self._truths or any(truth.covers(agent_id) for truth in self._truths)
