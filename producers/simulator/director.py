"""Who says what when, apart from metrics and beats: turns, logs, violations, and the incidents of the plan."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from producers.simulator import turns
from producers.simulator.config import FleetConfig, Shares
from producers.simulator.incidents import LIFECYCLE_KINDS, Incident, Window, plan_incidents
from producers.simulator.metrics import SPIKES
from producers.simulator.rows import Drafts, Stamps
from producers.simulator.small import log_fields, stopping_fields, violation_fields
from producers.simulator.state import Agents

EPISODE_S = 300.0
FIRST_EPISODE_S = 75.0
"""Shorter in a run without end: who looks on for the first time should see something within a minute."""
"""A run without end gets incidents anew in every stretch of this length."""
MIN_RUN_FOR_INCIDENTS_S = 10.0
HIGH_LATENCY_FACTOR = 12.0
STOP_MARGIN_S = 0.2
REBOOT_S = 0.5
_APART_S = 0.05
_SHOWN_IN_COLUMNS = ("trust_collapse", "metric_anomaly", "lossy_network")
_OPEN_ENDED = ("stuck_tool", "stale_thread")


class Director:
    """A schedule of actions in fleet time, on the state of the agents.

    `_closed_from_s[agent]`: no clean turn may reach past it, so that nothing else is open when an incident begins;
    `_held`: agents that an incident of the plan has.
    """

    def __init__(self, config: FleetConfig, shares: Shares, agents: Agents) -> None:
        self._config = config
        self._shares = shares
        self._agents = agents
        self._rng = random.Random(config.seed)  # noqa: S311  # a simulation must repeat; secrets are none here
        self._last_s = math.inf if config.run_s is None else config.run_s - STOP_MARGIN_S
        self._closed_from_s = [self._last_s] * config.agents
        self._talkers = self._rng.sample(range(config.agents), shares.talkers)
        self._held: set[int] = set()
        self._heap: list[tuple[float, int, str, Any]] = []
        self._order = 0
        self._turns = 0
        self._stamps = Stamps(0.0, config.start_us)
        self._drafts: Drafts = []
        self.incidents: list[Incident] = []
        self._schedule_first()

    def act(self, begin_s: float, end_s: float, stamps: Stamps) -> Drafts:
        """Run what is scheduled before `end_s`; what was said in it."""
        self._stamps = stamps
        self._drafts = []
        while self._heap and self._heap[0][0] < end_s:
            at_s, _, what, payload = heapq.heappop(self._heap)
            if what == "line":
                self._say(at_s, payload[0], payload[1].topic, payload[1].fields)
            elif what == "turn":
                self._turn(at_s, payload)
            elif what == "log":
                self._log(at_s)
            elif what == "violation":
                self._violation(at_s)
            elif what == "collapse":
                self._violate(at_s, payload, grave=True)
            elif what == "plan":
                self._plan(payload)
            elif what == "boot":
                self._boot(payload[0], payload[1], begin_s)
            elif what == "begin":
                self._begin(payload, at_s, begin_s)
            else:
                self._end(payload, at_s, begin_s)
        return self._drafts

    def finish(self, now_s: float, stamps: Stamps) -> Drafts:
        """The end: what is open is said at once, incidents that last end now."""
        for incident in self.incidents:
            if incident.started_at_us is not None and incident.ended_at_us is None:
                incident.ended_at_us = stamps.micros(now_s)
        open_lines = [payload for _, _, what, payload in sorted(self._heap) if what == "line"]
        return [(now_s, agent, line.topic, line.fields) for agent, line in open_lines if not self._agents.down[agent]]

    # -- what is normal ------------------------------------------------------------------------------------------

    def _schedule_first(self) -> None:
        after_s = max(1.0, 2 * self._config.tick_s)
        for agent in self._talkers:
            self._push(after_s + self._rng.random() * self._turn_period_s, "turn", agent)
        self._push(after_s + self._rng.expovariate(self._shares.logs_per_s), "log", None)
        self._push(after_s + self._rng.expovariate(self._shares.violations_per_s), "violation", None)
        if self._config.incidents:
            self._plan(0.0)

    @property
    def _turn_period_s(self) -> float:
        return self._shares.talkers / self._shares.turns_per_s

    def _push(self, at_s: float, what: str, payload: Any) -> None:  # noqa: ANN401  # each action knows its own
        self._order += 1
        heapq.heappush(self._heap, (at_s, self._order, what, payload))

    def _push_script(self, at_s: float, agent: int, script: turns.Script) -> None:
        for line in script.lines:
            self._push(at_s + line.offset_s, "line", (agent, line))

    def _say(self, at_s: float, agent: int, topic: str, fields: Mapping[str, Any]) -> None:
        if self._agents.works(agent):
            self._drafts.append((at_s, agent, topic, fields))

    def _log(self, at_s: float) -> None:
        self._say(at_s, self._rng.randrange(self._config.agents), "fleet.logs", log_fields(self._rng))
        self._push(at_s + self._rng.expovariate(self._shares.logs_per_s), "log", None)

    def _violation(self, at_s: float) -> None:
        agent = self._rng.randrange(self._config.agents)
        if agent not in self._held:
            self._violate(at_s, agent, grave=False)
        self._push(at_s + self._rng.expovariate(self._shares.violations_per_s), "violation", None)

    def _violate(self, at_s: float, agent: int, *, grave: bool) -> None:
        if self._agents.works(agent):
            fields = violation_fields(self._rng, grave=grave)
            self._say(at_s, agent, "fleet.violations", fields)
            self._agents.violate(agent, fields["policy_id"])

    def _script(self, agent: int, thread: str = "") -> turns.Script:
        self._turns += 1
        mark = self._agents.session(agent).session_id[:8]
        thread_id = f"thread-{mark}-{thread or self._turns // 8}"
        return turns.Script(self._rng, f"run-{mark}-{self._turns}", thread_id, self._agents.tool_ms[agent])

    def _turn(self, at_s: float, agent: int) -> None:
        """A clean turn, if it will be over before the agent is needed for something else."""
        script = self._script(agent)
        turns.clean_turn(script, self._rng)
        if at_s + script.at_s < self._closed_from_s[agent] and not self._agents.down[agent]:
            self._push_script(at_s, agent, script)
        pause_s = self._turn_period_s * self._rng.uniform(0.8, 1.2)
        self._push(at_s + max(pause_s, script.at_s + _APART_S), "turn", agent)

    # -- what is not ---------------------------------------------------------------------------------------------

    def _plan(self, start_s: float) -> None:
        endless_s = start_s + (EPISODE_S if self.incidents else FIRST_EPISODE_S)
        end_s = endless_s if self._config.run_s is None else self._config.run_s
        if end_s - start_s < MIN_RUN_FOR_INCIDENTS_S:
            return
        talkers = set(self._talkers)
        free = [i for i in range(self._config.agents) if i not in self._held]
        planned = plan_incidents(
            self._rng,
            Window(start_s, end_s),
            [i for i in free if i in talkers],
            [i for i in free if i not in talkers],
            [host for host in self._agents.agents_by_host() if not self._held.intersection(host)],
            beat_interval_s=self._shares.beat_interval_s,
            metrics_interval_s=self._shares.metrics_interval_s,
            without=() if self._config.stamped else ("clock_skew",),
        )
        for incident in planned:
            self._hold(incident)
        self.incidents += planned
        if self._config.run_s is None:
            self._push(end_s, "plan", end_s)

    def _hold(self, incident: Incident) -> None:
        """Keep the agents for this incident alone: no turn may be open when it begins."""
        self._held.update(incident.everyone)
        for agent in incident.everyone:
            self._closed_from_s[agent] = min(self._last_s, incident.start_s - _APART_S)
        self._push(incident.start_s, "begin", incident)
        if incident.kind not in LIFECYCLE_KINDS and incident.end_s < self._last_s:
            self._push(incident.end_s, "end", incident)

    def _begin(self, incident: Incident, at_s: float, tick_s: float) -> None:
        # What an agent's columns show changes with the tick; what it no longer says ends at the moment itself.
        when_s = tick_s if incident.kind in _SHOWN_IN_COLUMNS else at_s
        incident.started_at_us = self._stamps.micros(when_s)
        agents, agent = self._agents, incident.agent
        if incident.kind in LIFECYCLE_KINDS:
            self._begin_script(incident, when_s)
        elif incident.kind == "trust_collapse":
            self._begin_collapse(incident, when_s)
        elif incident.kind == "metric_anomaly":
            metric = self._rng.choice(sorted(SPIKES))
            incident.detail |= {"metric": metric, "factor": SPIKES[metric]}
            agents.model.spike(agent, metric, SPIKES[metric])
        elif incident.kind == "crash":
            agents.down[agent] = True
        elif incident.kind == "late_beats":
            agents.mute[agent] = True
        elif incident.kind == "host_outage":
            members = list(incident.agents)
            incident.detail |= {"host": agents.hosts[agent], "agents": [agents.ids[member] for member in members]}
            agents.down[members] = True
        elif incident.kind == "wedged":
            agents.wedged_s[agent] = tick_s - agents.started_s[agent]
        elif incident.kind == "clock_skew":
            self._reboot(at_s, agent, round(-1e6 * incident.detail["clock_skew_s"]))
        else:
            agents.loss[agent] = incident.detail["loss"]

    def _reboot(self, at_s: float, agent: int, clock_us: int) -> None:
        """The agent says that it stops, and comes back in a moment with its clock off by `clock_us`."""
        uptime_s = at_s - self._agents.started_s[agent]
        self._say(at_s, agent, "fleet.heartbeats", stopping_fields(uptime_s, self._agents.hosts[agent]))
        self._agents.down[agent] = True
        self._push(at_s + REBOOT_S, "boot", (agent, clock_us))

    def _boot(self, agent: int, clock_us: int, tick_s: float) -> None:
        self._agents.clock_us[agent] = clock_us
        self._agents.restart(agent, tick_s)

    def _begin_collapse(self, incident: Incident, at_s: float) -> None:
        """Violations that weigh about as much as all the good evidence so far (severity high 10, critical 30)."""
        interval_s = self._shares.metrics_interval_s
        good = at_s / interval_s * max(1.0, 4.0 * interval_s)
        count = round(min(max(0.8 * good / 18.0, 20.0), 500.0))
        length_s = incident.end_s - at_s
        self._agents.model.compliance[incident.agent] = incident.detail["compliance_rate"]
        incident.detail["violations"] = count
        for number in range(count):
            self._push(at_s + (0.05 + 0.9 * number / count) * length_s, "collapse", incident.agent)

    def _begin_script(self, incident: Incident, at_s: float) -> None:
        script = self._script(incident.agent, thread=f"i{self._turns}")
        if incident.kind == "stuck_tool":
            deadline_s = max(2.0, round(0.03 * (self._config.run_s or EPISODE_S), 1))
            incident.detail |= turns.stuck_tool(script, self._rng, deadline_s)
        elif incident.kind == "high_latency":
            incident.detail |= turns.high_latency(script, self._rng, HIGH_LATENCY_FACTOR)
        else:
            incident.detail |= turns.SILENT_FAILURES[incident.kind](script, self._rng)
        incident.detail |= script.ids
        self._push_script(at_s, incident.agent, script)
        if incident.kind not in _OPEN_ENDED:
            incident.end_s = at_s + script.at_s
            self._push(incident.end_s, "end", incident)
        elif self._config.run_s is None:
            self._push(incident.end_s, "end", incident)

    def _end(self, incident: Incident, at_s: float, tick_s: float) -> None:
        when_s = at_s if incident.kind in LIFECYCLE_KINDS else tick_s
        incident.ended_at_us = self._stamps.micros(when_s)
        agents, agent = self._agents, incident.agent
        if incident.kind == "trust_collapse":
            agents.model.compliance[agent] = np.nan
        elif incident.kind == "metric_anomaly":
            agents.model.spike(agent, None)
        elif incident.kind == "crash":
            incident.detail["comes_back"] = True
            agents.restart(agent, tick_s)
        elif incident.kind == "late_beats":
            agents.mute[agent] = False
        elif incident.kind == "host_outage":
            for member in incident.agents:
                agents.restart(member, tick_s)
        elif incident.kind == "wedged":
            agents.wedged_s[agent] = np.inf
        elif incident.kind == "clock_skew":
            self._reboot(at_s, agent, 0)
        elif incident.kind == "lossy_network":
            agents.loss[agent] = 0.0
        elif incident.kind in _OPEN_ENDED:
            self._resolve(incident, when_s)
        self._held.difference_update(incident.everyone)
        for member in incident.everyone:
            self._closed_from_s[member] = self._last_s

    def _resolve(self, incident: Incident, at_s: float) -> None:
        """In a run without end, somebody cancels what hangs."""
        detail = incident.detail
        script = turns.Script(self._rng, detail["run_id"], detail["thread_id"], self._agents.tool_ms[incident.agent])
        if incident.kind == "stuck_tool":
            call_id = detail["tool_call_id"]
            script.say("tool_completed", tool=detail["tool"], tool_call_id=call_id, status="failure")
        script.say("agent_completed", status="failure")
        self._push_script(at_s, incident.agent, script)
