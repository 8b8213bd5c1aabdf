"""The simulated fleet repeats, numbers without holes, and its incidents are where the truth says."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from producers.simulator.config import FleetConfig, share_out
from producers.simulator.fleet import Fleet
from producers.simulator.incidents import KINDS, Incident
from producers.simulator.rows import Record, Tick
from schemas.catalogue import METRICS

START_US = 1_700_000_000_000_000


def config(**changes: Any) -> FleetConfig:  # noqa: ANN401  # fields of the configuration
    """A fleet of 60 agents for 30 s at 600 events/s."""
    given = {"agents": 60, "rate": 600.0, "seed": 7, "start_us": START_US, "run_s": 30.0}
    return FleetConfig(**(given | changes))


@dataclass
class Played:
    """A whole run in memory. `beats`, `reports`: (agent, timestamp) rows; `values` as reported."""

    fleet: Fleet
    ticks: list[Tick]

    @property
    def records(self) -> list[Record]:
        return [record for tick in self.ticks for record in tick.records]

    def beats_of(self, agent: int) -> np.ndarray[Any, Any]:
        return np.concatenate([t.beats.timestamps_us[t.beats.agents == agent] for t in self.ticks])

    def reports_of(self, agent: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        stamps = np.concatenate([t.metrics.timestamps_us[t.metrics.agents == agent] for t in self.ticks])
        return stamps, np.concatenate([t.metrics.values[t.metrics.agents == agent] for t in self.ticks])

    def said_by(self, agent: int, topic: str = "fleet.lifecycle") -> list[Record]:
        return [record for record in self.records if record.agent == agent and record.topic == topic]

    def incidents(self, kind: str) -> list[Incident]:
        return [i for i in self.fleet.incidents if i.kind == kind and i.started_at_us is not None]


def play(conf: FleetConfig, ticks: int | None = None) -> Played:
    """Run a fleet to its end (or for `ticks`), and stop it."""
    fleet = Fleet(conf)
    count = round((conf.run_s or 0) / conf.tick_s) if ticks is None else ticks
    return Played(fleet, [*(fleet.step() for _ in range(count)), fleet.stop()])


@pytest.fixture(scope="module")
def played() -> Played:
    return play(config())


def test_the_same_seed_gives_the_same_events() -> None:
    one, two = (play(config(), ticks=200) for _ in range(2))
    assert [t.records for t in one.ticks] == [t.records for t in two.ticks]
    for a, b in zip(one.ticks, two.ticks, strict=True):
        np.testing.assert_array_equal(a.metrics.values, b.metrics.values)
        np.testing.assert_array_equal(a.metrics.timestamps_us, b.metrics.timestamps_us)
        np.testing.assert_array_equal(a.beats.seqs, b.beats.seqs)


def test_another_seed_gives_others() -> None:
    one, two = play(config(), ticks=50), play(config(seed=8), ticks=50)
    assert not np.array_equal(one.reports_of(0)[1][:3], two.reports_of(0)[1][:3])


def test_a_second_run_of_a_seed_has_sessions_of_its_own() -> None:
    one, two = Fleet(config()), Fleet(config(start_us=START_US + 1))
    assert not {s.session_id for s in one.agents.sessions} & {s.session_id for s in two.agents.sessions}


def test_sequence_numbers_have_no_hole_and_follow_time(played: Played) -> None:
    events: defaultdict[int, list[tuple[int, int, str]]] = defaultdict(list)
    for tick in played.ticks:
        for name, rows in (("metrics", tick.metrics), ("stop" if tick.beats.stopping else "beat", tick.beats)):
            for session, seq, stamp in zip(rows.sessions, rows.seqs, rows.timestamps_us, strict=True):
                events[int(session)].append((int(seq), int(stamp), name))
        for record in tick.records:
            events[record.session].append((record.seq, record.timestamp_us, record.topic))
    down = {agent for kind in ("crash", "host_outage") for i in played.incidents(kind) for agent in i.everyone}
    assert len(events) == len(played.fleet.agents.sessions)
    for session, numbered in events.items():
        numbered.sort()
        assert [seq for seq, _, _ in numbered] == list(range(len(numbered)))
        assert [stamp for _, stamp, _ in numbered] == sorted(stamp for _, stamp, _ in numbered)
        assert numbered[0][2] == "beat"
        # A reboot within the run is said in a record of its own.
        ends = numbered[-1][2] in {"stop", "fleet.heartbeats"}
        assert ends or played.fleet.agents.sessions[session].agent in down
    issued = played.fleet.agents.issued_of_sessions()
    assert issued.tolist() == [len(events[session]) for session in range(len(events))]


def test_the_rate_is_kept_and_mostly_metrics(played: Played) -> None:
    total = sum(len(tick) for tick in played.ticks)
    assert total == pytest.approx(30 * 600, rel=0.06)
    assert sum(len(tick.metrics) for tick in played.ticks) > 0.6 * total
    assert sum(len(tick.beats) for tick in played.ticks) < 0.27 * total


@pytest.mark.parametrize("agents", [1, 30, 1_000, 100_000])
@pytest.mark.parametrize("rate", [20.0, 5_000.0, 50_000.0])
def test_shares_add_up_to_the_rate(agents: int, rate: float) -> None:
    shares = share_out(config(agents=agents, rate=rate))
    beats, metrics = agents / shares.beat_interval_s, agents / shares.metrics_interval_s
    assert beats <= 0.25 * rate + 1e-9
    assert beats + metrics + 12 * shares.turns_per_s + shares.logs_per_s + shares.violations_per_s == pytest.approx(
        rate
    )


def test_every_kind_of_incident_happens_after_the_warm_up(played: Played) -> None:
    incidents = played.fleet.incidents
    assert set(KINDS) == {incident.kind for incident in incidents}
    everyone = [agent for incident in incidents for agent in incident.everyone]
    assert len(set(everyone)) == len(everyone)
    for incident in incidents:
        assert incident.started_at_us is not None
        assert incident.ended_at_us is not None
        assert START_US + 10e6 <= incident.started_at_us < incident.ended_at_us <= START_US + 30e6


def test_a_crashed_agent_says_nothing_and_leaves_nothing_open(played: Played) -> None:
    (crash,) = played.incidents("crash")
    assert crash.started_at_us is not None
    beats = played.beats_of(crash.agent)
    silence = (crash.started_at_us, crash.ended_at_us)
    stamps = [*beats.tolist(), *played.reports_of(crash.agent)[0].tolist()]
    stamps += [record.timestamp_us for record in played.records if record.agent == crash.agent]
    assert not [stamp for stamp in stamps if silence[0] < stamp < silence[1]]
    assert open_things(played.said_by(crash.agent)) == Counter()


def test_a_crashed_agent_may_come_back_as_a_new_session() -> None:
    conf = config(agents=400, rate=2_000.0)
    seeds = (play(config(agents=400, rate=2_000.0, seed=seed)) for seed in range(20))
    played = next(p for p in seeds if p.incidents("crash")[0].detail["comes_back"])
    (crash,) = played.incidents("crash")
    again = Counter(session.agent for session in played.fleet.agents.sessions)
    assert again[crash.agent] == 2
    assert len(again) == conf.agents
    beats = played.beats_of(crash.agent)
    assert crash.ended_at_us is not None
    assert abs(int(beats[beats >= crash.ended_at_us][0]) - crash.ended_at_us) < 50_000


def test_a_spike_stands_out_only_while_it_lasts(played: Played) -> None:
    (anomaly,) = played.incidents("metric_anomaly")
    stamps, values = played.reports_of(anomaly.agent)
    series = values[:, METRICS.index(anomaly.detail["metric"])]
    during = (stamps >= anomaly.started_at_us) & (stamps < anomaly.ended_at_us)
    assert series[during].min() > 2 * series[~during].max()


def test_late_beats_pause_and_resume(played: Played) -> None:
    (late,) = played.incidents("late_beats")
    beats = played.beats_of(late.agent)
    assert not ((beats > late.started_at_us) & (beats < late.ended_at_us)).any()
    assert (beats >= late.ended_at_us).sum() >= 2
    stamps, _ = played.reports_of(late.agent)
    assert ((stamps > late.started_at_us) & (stamps < late.ended_at_us)).any()


def test_all_agents_of_a_host_are_gone_at_once_and_back_at_once(played: Played) -> None:
    (outage,) = played.incidents("host_outage")
    hosts = played.fleet.agents.hosts
    assert outage.started_at_us is not None
    assert outage.ended_at_us is not None
    assert [i for i, host in enumerate(hosts) if host == outage.detail["host"]] == list(outage.agents)
    assert len(outage.agents) >= 3
    for agent in outage.agents:
        stamps = np.sort([*played.beats_of(agent), *played.reports_of(agent)[0]])
        assert not ((stamps > outage.started_at_us) & (stamps < outage.ended_at_us)).any()
        if outage.ended_at_us < START_US + 29e6:
            assert (stamps >= outage.ended_at_us).any()


def test_a_wedged_agent_beats_without_getting_anything_done(played: Played) -> None:
    (wedged,) = played.incidents("wedged")
    assert wedged.started_at_us is not None
    assert wedged.ended_at_us is not None
    rows = [(t.beats.timestamps_us, t.beats.progress) for t in played.ticks]
    masks = [t.beats.agents == wedged.agent for t in played.ticks]
    stamps = np.concatenate([stamp[mask] for (stamp, _), mask in zip(rows, masks, strict=True)])
    progress = np.concatenate([done[mask] for (_, done), mask in zip(rows, masks, strict=True)])
    during = (stamps > wedged.started_at_us) & (stamps < wedged.ended_at_us)
    assert during.sum() >= 5
    assert len(set(progress[during])) == 1
    assert len(set(progress[~during])) == (~during).sum()
    reports = played.reports_of(wedged.agent)[0]
    assert not ((reports > wedged.started_at_us) & (reports < wedged.ended_at_us)).any()


def test_no_clock_is_wrong_where_nobody_could_tell() -> None:
    fleet = Fleet(config(stamped=False))
    assert {incident.kind for incident in fleet.incidents} == set(KINDS) - {"clock_skew"}


def test_a_skewed_agent_stops_and_boots_with_a_wrong_clock(played: Played) -> None:
    (skewed,) = played.incidents("clock_skew")
    assert skewed.started_at_us is not None
    (goodbye,) = played.said_by(skewed.agent, "fleet.heartbeats")
    assert goodbye.fields["status"] == "stopping"
    off_us = -1e6 * skewed.detail["clock_skew_s"]
    assert 120e6 <= abs(off_us) <= 480e6
    sessions = [i for i, s in enumerate(played.fleet.agents.sessions) if s.agent == skewed.agent]
    first, second = (
        np.concatenate([t.beats.timestamps_us[t.beats.sessions == session] for t in played.ticks])
        for session in sessions
    )
    assert first.max() <= skewed.started_at_us == goodbye.timestamp_us
    assert 0 < second.min() - off_us - skewed.started_at_us < 1e6
    assert second.max() - off_us > START_US + 29e6


def test_a_lossy_network_loses_some_beats(played: Played) -> None:
    (lossy,) = played.incidents("lossy_network")
    beats = played.beats_of(lossy.agent)
    assert lossy.started_at_us is not None
    assert lossy.ended_at_us is not None
    due = (lossy.ended_at_us - lossy.started_at_us) / 1e6 / played.fleet.shares.beat_interval_s
    assert 0.35 * due < (beats >= lossy.started_at_us).sum() < 0.95 * due


def test_a_collapse_has_grave_violations_and_low_compliance(played: Played) -> None:
    (collapse,) = played.incidents("trust_collapse")
    said = played.said_by(collapse.agent, "fleet.violations")
    assert len(said) == collapse.detail["violations"] >= 20
    assert {record.fields["severity"] for record in said} <= {"high", "critical"}
    stamps, values = played.reports_of(collapse.agent)
    during = (stamps >= collapse.started_at_us) & (stamps < collapse.ended_at_us)
    compliance = values[:, METRICS.index("compliance_rate")]
    assert compliance[during].max() < 0.6
    assert compliance[~during].min() > 0.95
    counted = values[:, METRICS.index("violation_count")].sum()
    assert counted == len(said)
    named = [policies for tick in played.ticks for row, policies in tick.metrics.violated.items()
             if tick.metrics.agents[row] == collapse.agent]  # fmt: skip
    assert sum(map(len, named)) == len(said)


def open_things(said: list[Record]) -> Counter[str]:
    """What is wrong in a sequence of lifecycle events, counted by kind: written apart from the simulator."""
    wrong: Counter[str] = Counter()
    started, ended, tools, calls = set(), set(), {}, Counter[tuple[str, str]]()
    for record in said:
        fields = record.fields
        run, kind = fields["run_id"], fields["kind"]
        if kind == "agent_started":
            started.add(run)
        elif run not in started:
            wrong["missing_agent_started"] += 1
            started.add(run)
        if kind == "tool_executing":
            tools[fields["tool_call_id"]] = fields
            calls[run, fields["arguments_hash"]] += 1
        elif kind == "tool_completed" and tools.pop(fields["tool_call_id"], None) is None:
            wrong["orphan_tool_completed"] += 1
        elif kind == "agent_completed":
            ended.add(run)
    wrong["stuck_tool"] += len(tools)
    wrong["stale_thread"] += len(started - ended - {fields["run_id"] for fields in tools.values()})
    wrong["tool_loop"] += sum(count >= 3 for count in calls.values())
    return +wrong


def test_clean_agents_have_clean_traces_and_others_what_the_truth_says(played: Played) -> None:
    expected: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for incident in played.fleet.incidents:
        if incident.kind in (
            "stuck_tool",
            "orphan_tool_completed",
            "stale_thread",
            "missing_agent_started",
            "tool_loop",
        ):
            expected[incident.agent][incident.kind] += 1
    talkers = {record.agent for record in played.records if record.topic == "fleet.lifecycle"}
    assert len(talkers) > 8
    for agent in talkers:
        assert open_things(played.said_by(agent)) == expected[agent]


def test_high_latency_is_high_against_the_agents_own_baseline(played: Played) -> None:
    (slow,) = played.incidents("high_latency")
    latencies = [r.fields["latency_ms"] for r in played.said_by(slow.agent) if r.fields["kind"] == "tool_completed"]
    latencies.remove(slow.detail["latency_ms"])
    assert len(latencies) >= 3
    assert slow.detail["latency_ms"] > 5 * max(latencies)


def test_a_stop_in_the_middle_leaves_nothing_open() -> None:
    played = play(config(run_s=None, incidents=False), ticks=150)
    for agent in {record.agent for record in played.records if record.topic == "fleet.lifecycle"}:
        assert open_things(played.said_by(agent)) == Counter()


def test_a_run_without_end_gets_incidents_again_and_again() -> None:
    played = play(config(run_s=None, rate=120.0, tick_s=0.5), ticks=1_300)
    begun = Counter(i.kind for i in played.fleet.incidents if i.started_at_us is not None)
    assert min(begun[kind] for kind in KINDS) >= 2
    starts = [i.start_s for i in played.fleet.incidents]
    assert max(starts) > 300


def test_a_late_tick_fills_the_time_in_which_it_is_made() -> None:
    straight, late = Fleet(config()), Fleet(config())
    for number in range(100):
        window_us = (START_US + 5_000_000 + 2_000 * number, START_US + 5_000_000 + 2_000 * (number + 1))
        one, two = straight.step(), late.step(window_us)
        np.testing.assert_array_equal(one.beats.seqs, two.beats.seqs)
        np.testing.assert_array_equal(one.metrics.values, two.metrics.values)
        for rows in (two.beats, two.metrics):
            assert ((rows.timestamps_us >= window_us[0]) & (rows.timestamps_us <= window_us[1])).all()


def test_clean_series_stay_near_themselves() -> None:
    played = play(config(agents=20, rate=400.0, incidents=False))
    for agent in range(20):
        _, values = played.reports_of(agent)
        for name in ("response_time", "cpu_usage", "throughput", "memory_usage"):
            series = values[:, METRICS.index(name)]
            middle = np.median(series)
            assert np.abs(series - middle).max() < 0.75 * middle, name
