"""The fleet: from its configuration and the number of the tick to the events of that tick. No clock, no I/O.

Metrics and heartbeats are columns; the few events of turns, violations and logs are records. Sequence numbers count all
events of a session over all topics in the order of their time.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.runtime.ids import event_id
from producers.simulator import turns
from producers.simulator.config import FleetConfig, Shares, share_out
from producers.simulator.incidents import LIFECYCLE_KINDS, Incident, Window, plan_incidents
from producers.simulator.metrics import SPIKES, MetricModel
from producers.simulator.small import log_fields, violation_fields

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

EPISODE_S = 300.0
"""A run without end gets incidents anew in every stretch of this length."""
MIN_RUN_FOR_INCIDENTS_S = 10.0
HIGH_LATENCY_FACTOR = 12.0
STOP_MARGIN_S = 0.2
_HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Events of one topic in a tick. `agents`, `sessions` i8[rows]: who and in which session; `timestamps_us` i8[rows]:
    event time; `seqs` i8[rows]."""

    agents: I64
    sessions: I64
    timestamps_us: I64
    seqs: I64

    def __len__(self) -> int:
        return int(self.agents.size)


@dataclass(frozen=True, slots=True)
class MetricRows(Rows):
    """`values` f8[rows, 16] in the order of `schemas.catalogue.METRICS`; `violated`: ids of policies, by row."""

    values: F64
    violated: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class BeatRows(Rows):
    """`uptime_s` f8[rows]; `progress` i8[rows]: requests handled; `cpu_usage` f8[rows]: percent; `stopping`: a last beat."""

    uptime_s: F64
    progress: I64
    cpu_usage: F64
    stopping: bool


@dataclass(frozen=True, slots=True)
class Record:
    """One event of a small topic: envelope parts, and the topic's own fields."""

    topic: str
    agent: int
    session: int
    timestamp_us: int
    seq: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tick:
    """All events of one tick."""

    metrics: MetricRows
    beats: BeatRows
    records: list[Record]

    def __len__(self) -> int:
        return len(self.metrics) + len(self.beats) + len(self.records)


@dataclass(frozen=True, slots=True)
class Session:
    """One run of an agent's process. `bits`: the 30 bits that go into its event ids."""

    session_id: str
    agent: int
    bits: int


class Fleet:
    """N agents, each with its state in arrays, advanced tick by tick.

    Arrays over agents: `_beat_due`, `_metrics_due` f8 (fleet seconds), `_started_s` f8, `_down` bool, `_mute` bool
    (no beats), `_loss` f8 (share of beats lost), `_next_seq` i8, `session_of` i8, `_closed_from_s` f8 (no turn may
    reach past it).
    """

    def __init__(self, config: FleetConfig) -> None:
        self.config = config
        self.shares: Shares = share_out(config)
        self._np = np.random.default_rng(config.seed)
        self._rng = random.Random(config.seed)
        n = config.agents
        self.agent_ids = [f"{config.prefix}-{i:06d}" for i in range(n)]
        self.users = [f"user-{i % max(config.users, 1):03d}" for i in range(n)]
        self.deployments = [f"deployment-{i % (3 * max(config.users, 1)):03d}" for i in range(n)]
        self.model = MetricModel(n, self._np, config.day_s, config.start_us / 1e6 % config.day_s)
        self.sessions: list[Session] = []
        self.session_of = np.array([self._open_session(i) for i in range(n)], np.int64)
        self._retired: dict[int, int] = {}
        self._next_seq = np.zeros(n, np.int64)
        interval_s = self.shares.beat_interval_s
        self._started_s = -self._np.uniform(0, 2 * _HOUR_S, n).round()
        self._beat_due = self._np.uniform(0, min(interval_s, 1.0), n)
        self._metrics_due = self._beat_due + 1e-3 + self._np.uniform(0, self.shares.metrics_interval_s, n)
        self._down = np.zeros(n, np.bool_)
        self._mute = np.zeros(n, np.bool_)
        self._loss = np.zeros(n)
        self._cpu = self._np.uniform(20, 50, n).round(1)
        self._pending_violations: dict[int, list[str]] = {}
        self._closed_from_s = np.full(n, np.inf if config.run_s is None else config.run_s - STOP_MARGIN_S)
        self._tool_ms: list[float] = self._np.uniform(80, 250, n).round(1).tolist()
        self.talkers = self._rng.sample(range(n), self.shares.talkers)
        self._held: set[int] = set()
        self._heap: list[tuple[float, int, str, Any]] = []
        self._order = 0
        self._turns = 0
        self.ticks = 0
        self.incidents: list[Incident] = []
        self._small_rate = (self.shares.logs_per_s, self.shares.violations_per_s)
        self._schedule_first()

    # -- planning ------------------------------------------------------------------------------------------------

    def _open_session(self, agent: int) -> int:
        # The start time is in it: the same seed a second time is another run, not the same events twice.
        cause = f"{self.config.seed}/{self.config.start_us}/{self.config.prefix}/{agent}/{len(self.sessions)}"
        digest = hashlib.blake2b(cause.encode(), digest_size=16).digest()
        self.sessions.append(Session(digest[:10].hex(), agent, int.from_bytes(digest[12:], "big") >> 2))
        return len(self.sessions) - 1

    def _schedule_first(self) -> None:
        after_s = max(1.0, 2 * self.config.tick_s)
        for agent in self.talkers:
            self._push(after_s + self._rng.random() * self._turn_period_s, "turn", agent)
        self._push(after_s + self._rng.expovariate(self._small_rate[0]), "log", None)
        self._push(after_s + self._rng.expovariate(self._small_rate[1]), "violation", None)
        if self.config.incidents:
            self._plan(0.0)

    @property
    def _turn_period_s(self) -> float:
        return self.shares.talkers / self.shares.turns_per_s

    def _push(self, at_s: float, what: str, payload: Any) -> None:  # noqa: ANN401  # each action knows its own
        self._order += 1
        heapq.heappush(self._heap, (at_s, self._order, what, payload))

    def _plan(self, start_s: float) -> None:
        end_s = start_s + EPISODE_S if self.config.run_s is None else self.config.run_s
        if end_s - start_s < MIN_RUN_FOR_INCIDENTS_S:
            return
        talkers = set(self.talkers)
        free = [i for i in range(self.config.agents) if i not in self._held]
        planned = plan_incidents(
            self._rng,
            Window(start_s, end_s),
            [i for i in free if i in talkers],
            [i for i in free if i not in talkers],
            beat_interval_s=self.shares.beat_interval_s,
            metrics_interval_s=self.shares.metrics_interval_s,
        )
        for incident in planned:
            self._hold(incident)
        self.incidents += planned
        if self.config.run_s is None:
            self._push(end_s, "plan", end_s)

    def _hold(self, incident: Incident) -> None:
        """Keep the agent for this incident alone: nothing else may go on when it begins."""
        self._held.add(incident.agent)
        self._closed_from_s[incident.agent] = min(self._closed_from_s[incident.agent], incident.start_s - 0.05)
        self._push(incident.start_s, "begin", incident)
        if incident.kind not in LIFECYCLE_KINDS and incident.end_s < (self.config.run_s or np.inf):
            self._push(incident.end_s, "end", incident)

    # -- one tick ------------------------------------------------------------------------------------------------

    def step(self, slip_us: int = 0) -> Tick:
        """Advance by one tick. `slip_us`: by how much event time is behind the plan (the publisher fell behind)."""
        begin_s = self.ticks * self.config.tick_s
        end_s = begin_s + self.config.tick_s
        base_us = self.config.start_us + slip_us
        drafts = self._act(begin_s, end_s, base_us)
        beats, beat_s = self._due_beats(end_s)
        reports = self._due_metrics(end_s)
        self.ticks += 1
        return self._number(base_us, beats, beat_s, reports, drafts, stopping=False)

    def stop(self, slip_us: int = 0) -> Tick:
        """The last tick: open turns end at once, then every agent that is alive says `stopping`."""
        now_s = self.ticks * self.config.tick_s
        base_us = self.config.start_us + slip_us
        open_lines = [entry[3] for entry in sorted(self._heap) if entry[2] == "line"]
        drafts = [(now_s, agent, line.topic, line.fields) for agent, line in open_lines if not self._down[agent]]
        for incident in self.incidents:
            if incident.started_at_us is not None and incident.ended_at_us is None:
                incident.ended_at_us = base_us + round(now_s * 1e6)
        agents = np.nonzero(~self._down)[0]
        nothing: list[tuple[I64, F64]] = []
        return self._number(base_us, agents, np.full(agents.size, now_s + 1e-3), nothing, drafts, stopping=True)

    def _act(self, begin_s: float, end_s: float, base_us: int) -> list[tuple[float, int, str, Mapping[str, Any]]]:
        """Run the scheduled actions of this tick; the records that they say, as (fleet s, agent, topic, fields)."""
        drafts: list[tuple[float, int, str, Mapping[str, Any]]] = []
        while self._heap and self._heap[0][0] < end_s:
            at_s, _, what, payload = heapq.heappop(self._heap)
            if what == "line":
                agent, line = payload
                self._say(drafts, at_s, agent, line.topic, line.fields)
            elif what == "turn":
                self._begin_turn(at_s, payload)
            elif what == "log":
                self._say(drafts, at_s, self._rng.randrange(self.config.agents), "fleet.logs", log_fields(self._rng))
                self._push(at_s + self._rng.expovariate(self._small_rate[0]), "log", None)
            elif what == "violation":
                self._violate(drafts, at_s, self._rng.randrange(self.config.agents), grave=False)
                self._push(at_s + self._rng.expovariate(self._small_rate[1]), "violation", None)
            elif what == "collapse":
                self._violate(drafts, at_s, payload, grave=True)
            elif what == "plan":
                self._plan(payload)
            else:
                self._turn_incident(what, payload, max(at_s, begin_s), begin_s, base_us)
        return drafts

    def _say(
        self, drafts: list[tuple[float, int, str, Mapping[str, Any]]], at_s: float, agent: int, topic: str, fields: Mapping[str, Any]
    ) -> None:
        if not self._down[agent]:
            drafts.append((at_s, agent, topic, fields))

    def _violate(self, drafts: list[tuple[float, int, str, Mapping[str, Any]]], at_s: float, agent: int, *, grave: bool) -> None:
        if self._down[agent] or (not grave and agent in self._held):
            return
        fields = violation_fields(self._rng, grave=grave)
        drafts.append((at_s, agent, "fleet.violations", fields))
        self.model.violations[agent] += 1
        self._pending_violations.setdefault(agent, []).append(fields["policy_id"])

    def _script(self, agent: int) -> turns.Script:
        self._turns += 1
        session = self.sessions[self.session_of[agent]].session_id[:8]
        return turns.Script(self._rng, f"run-{session}-{self._turns}", f"thread-{session}-{self._turns // 8}", self._tool_ms[agent])

    def _begin_turn(self, at_s: float, agent: int) -> None:
        """A clean turn, if it will be over before the agent is needed for something else."""
        script = self._script(agent)
        turns.clean_turn(script, self._rng)
        open_again = not np.isfinite(self._closed_from_s[agent]) or at_s + script.at_s < self._closed_from_s[agent]
        if open_again and not self._down[agent]:
            self._push_script(at_s, agent, script)
        pause_s = self._turn_period_s * self._rng.uniform(0.8, 1.2)
        self._push(at_s + max(pause_s, script.at_s + 0.05), "turn", agent)

    def _push_script(self, at_s: float, agent: int, script: turns.Script) -> None:
        for line in script.lines:
            self._push(at_s + line.offset_s, "line", (agent, line))

    # -- incidents -----------------------------------------------------------------------------------------------

    def _turn_incident(self, what: str, incident: Incident, at_s: float, begin_s: float, base_us: int) -> None:
        if what == "begin":
            # Switches of an agent's state act from the beginning of the tick; scripts at their own moment.
            when_s = at_s if incident.kind in LIFECYCLE_KINDS else begin_s
            incident.started_at_us = base_us + round(when_s * 1e6)
            self._begin(incident, when_s)
        else:
            incident.ended_at_us = base_us + round((at_s if incident.kind in LIFECYCLE_KINDS else begin_s) * 1e6)
            self._end(incident, begin_s)

    def _begin(self, incident: Incident, at_s: float) -> None:
        agent = incident.agent
        if incident.kind in LIFECYCLE_KINDS:
            self._begin_script(incident, at_s)
        elif incident.kind == "trust_collapse":
            self._begin_collapse(incident, at_s)
        elif incident.kind == "metric_anomaly":
            metric = self._rng.choice(sorted(SPIKES))
            incident.detail |= {"metric": metric, "factor": SPIKES[metric]}
            self.model.spike(agent, metric, SPIKES[metric])
        elif incident.kind == "crash":
            self._down[agent] = True
        elif incident.kind == "late_beats":
            self._mute[agent] = True
        else:
            self._loss[agent] = incident.detail["loss"]

    def _begin_collapse(self, incident: Incident, at_s: float) -> None:
        """Violations that weigh about as much as all the good evidence so far (severity high 10, critical 30)."""
        good = at_s / self.shares.metrics_interval_s * max(1.0, 4.0 * self.shares.metrics_interval_s)
        count = round(min(max(0.8 * good / 18.0, 20.0), 500.0))
        length_s = incident.end_s - at_s
        self.model.compliance[incident.agent] = incident.detail["compliance_rate"]
        incident.detail["violations"] = count
        for number in range(count):
            self._push(at_s + (0.05 + 0.9 * number / count) * length_s, "collapse", incident.agent)

    def _begin_script(self, incident: Incident, at_s: float) -> None:
        agent = incident.agent
        script = self._script(agent)
        run_s = self.config.run_s or EPISODE_S
        if incident.kind == "stuck_tool":
            incident.detail |= turns.stuck_tool(script, self._rng, max(2.0, round(0.03 * run_s, 1)))
        elif incident.kind == "high_latency":
            incident.detail |= turns.high_latency(script, self._rng, HIGH_LATENCY_FACTOR)
        else:
            incident.detail |= getattr(turns, incident.kind)(script, self._rng)
        incident.detail["run_id"] = script.lines[0].fields["run_id"]
        incident.detail["thread_id"] = script.lines[0].fields.get("thread_id")
        self._push_script(at_s, agent, script)
        if incident.kind in ("stuck_tool", "stale_thread"):
            if self.config.run_s is None:
                self._push(incident.end_s, "end", incident)
        else:
            incident.end_s = at_s + script.at_s
            self._push(incident.end_s + 1e-6, "end", incident)

    def _end(self, incident: Incident, begin_s: float) -> None:
        agent = incident.agent
        if incident.kind == "trust_collapse":
            self.model.compliance[agent] = np.nan
        elif incident.kind == "metric_anomaly":
            self.model.spike(agent, None)
        elif incident.kind == "crash":
            incident.detail["comes_back"] = True
            self._restart(agent, begin_s)
        elif incident.kind == "late_beats":
            self._mute[agent] = False
        elif incident.kind == "lossy_network":
            self._loss[agent] = 0.0
        elif incident.kind in ("stuck_tool", "stale_thread"):
            self._resolve(incident, begin_s)
        self._held.discard(agent)
        self._closed_from_s[agent] = np.inf if self.config.run_s is None else self.config.run_s - STOP_MARGIN_S

    def _restart(self, agent: int, at_s: float) -> None:
        """The agent's process comes back as a new session, with a beat first."""
        self._retired[int(self.session_of[agent])] = int(self._next_seq[agent])
        self.session_of[agent] = self._open_session(agent)
        self._next_seq[agent] = 0
        self._down[agent] = False
        self._started_s[agent] = at_s
        self._beat_due[agent] = at_s
        self._metrics_due[agent] = at_s + 1e-3 + self.shares.metrics_interval_s

    def _resolve(self, incident: Incident, at_s: float) -> None:
        """In a run without end, somebody cancels what hangs."""
        script = turns.Script(self._rng, incident.detail["run_id"], incident.detail["thread_id"], self._tool_ms[incident.agent])
        if incident.kind == "stuck_tool":
            script.say("tool_completed", tool=incident.detail["tool"], tool_call_id=incident.detail["tool_call_id"], status="failure")
        script.say("agent_completed", status="failure")
        self._push_script(at_s, incident.agent, script)

    # -- columns -------------------------------------------------------------------------------------------------

    def _due_beats(self, end_s: float) -> tuple[I64, F64]:
        agents = np.nonzero(self._beat_due < end_s)[0]
        at_s = self._beat_due[agents]
        self._beat_due[agents] += self.shares.beat_interval_s * self._np.uniform(0.98, 1.02, agents.size)
        lost = self._np.random(agents.size) < self._loss[agents]
        heard = ~(self._down[agents] | self._mute[agents] | lost)
        return agents[heard], at_s[heard]

    def _due_metrics(self, end_s: float) -> list[tuple[I64, F64]]:
        """Reports due before `end_s` as rounds of distinct agents: with a short interval an agent has several."""
        rounds = []
        while True:
            agents = np.nonzero(self._metrics_due < end_s)[0]
            if not agents.size:
                return rounds
            at_s = self._metrics_due[agents]
            self._metrics_due[agents] += self.shares.metrics_interval_s * self._np.uniform(0.98, 1.02, agents.size)
            up = ~self._down[agents]
            rounds.append((agents[up], at_s[up]))

    def _number(
        self,
        base_us: int,
        beats: I64,
        beat_s: F64,
        reports: list[tuple[I64, F64]],
        drafts: list[tuple[float, int, str, Mapping[str, Any]]],
        *,
        stopping: bool,
    ) -> Tick:
        """Give all events of the tick their sequence numbers, by time within each agent, and make the rows."""
        metric_agents, metric_s = _joined(reports)
        values = self._report_values(reports)
        drafts.sort(key=lambda draft: draft[0])
        draft_agents = np.array([draft[1] for draft in drafts], np.int64)
        draft_s = np.array([draft[0] for draft in drafts])
        agents = np.concatenate((beats, metric_agents, draft_agents))
        stamps = base_us + np.rint(np.concatenate((beat_s, metric_s, draft_s)) * 1e6).astype(np.int64)
        seqs = self._take_seqs(agents, stamps)
        sessions = self.session_of[agents]
        a, b = beats.size, beats.size + metric_agents.size
        return Tick(
            metrics=MetricRows(agents[a:b], sessions[a:b], stamps[a:b], seqs[a:b], values, self._violated(metric_agents)),
            beats=BeatRows(
                beats, sessions[:a], stamps[:a], seqs[:a], (beat_s - self._started_s[beats]).round(1),
                self.model.handled[beats].astype(np.int64), self._cpu[beats], stopping,
            ),
            records=[
                Record(topic, agent, session, stamp, seq, fields)
                for (_, agent, topic, fields), session, stamp, seq in zip(
                    drafts, sessions[b:].tolist(), stamps[b:].tolist(), seqs[b:].tolist(), strict=True
                )
            ],
        )  # fmt: skip

    def _report_values(self, reports: list[tuple[I64, F64]]) -> F64:
        values = [
            self.model.report(agents, at_s, at_s - self._started_s[agents], self.shares.metrics_interval_s)
            for agents, at_s in reports
        ]
        for (agents, _), reported in zip(reports, values, strict=True):
            self._cpu[agents] = reported[:, 8]
        return np.concatenate(values) if values else np.empty((0, 16))

    def _violated(self, agents: I64) -> dict[int, tuple[str, ...]]:
        """Policies violated since the last report, by row; the first report of an agent in the tick takes them."""
        if not self._pending_violations:
            return {}
        rows: dict[int, tuple[str, ...]] = {}
        for agent in list(self._pending_violations):
            found = np.nonzero(agents == agent)[0]
            if found.size:
                rows[int(found[0])] = tuple(self._pending_violations.pop(agent))
        return rows

    def _take_seqs(self, agents: I64, stamps: I64) -> I64:
        """Consecutive numbers by (agent, time, position); beats come first in position."""
        order = np.lexsort((stamps, agents))
        in_order = agents[order]
        first = np.ones(in_order.size, np.bool_)
        first[1:] = in_order[1:] != in_order[:-1]
        starts = np.nonzero(first)[0]
        counts = np.diff(np.append(starts, in_order.size))
        rank = np.arange(in_order.size) - np.repeat(starts, counts)
        seqs = np.empty(agents.size, np.int64)
        seqs[order] = self._next_seq[in_order] + rank
        self._next_seq[in_order[starts]] += counts
        return seqs

    def issued_of_sessions(self) -> I64:
        """How many events each session has issued so far, i8[sessions]."""
        issued = np.zeros(len(self.sessions), np.int64)
        issued[self.session_of] = self._next_seq
        for session, count in self._retired.items():
            issued[session] = count
        return issued


def _joined(rounds: Iterable[tuple[I64, F64]]) -> tuple[I64, F64]:
    listed = list(rounds)
    if not listed:
        return np.empty(0, np.int64), np.empty(0)
    return np.concatenate([agents for agents, _ in listed]), np.concatenate([at_s for _, at_s in listed])


def record_id(record: Record, session: Session) -> bytes:
    """The event id of a record."""
    return event_id(record.timestamp_us, session.bits, record.seq)
