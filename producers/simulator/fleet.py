"""The fleet: from its configuration, tick by tick, to events. No clock, no I/O.

Metrics and heartbeats are columns; the few events of turns, violations and logs are records. Sequence numbers count
all events of a session over all topics in the order of their time.
"""

from __future__ import annotations

import numpy as np

from producers.simulator.config import FleetConfig, Shares, share_out
from producers.simulator.director import Director
from producers.simulator.incidents import Incident
from producers.simulator.rows import F64, I64, BeatRows, Drafts, MetricRows, Record, Stamps, Tick
from producers.simulator.state import Agents
from schemas.catalogue import METRICS

_JITTER = 0.02


class Fleet:
    """N agents, advanced tick by tick: the same configuration gives the same events."""

    def __init__(self, config: FleetConfig) -> None:
        self.config = config
        self.shares: Shares = share_out(config)
        self._rng = np.random.default_rng(config.seed)
        self.agents = Agents(config, self.shares, self._rng)
        self._director = Director(config, self.shares, self.agents)
        self.ticks = 0

    @property
    def incidents(self) -> list[Incident]:
        """All that are planned so far."""
        return self._director.incidents

    def step(self, window_us: tuple[int, int] | None = None) -> Tick:
        """Advance by one tick. `window_us`: the event time that it fills; None is where the plan has it."""
        begin_s = self.ticks * self.config.tick_s
        end_s = begin_s + self.config.tick_s
        begin_us, end_us = window_us or (self.planned_us(begin_s), self.planned_us(end_s))
        stamps = Stamps(begin_s, begin_us, (end_us - begin_us) / self.config.tick_s)
        drafts = self._director.act(begin_s, end_s, stamps)
        agents, at_s = self._due_beats(end_s)
        reports = self._due_metrics(end_s)
        self.ticks += 1
        return self._number(stamps, agents, at_s, reports, drafts, stopping=False)

    def stop(self, begin_us: int | None = None) -> Tick:
        """The last tick: open turns end at once, then every agent that is alive says `stopping`."""
        now_s = self.ticks * self.config.tick_s
        stamps = Stamps(now_s, self.planned_us(now_s) if begin_us is None else begin_us)
        drafts = self._director.finish(now_s, stamps)
        alive = np.nonzero(~self.agents.down)[0]
        return self._number(stamps, alive, np.full(alive.size, now_s + 1e-3), [], drafts, stopping=True)

    def planned_us(self, at_s: float) -> int:
        """Event time of a moment of fleet time when nothing is late."""
        return self.config.start_us + round(at_s * 1e6)

    def _due_beats(self, end_s: float) -> tuple[I64, F64]:
        agents = self.agents
        who = np.nonzero(agents.beat_due < end_s)[0]
        at_s = agents.beat_due[who]
        agents.beat_due[who] += self.shares.beat_interval_s * self._rng.uniform(1 - _JITTER, 1 + _JITTER, who.size)
        lost = self._rng.random(who.size) < agents.loss[who]
        heard = ~(agents.down[who] | agents.mute[who] | lost)
        return who[heard], at_s[heard]

    def _due_metrics(self, end_s: float) -> list[tuple[I64, F64]]:
        """Reports due before `end_s` as rounds of distinct agents: with a short interval an agent has several."""
        agents = self.agents
        interval_s = self.shares.metrics_interval_s
        rounds: list[tuple[I64, F64]] = []
        while True:
            who = np.nonzero(agents.metrics_due < end_s)[0]
            if not who.size:
                return rounds
            at_s = agents.metrics_due[who]
            agents.metrics_due[who] += interval_s * self._rng.uniform(1 - _JITTER, 1 + _JITTER, who.size)
            up = ~agents.down[who] & np.isinf(agents.wedged_s[who])
            rounds.append((who[up], at_s[up]))

    def _number(
        self, stamps: Stamps, beats: I64, beat_s: F64, reports: list[tuple[I64, F64]], drafts: Drafts, *, stopping: bool
    ) -> Tick:
        """Give all events of the tick their sequence numbers, by time within each agent, and make the rows."""
        agents = self.agents
        reporters, report_s = _joined(reports)
        values = self._values(reports)
        drafts.sort(key=lambda draft: draft[0])
        who = np.concatenate((beats, reporters, np.array([draft[1] for draft in drafts], np.int64)))
        at_s = np.concatenate((beat_s, report_s, np.array([draft[0] for draft in drafts])))
        times_us = stamps.column(at_s) + agents.clock_us[who]
        seqs = agents.take_seqs(who, times_us)
        sessions = agents.session_of[who]
        a, b = beats.size, beats.size + reporters.size
        uptime_s = (beat_s - agents.started_s[beats]).round(1)
        # Requests, and housekeeping once a second: an agent without requests is idle, not stuck.
        progress = (agents.model.handled[beats] + np.minimum(uptime_s, agents.wedged_s[beats])).astype(np.int64)
        small = zip(drafts, sessions[b:].tolist(), times_us[b:].tolist(), seqs[b:].tolist(), strict=True)
        return Tick(
            metrics=MetricRows(who[a:b], sessions[a:b], times_us[a:b], seqs[a:b], values, self._violated(reporters)),
            beats=BeatRows(
                beats, sessions[:a], times_us[:a], seqs[:a], uptime_s, progress, agents.cpu[beats], stopping=stopping
            ),
            records=[
                Record(topic, agent, session, stamp, seq, fields)
                for (_, agent, topic, fields), session, stamp, seq in small
            ],
        )

    def _values(self, reports: list[tuple[I64, F64]]) -> F64:
        values = [np.empty((0, len(METRICS)))]
        for who, at_s in reports:
            uptime_s = at_s - self.agents.started_s[who]
            reported = self.agents.model.report(who, at_s, uptime_s, self.shares.metrics_interval_s)
            self.agents.cpu[who] = reported[:, METRICS.index("cpu_usage")]
            values.append(reported)
        return np.concatenate(values)

    def _violated(self, reporters: I64) -> dict[int, tuple[str, ...]]:
        """Policies violated since the last report, by row; the first report of an agent in the tick names them."""
        rows: dict[int, tuple[str, ...]] = {}
        for agent in list(self.agents.violated):
            found = np.nonzero(reporters == agent)[0]
            if found.size:
                rows[int(found[0])] = tuple(self.agents.violated.pop(agent))
        return rows


def _joined(rounds: list[tuple[I64, F64]]) -> tuple[I64, F64]:
    who = [np.empty(0, np.int64), *(agents for agents, _ in rounds)]
    when = [np.empty(0), *(at_s for _, at_s in rounds)]
    return np.concatenate(who), np.concatenate(when)
