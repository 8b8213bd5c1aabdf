"""`fleetpulse eval silent`: the silent-failure operator on clean and on failing traces."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from streams.eval.traces import Latencies, Trace, least_events, make_trace
from streams.operators import silent
from streams.operators.silent import KINDS, Finding, SilentConfig, State

_BATCH = 5_000
_TICK_S = 0.3
_DRAIN_S = 200.0
"""Longer than the longest patience of the operator: a thread counts as stale after two minutes at most."""


@dataclass(frozen=True)
class Outcome:
    """Findings of a trace, and how many events a second `update` alone took in."""

    findings: list[Finding]
    events_per_s: float


def run(trace: Trace, config: SilentConfig | None = None) -> Outcome:
    """Feed a trace to the operator as a stream worker does: batches as they arrive, a look at deadlines every tick."""
    config = config or SilentConfig()
    state: State = {}
    findings: list[Finding] = []
    busy_s, looked_s = 0.0, float(trace.arrived_s[0])
    arrived_s = trace.arrived_s
    begin = 0
    while begin < len(arrived_s):
        end = min(int(np.searchsorted(arrived_s, looked_s + _TICK_S, side="right")), begin + _BATCH)
        if end > begin:
            began_s = time.perf_counter()
            findings += silent.update(config, state, trace.frame[begin:end], float(arrived_s[end - 1]))
            busy_s += time.perf_counter() - began_s
            begin = end
        if begin < len(arrived_s) and arrived_s[begin] > looked_s + _TICK_S:
            looked_s += _TICK_S
            findings += silent.scan(config, state, looked_s)
    last_s = float(arrived_s[-1])
    for step in range(int(_DRAIN_S)):
        findings += silent.scan(config, state, last_s + step)
    return Outcome(findings, len(arrived_s) / busy_s)


@dataclass(frozen=True)
class Score:
    """What came of one seed, or of several together.

    `false`: findings on `events` clean events. `injected`, `found`: failures by kind; `stray`: false ones beside
    them. `events_per_s`: `update` alone.
    """

    events: int
    false: Counter[str]
    injected: Counter[str]
    found: Counter[str]
    stray: Counter[str]
    events_per_s: float

    def as_json(self) -> dict[str, object]:
        """Keys `clean` (events, false, events_per_s), `kinds` (injected, found), `found`, `false_beside_failures`."""
        kinds = {kind: {"injected": self.injected[kind], "found": self.found[kind]} for kind in KINDS}
        return {
            "clean": {"events": self.events, "false": dict(self.false), "events_per_s": round(self.events_per_s)},
            "kinds": kinds,
            "found": sum(entry["found"] == entry["injected"] for entry in kinds.values()),
            "false_beside_failures": dict(self.stray),
        }


def evaluate(events: int, *, agents: int, each: int, seed: int, latencies: Latencies | None = None) -> Score:
    """A clean trace, then a fifth as many events with `each` failures of every kind."""
    clean_trace = make_trace(events, agents=agents, each=0, seed=seed, latencies=latencies)
    clean = run(clean_trace)
    failing_events = max(events // 5, least_events(agents))
    failing_trace = make_trace(failing_events, agents=agents, each=each, seed=seed + 1_000_000, latencies=latencies)
    failing = run(failing_trace).findings
    runs = {run for of_kind in failing_trace.injected.values() for run in of_kind}
    found = {(finding.kind, finding.run_id) for finding in failing}
    return Score(
        events=clean_trace.frame.height,
        false=Counter(finding.kind for finding in clean.findings),
        injected=Counter({kind: len(of_kind) for kind, of_kind in failing_trace.injected.items()}),
        found=Counter({k: sum((k, run) in found for run in of_kind) for k, of_kind in failing_trace.injected.items()}),
        stray=Counter(finding.kind for finding in failing if finding.run_id not in runs),
        events_per_s=clean.events_per_s,
    )


def together(scores: Iterable[Score]) -> Score:
    """The sum over seeds; of speeds the mean."""
    scores = list(scores)
    return Score(
        events=sum(score.events for score in scores),
        false=sum((score.false for score in scores), Counter()),
        injected=sum((score.injected for score in scores), Counter()),
        found=sum((score.found for score in scores), Counter()),
        stray=sum((score.stray for score in scores), Counter()),
        events_per_s=sum(score.events_per_s for score in scores) / len(scores),
    )


def main(
    events: int, *, agents: int, each: int, seed: int, seeds: int, as_json: bool, latencies: Latencies | None = None
) -> None:
    """Evaluate for `seeds` seeds from `seed` on, and print the sum."""
    scores = []
    for number in range(seed, seed + seeds):
        sys.stderr.write(
            f"seed {number}: a clean trace of {events:,} events, then one with {each} failures of each kind\n"
        )
        scores.append(evaluate(events, agents=agents, each=each, seed=number, latencies=latencies))
    score = together(scores)
    if as_json:
        sys.stdout.write(json.dumps(score.as_json() | {"seeds": seeds}) + "\n")
    else:
        _print(score)


def _print(score: Score) -> None:
    console = Console()
    table = Table("kind", "injected", "found", title="silent failures")
    for kind in KINDS:
        table.add_row(kind, str(score.injected[kind]), str(score.found[kind]))
    console.print(table)
    console.print(
        f"kinds found wholly: {sum(score.found[kind] == score.injected[kind] for kind in KINDS)} of {len(KINDS)}"
    )
    console.print(f"false findings on {score.events:,} clean events: {dict(score.false) or 'none'}")
    console.print(f"false findings beside failures: {dict(score.stray) or 'none'}")
    console.print(f"operator alone: {score.events_per_s:,.0f} events/s")
