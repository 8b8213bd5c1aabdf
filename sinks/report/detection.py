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
GROUP_RULES = frozenset({"outage", "incident"})
"""Kinds of alerts that stand for others."""
FLEET_RULES = frozenset({"fleet", "budget"})
_NO_END_US = 1 << 62
_LEAST_SKEW_S = 30.0
_ABSENCES = frozenset({"crash", "late_beats", "host_outage"})
_AWAY_SHARE = 0.05
"""Half of what `agent_connectivity` asks for: others are late or lossy at the same time."""
_SKEW_SHARE = 0.25
"""By how much of itself a skew may be told wrongly."""


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
    "host_outage": Evidence(frozenset({"outage"})),
    "wedged": Evidence(frozenset({"agent_degraded"})),
    "clock_skew": Evidence(frozenset(), frozenset({"online", "late", "offline", "degraded"}), alert_expected=False),
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
    "metric_anomaly": frozenset({"response_time_high", "response_time_forecast"}),
    "crash": ABSENCE_ALERTS | {"stuck_tool", "stale_thread"},
    "late_beats": ABSENCE_ALERTS,
    "lossy_network": ABSENCE_ALERTS,
    "stuck_tool": frozenset({"stale_thread", "high_latency"}),
    "host_outage": ABSENCE_ALERTS,
}
"""Alerts that follow from an incident of a kind without being about it: explained, but no finding of it."""


@dataclass(frozen=True, slots=True)
class About:
    """What an alert is about: the kind of its rule, its fingerprint, that of the alert that stands for it (`root`), and
    whether anybody was told of it."""

    rule_kind: str | None = None
    fingerprint: str = ""
    root: str | None = None
    told: bool = True


@dataclass(frozen=True, slots=True)
class Firing:
    """One firing of an alert, by the Kafka timestamp of its first row, micros."""

    name: str
    agent_id: str
    at_us: int
    metric: str | None
    about: About = About()


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One row of the status table, by its Kafka timestamp, micros; `clock_skew_s` None: not known."""

    status: str
    agent_id: str
    at_us: int
    clock_skew_s: float | None = None


def read_firings(connection: duckdb.DuckDBPyConnection) -> list[Firing]:
    """Every firing once (fingerprint and epoch), oldest first."""
    rows = connection.execute(
        """SELECT any_value(name), any_value(agent_id), min(epoch_us(kafka_timestamp)) AS at_us,
          arg_min(labels, kafka_offset), arg_min(evidence, kafka_offset),
          any_value(rule_kind), fingerprint, max(correlation_id), bool_or(suppressed_by IS NULL)
        FROM alerts WHERE state = 'firing' GROUP BY fingerprint, epoch ORDER BY at_us"""
    ).fetchall()
    return [
        Firing(row[0], row[1], row[2], _named(row[3], "metric") or _named(row[4], "metric"), About(*row[5:]))
        for row in rows
    ]


def _named(values: Iterable[Mapping[str, str]] | None, name: str) -> str | None:
    return next((label["value"] for label in values or () if label["name"] == name), None)


def read_status_changes(connection: duckdb.DuckDBPyConnection) -> list[StatusChange]:
    """Every status row that is not `online` or tells of a clock that is off, oldest first."""
    rows = connection.execute(
        f"""SELECT status, agent_id, epoch_us(kafka_timestamp), clock_skew_s FROM status
        WHERE status <> 'online' OR abs(clock_skew_s) > {_LEAST_SKEW_S} ORDER BY kafka_timestamp"""  # noqa: S608  # our own number
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


def _follows(incident: Incident, firing: Firing) -> bool:
    """Whether a firing is a side effect; those of a metric that was spoilt are about this very metric."""
    of_metric = incident.kind != "metric_anomaly" or firing.name.startswith(str(incident.detail.get("metric")))
    return of_metric and firing.name in SIDE_EFFECTS.get(incident.kind, ())


def _status_fits(incident: Incident, change: StatusChange) -> bool:
    wanted = incident.detail.get("clock_skew_s")
    if incident.kind != "clock_skew" or wanted is None:
        return True
    return change.clock_skew_s is not None and abs(change.clock_skew_s - wanted) <= _SKEW_SHARE * abs(wanted)


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
            for agent_id in incident.everyone:
                self._incidents_of[agent_id].append(incident)
        self._incidents_at = {incident.agent_id for incident in self.incidents}
        self._members_of: defaultdict[str, list[Firing]] = defaultdict(list)
        for firing in self._firings:
            if firing.about.root is not None:
                self._members_of[firing.about.root].append(firing)
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
        statuses = (
            change.at_us
            for change in self._changes_of[incident.agent_id]
            if change.status in evidence.statuses and _status_fits(incident, change)
        )
        times = [at_us for at_us in (*alerts, *statuses) if _within(incident, at_us, self._grace_us)]
        return min(times, default=None)

    def explained(self, firing: Firing) -> bool:
        """Whether an incident of the agent, the end of the simulation, or its being held up accounts for a firing.

        One that stands for others is explained when all of them are, and there are some; one about the whole fleet when
        as many agents were really away as its rule asks for.
        """
        if firing.at_us >= self._ended_at_us and (
            firing.name in ABSENCE_ALERTS or firing.about.rule_kind in GROUP_RULES | FLEET_RULES
        ):
            return True
        if firing.name in ABSENCE_ALERTS and self._held_up(firing):
            return True
        if self._explained_by_incident(firing):
            return True
        if firing.about.rule_kind in GROUP_RULES:
            members = [m for m in self._members_of[firing.about.fingerprint] if m is not firing]
            return bool(members) and all(map(self.explained, members))
        return firing.name == "agent_connectivity" and self._share_away(firing.at_us) >= _AWAY_SHARE

    def _held_up(self, firing: Firing) -> bool:
        """Whether the simulator itself could not send the beats of its agents in time."""
        return any(
            begin_us <= firing.at_us <= end_us + self._grace_us
            for truth in self._truths
            if truth.covers(firing.agent_id)
            for begin_us, end_us in truth.held_up_us
        )

    def held_up_s(self) -> float:
        """For how long that was so, s: a run that was held up for long says little of false alarms."""
        stretches = [stretch for truth in self._truths for stretch in truth.held_up_us]
        return sum(end_us - begin_us for begin_us, end_us in stretches) / 1e6

    def _explained_by_incident(self, firing: Firing) -> bool:
        return any(
            _within(incident, firing.at_us, self._grace_us)
            and (
                (firing.name in _evidence_of(incident.kind).alerts and _metric_fits(incident, firing))
                or _follows(incident, firing)
            )
            for incident in self._incidents_of[firing.agent_id]
        )

    def _share_away(self, at_us: int) -> float:
        """Share of the agents that incidents keep from beating at a moment, 0 to 1."""
        agents = sum(len(truth.agents or ()) for truth in self._truths)
        away = {
            agent_id
            for incident in self.incidents
            if incident.kind in _ABSENCES and _within(incident, at_us, self._grace_us)
            for agent_id in incident.everyone
        }
        return len(away) / agents if agents else 0.0

    def told(self, incident: Incident) -> int:
        """Alerts about an incident, or one of those that it happened to, that people heard of."""
        firings = [firing for agent_id in incident.everyone for firing in self._firings_of[agent_id]]
        firings += self._firings_of[incident.agent_id] if incident.agent_id not in incident.everyone else []
        return sum(f.about.told and _within(incident, f.at_us, self._grace_us) for f in firings)

    def by_kind(self) -> dict[str, dict[str, Any]]:
        """`incidents.<kind>` of the report: injected, found, delay_p50_s, delay_max_s, told, missed, alert_expected.

        `told`: alerts about them that people heard of; of a host outage one, however many agents it had.
        """
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
            "told": sum(map(self.told, incidents)),
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
        return Counter(f.name for f in self._firings if self._covered(f) and not self.explained(f))

    def outside_truth(self) -> Counter[str]:
        """Firings of agents of which no truth knows anything, by name: neither right nor wrong."""
        return Counter(f.name for f in self._firings if not self._covered(f))

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

    def _covered(self, firing: Firing) -> bool:
        """Whether the truth knows all that there is to know; of what stands for others, where of one of them."""
        if firing.about.rule_kind in GROUP_RULES and self._truths:
            return any(map(self._covered, self._members_of[firing.about.fingerprint])) or self._knows(firing)
        return firing.about.rule_kind in FLEET_RULES or self._knows(firing)

    def _knows(self, firing: Firing) -> bool:
        if firing.agent_id.startswith(OWN_AGENTS):
            return False
        return not self._truths or any(
            truth.covers(firing.agent_id) or firing.agent_id in self._incidents_at for truth in self._truths
        )
