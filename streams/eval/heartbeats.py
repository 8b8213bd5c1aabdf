"""`fleetpulse eval heartbeats`: how long the shipped detector waits for a silent agent, and how often it is wrong.

The fleets of the bars, and one without a bar, beat for agent-years of simulated time. Nobody ever dies in them, so
whoever is given up before its next beat arrives is a false suspicion. The wait is what it would take to notice a death
right after a beat. Both are counted from the first beat on, the time in which an agent is learned included.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

from infra.runtime.narrow import Narrowable, wide_console
from streams.eval.fleets import LOSSY, MIXED, STANDARD, START_S, YEAR_S, Fleet
from streams.eval.watchers import FixedTimeout, PhiAccrual, PhiAccrualConfig, Production, StartingPoint, Watcher
from streams.operators import heartbeat
from streams.operators.arrays import SlotArrays

AGENTS = 4096
SCAN_AGENTS = 100_000
BAR_SCAN_MS = 1.0
FIXED_INTERVALS = (4.0, 5.0, 5.5, 6.0)


@dataclass(frozen=True)
class Bar:
    """What a fleet asks for: `timeout` in intervals, `false` suspicions an agent-year, both at most; inf = no bar."""

    fleet: Fleet
    timeout: float = math.inf
    false: float = math.inf

    def as_json(self) -> dict[str, float] | None:
        """Both limits; None where there is no bar."""
        if math.isinf(self.timeout):
            return None
        return {"mean_timeout_intervals": self.timeout, "false_per_agent_year": self.false}


SHIPPED = heartbeat.HeartbeatConfig()
BARS = (Bar(STANDARD, 4.5, 1.0), Bar(MIXED, 4.0, 25.0), Bar(LOSSY))


@dataclass
class Measured:
    """Sums of one watcher: `waits_s` over all beats, `beats`, `false` suspicions; agent-`years` watched."""

    name: str
    interval_s: float
    years: float
    waits_s: float = 0.0
    beats: int = 0
    false: int = 0

    @property
    def timeout(self) -> float:
        """Mean wait for the next beat, intervals."""
        return self.waits_s / self.beats / self.interval_s

    @property
    def false_a_year(self) -> float:
        """False suspicions an agent-year."""
        return self.false / self.years

    def as_json(self) -> dict[str, float]:
        """Both figures, and what they rest on."""
        return {
            "mean_timeout_intervals": round(self.timeout, 4),
            "false_per_agent_year": round(self.false_a_year, 4),
            "false": self.false,
            "beats": self.beats,
        }


@dataclass(frozen=True)
class FleetReport:
    """One fleet: its bar and what every watcher measured, the production operator first."""

    bar: Bar
    measured: Sequence[Measured]

    @property
    def met(self) -> bool:
        """Whether the production operator meets both bars."""
        ours = self.measured[0]
        return ours.timeout <= self.bar.timeout and ours.false_a_year <= self.bar.false

    def as_json(self) -> dict[str, Any]:
        """The bar, whether it is met, and each watcher."""
        ours, *peers = self.measured
        return {
            **ours.as_json(),
            "agent_years": round(ours.years, 3),
            "bar": self.bar.as_json(),
            "met": self.met,
            "peers": {peer.name: peer.as_json() for peer in peers},
        }


def watchers_of(config: heartbeat.HeartbeatConfig, agents: int, interval_s: float) -> list[Watcher]:
    """The production operator, then its peers."""
    return [
        Production(config, agents, interval_s),
        StartingPoint(agents, interval_s),
        *(FixedTimeout(intervals, agents, interval_s) for intervals in FIXED_INTERVALS),
        PhiAccrual(PhiAccrualConfig(), agents, interval_s),
    ]


def measure(
    bar: Bar, watchers: Sequence[Watcher], agents: int, rounds: int, seed: int, tell: Callable[[float], None]
) -> FleetReport:
    """Let the fleet of `bar` beat for `rounds` intervals under all watchers at once; `tell` gets the share done."""
    interval_s = bar.fleet.interval_s
    years = agents * rounds * interval_s / YEAR_S
    measured = [Measured(watcher.name, interval_s, years) for watcher in watchers]
    for number, arrival_s in enumerate(bar.fleet.arrivals(agents, rounds, seed)):
        slots = np.flatnonzero(np.isfinite(arrival_s)).astype(np.int32)
        at_s = arrival_s[slots]
        for watcher, sums in zip(watchers, measured, strict=True):
            sums.false += int(np.count_nonzero(watcher.deadline_s[slots] < at_s))
            watcher.beat(slots, at_s)
            sums.waits_s += float((watcher.deadline_s[slots] - at_s).sum())
            sums.beats += slots.size
        if number % 256 == 0:
            tell(number / rounds)
    return FleetReport(bar, measured)


def scan_ms(config: heartbeat.HeartbeatConfig, agents: int = SCAN_AGENTS, rounds: int = 51) -> float:
    """Median time of a scan of the deadlines of `agents`, none of which has passed, ms.

    Raises:
        AssertionError: the operator gave somebody up a second after its beat.
    """
    watched = Production(config, agents, 30.0)
    watched.beat(np.arange(agents, dtype=np.int32), np.full(agents, START_S))
    taken_s = [_scan_s(config, watched.arrays, agents) for _ in range(rounds)]
    return float(np.median(taken_s)) * 1e3


def _scan_s(config: heartbeat.HeartbeatConfig, arrays: SlotArrays, agents: int) -> float:
    begin_s = time.perf_counter()
    found = heartbeat.scan(config, arrays, agents, START_S + 1)
    taken_s = time.perf_counter() - begin_s
    if len(found):
        raise AssertionError("an agent was given up a second after its beat")
    return taken_s


def rounds_for(years: float, agents: int, interval_s: float) -> int:
    """Beats of every agent that make up so many agent-years."""
    return max(1, int(np.ceil(years * YEAR_S / interval_s / agents)))


def _table(report: FleetReport) -> Table:
    bar, fleet = report.bar, report.bar.fleet
    title = f"{fleet.name} fleet: {len(fleet.classes)} kind(s) of loss, {report.measured[0].years:.1f} agent-years"
    table = Table(title=title)
    table.add_column("detector")
    table.add_column("mean timeout, intervals", justify="right")
    table.add_column("false suspicions an agent-year", justify="right")
    for found in report.measured:
        table.add_row(found.name, f"{found.timeout:.2f}", f"{found.false_a_year:.2f}")
    if math.isinf(bar.timeout):
        return table
    table.add_section()
    table.add_row(f"bar ({'met' if report.met else 'MISSED'})", f"<= {bar.timeout:g}", f"<= {bar.false:g}")
    return table


def _telling(fleet: str) -> Callable[[float], None]:
    def tell(share: float) -> None:
        if sys.stderr.isatty():  # a log has no use for a line that is written over
            sys.stderr.write(f"\r{fleet} fleet: {share:4.0%} ")
            sys.stderr.flush()

    return tell


def main(
    years: float,
    seed: int,
    *,
    as_json: bool,
    bars: Sequence[Bar] = BARS,
    agents: int = AGENTS,
    config: heartbeat.HeartbeatConfig = SHIPPED,
) -> None:
    """Measure the fleets of `bars` and the scan, and print. `agents` of each beat until they make up `years`."""
    reports = []
    for bar in bars:
        rounds = rounds_for(years, agents, bar.fleet.interval_s)
        watchers = watchers_of(config, agents, bar.fleet.interval_s)
        reports.append(measure(bar, watchers, agents, rounds, seed, _telling(bar.fleet.name)))
        if sys.stderr.isatty():
            sys.stderr.write("\n")
    took_ms = scan_ms(config)
    if as_json:
        fleets = {report.bar.fleet.name: report.as_json() for report in reports}
        scan = {"agents": SCAN_AGENTS, "ms": round(took_ms, 4), "bar_ms": BAR_SCAN_MS, "met": took_ms < BAR_SCAN_MS}
        sys.stdout.write(json.dumps({**fleets, "scan": scan, "seed": seed, "phi": config.phi}) + "\n")
        return
    for report in reports:
        wide_console().print(Narrowable(_table(report)))
    wide_console().print(f"deadline scan of {SCAN_AGENTS:,} agents: {took_ms:.3f} ms (bar < {BAR_SCAN_MS:g} ms)")
