"""`fleetpulse bench rules`: what rules cost beside the operators: summaries, evidence, a batch judged, budgets.

A partition of 25,000 agents of 20 tenants, 100 deployments, 500 hosts and 5 gateways; batches of 10,000 reports of 16
metrics. Times are CPU time of the thread that works, the median of rounds: other processes change little in them. A
summary is of a second in which every tenth agent had evidence. The peers do the same sums, or the same comparisons,
by what one would write first: Polars group_by over each kind of group, a loop over rows.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.console import Console

from schemas.catalogue import METRICS
from streams.evidence import note_reports
from streams.operators import anomaly, trust
from streams.operators.arrays import SlotArrays
from streams.operators.heartbeat import Status
from streams.outputs import Outputs
from streams.pipeline import Pipeline, PipelineConfig
from streams.rules.load import default_pack, parse_pack
from streams.rules.model import Pack
from streams.state.partition import Owner, PartitionState

AGENTS, EVENTS, ROUNDS = 25_000, 10_000, 15
SUMMARY_MS_BAR, EVIDENCE_US_BAR = 3.0, 0.15
_NOW_S = 1_790_000_000.0
_SPEND = """
version: 1
rules: [{name: spend, kind: budget, metric: "custom:cost", of: tenant, limit: 50, window: 1h}]
"""
Doubles = npt.NDArray[np.float64]


class World:
    """One partition with its agents known and online, and reports that change nothing of the alerts."""

    def __init__(self, pack: Pack) -> None:
        self.line = Pipeline(replace(PipelineConfig(), rules=pack))
        self.state: PartitionState = self.line.restore(0)
        self.rng = np.random.default_rng(1)
        self.ids = pl.Series("agent_id", [f"agent-{number:05d}" for number in range(AGENTS)])
        self.slots = self.state.agents.assign(self.ids)
        self.state.owners += [
            Owner(f"tenant-{n % 20}", f"deployment-{n % 100}", f"host-{n % 500}", f"gateway-{n % 5}")
            for n in range(AGENTS)
        ]
        self.state.publishing.reserve(AGENTS)
        self.state.agents.arrays["heartbeat"]["status"][:AGENTS] = Status.ONLINE
        self.now_s = _NOW_S
        self.prove(self.slots, 1000.0)

    def prove(self, slots: npt.NDArray[np.int32], checks: float = 5.0) -> None:
        """Good evidence of some agents, as of now."""
        many = np.full(slots.size, checks)
        arrays, times = self.state.agents.arrays["trust"], np.full(slots.size, self.now_s)
        trust.update(self.line.config.trust, arrays, slots, many, np.zeros(slots.size), times)
        self.state.standings.touch(slots)

    def some(self, count: int) -> npt.NDArray[np.int32]:
        """Slots of agents, none twice."""
        return self.rng.permutation(AGENTS)[:count].astype(np.int32)

    def values(self) -> Doubles:
        """Reports f8[EVENTS, 16] within all limits."""
        found = self.rng.uniform(1, 50, (EVENTS, len(METRICS)))
        found[:, METRICS.index("error_rate")] = 0.01
        found[:, METRICS.index("success_rate")] = 99.0
        return found


def _timed_ms(work: Callable[[], object], rounds: int, before: Callable[[], None] = lambda: None) -> float:
    """Median CPU time of a call in ms; `before` is not counted."""
    taken = []
    for _ in range(rounds):
        before()
        began = time.thread_time_ns()
        work()
        taken.append((time.thread_time_ns() - began) / 1e6)
    return statistics.median(taken)


def summary_ms(rounds: int) -> float:
    """One summary of the partition in a second in which a tenth of the agents had evidence."""
    world = World(default_pack())

    def pass_second() -> None:
        world.now_s += 1.0
        world.prove(world.some(AGENTS // 10))

    def summarise() -> None:
        line = world.line
        line.signals.summary(world.state, line.config.trust, world.now_s, Outputs(), at_once=False)

    summarise()
    return _timed_ms(summarise, rounds, pass_second)


def grouped_by_polars_ms(rounds: int) -> float:
    """The same sums by group_by, one for each kind of group, on one thread's worth of scores that are given."""
    world = World(default_pack())
    owners = world.state.owners
    frame = pl.DataFrame(
        {
            "status": np.full(AGENTS, int(Status.ONLINE), np.uint8),
            "trust": world.rng.uniform(0.5, 1, AGENTS),
            **{name: world.rng.uniform(0, 9, AGENTS) for name in ("compliant", "violating", "violations")},
            "tenant": [owner.user_id for owner in owners],
            "deployment": [owner.deployment_id for owner in owners],
            "host": [owner.host for owner in owners],
            "gateway": [owner.gateway for owner in owners],
        }
    )
    counts = [(pl.col("status") == int(one)).sum().alias(one.name) for one in Status]
    sums = [pl.col(name).sum() for name in ("trust", "compliant", "violating", "violations")]

    def group() -> None:
        line = world.line
        trust.read(line.config.trust, world.state.agents.arrays["trust"], world.slots, world.now_s)
        for kind in ("tenant", "deployment", "host", "gateway"):
            frame.group_by(kind).agg(*counts, *sums)
        frame.select(*counts, *sums)

    taken = []
    for _ in range(rounds):
        began = time.process_time_ns()  # its threads work for it
        group()
        taken.append((time.process_time_ns() - began) / 1e6)
    return statistics.median(taken)


def evidence_us(rounds: int) -> float:
    """Reliability and behaviour of a batch of reports, per event."""
    world, none = World(default_pack()), _no_flags()
    values, times = world.values(), np.full(EVENTS, _NOW_S)
    slots = world.some(EVENTS)
    arrays = world.state.agents.arrays["trust"]

    def note() -> None:
        note_reports(world.line.config.trust, arrays, slots, values, none, times)

    note()
    return _timed_ms(note, rounds) * 1000 / EVENTS


def _no_flags() -> anomaly.Flags:
    config = anomaly.AnomalyConfig()
    arrays = SlotArrays(anomaly.fields(1), 1)
    return anomaly.update(config, arrays, np.zeros(0, np.int32), np.zeros((0, 1)), np.zeros(0))


def judged_ms(rounds: int) -> float:
    """The default pack over a batch of reports of which none is beyond a limit."""
    world = World(default_pack())
    values, slots = world.values(), world.some(EVENTS)
    ids, times = world.ids.gather(slots), np.full(EVENTS, _NOW_S)

    def judge() -> None:
        world.line.signals.values(world.state, "agents", METRICS, ids, slots, values, times, _NOW_S, Outputs())

    judge()
    return _timed_ms(judge, rounds)


def judged_by_a_loop_ms(rounds: int) -> float:
    """The same limits, row by row in Python, without memory of what fires."""
    world = World(default_pack())
    looked = world.line.signals.engine.columns("agents", METRICS)[0]
    limits = [(column, rule.side, rule.limits[-1][1]) for rule, column in looked]
    rows = world.values().tolist()

    def judge() -> int:
        return sum(1 for row in rows for column, side, limit in limits if side * (row[column] - limit) > 0)

    return _timed_ms(judge, rounds)


def budgets_ms(rounds: int) -> float:
    """One budget over a batch of which every report says what it cost."""
    world = World(parse_pack(_SPEND, "bench"))
    slots = world.some(EVENTS)
    costs = pl.Series([[{"name": "cost", "value": 0.01}]] * EVENTS)
    frame = pl.DataFrame({"agent_id": world.ids.gather(slots), "custom": costs})

    def add() -> None:
        world.line.signals.spending(world.state, "fleet.metrics", frame, slots, np.full(EVENTS, world.now_s))

    add()
    return _timed_ms(add, rounds)


def measure() -> dict[str, Any]:
    """All figures: CPU time in the unit that the name says."""
    rounds = ROUNDS
    found: dict[str, Any] = {
        "agents": AGENTS,
        "events_a_batch": EVENTS,
        "summary_ms": summary_ms(rounds),
        "summary_by_polars_ms": grouped_by_polars_ms(rounds),
        "evidence_us_per_event": evidence_us(rounds),
        "rules_ms_per_batch": judged_ms(rounds),
        "rules_by_a_loop_ms_per_batch": judged_by_a_loop_ms(rounds),
        "budget_ms_per_batch": budgets_ms(rounds),
    }
    found["summary_ratio_to_polars"] = found["summary_by_polars_ms"] / found["summary_ms"]
    found["rules_ratio_to_loop"] = found["rules_by_a_loop_ms_per_batch"] / found["rules_ms_per_batch"]
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in found.items()}


def main(json_output: bool) -> None:
    """Print the figures as lines, or as one JSON object."""
    found = measure()
    if json_output:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    console = Console(highlight=False)
    console.print(
        f"summary of {found['agents']:,} agents: {found['summary_ms']} ms a second (bar {SUMMARY_MS_BAR:g}); "
        f"by Polars' group_by {found['summary_by_polars_ms']} ms, {found['summary_ratio_to_polars']} times ours"
    )
    console.print(f"evidence of reports: {found['evidence_us_per_event']} us an event (bar {EVIDENCE_US_BAR:g})")
    console.print(
        f"default pack over {found['events_a_batch']:,} reports: {found['rules_ms_per_batch']} ms; "
        f"row by row {found['rules_by_a_loop_ms_per_batch']} ms, {found['rules_ratio_to_loop']} times ours"
    )
    console.print(f"a budget over {found['events_a_batch']:,} reports: {found['budget_ms_per_batch']} ms")
