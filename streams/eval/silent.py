"""`fleetpulse eval silent`: the silent-failure operator on clean and on failing traces."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from streams.eval.traces import Trace, make_trace
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
    busy_s, looked_s = 0.0, trace.arrived_s[0]
    arrived_s = np.array(trace.arrived_s)
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


def evaluate(events: int, *, agents: int, each: int, seed: int) -> dict[str, object]:
    """Both traces; keys `clean` (events, false, events_per_s), `kinds` (injected, found)."""
    sys.stderr.write(f"a clean trace of {events:,} events, then one with {each} failures of every kind\n")
    clean_trace = make_trace(events, agents=agents, each=0, seed=seed)
    clean = run(clean_trace)
    failing_trace = make_trace(max(events // 5, agents * 40), agents=agents, each=each, seed=seed + 1)
    failing = run(failing_trace)
    injected = {run: kind for kind, runs in failing_trace.injected.items() for run in runs}
    found = {(finding.kind, finding.run_id) for finding in failing.findings}
    kinds = {
        kind: {
            "injected": len(failing_trace.injected[kind]),
            "found": sum((kind, run) in found for run in failing_trace.injected[kind]),
        }
        for kind in KINDS
    }
    stray = Counter(finding.kind for finding in failing.findings if finding.run_id not in injected)
    return {
        "clean": {
            "events": clean_trace.frame.height,
            "false": dict(Counter(finding.kind for finding in clean.findings)),
            "events_per_s": round(clean.events_per_s),
        },
        "kinds": kinds,
        "found": sum(entry["found"] == entry["injected"] for entry in kinds.values()),
        "false_beside_failures": dict(stray),
    }


def main(events: int, *, agents: int, each: int, seed: int, as_json: bool) -> None:
    """Evaluate and print."""
    outcome = evaluate(events, agents=agents, each=each, seed=seed)
    if as_json:
        sys.stdout.write(json.dumps(outcome) + "\n")
        return
    clean, kinds = outcome["clean"], outcome["kinds"]
    assert isinstance(clean, dict)
    assert isinstance(kinds, dict)
    console = Console()
    table = Table("kind", "injected", "found", title="silent failures")
    for kind, entry in kinds.items():
        table.add_row(kind, str(entry["injected"]), str(entry["found"]))
    console.print(table)
    console.print(f"kinds found wholly: {outcome['found']} of {len(KINDS)}")
    console.print(f"false findings on {clean['events']:,} clean events: {clean['false'] or 'none'}")
    console.print(f"false findings beside failures: {outcome['false_beside_failures'] or 'none'}")
    console.print(f"operator alone: {clean['events_per_s']:,} events/s")
