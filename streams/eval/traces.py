"""Lifecycle traces with known silent failures: turns of many agents, in the order in which they arrive.

A clean turn is started, thinks, calls one to three tools and is completed. Latencies are lognormal around a baseline of
the agent (standard deviation of the logarithm 0.1 to 0.3). `DISORDER` of the events arrive late by up to `LATE_S`,
`DOUBLES` arrive twice; the rest within 20 ms.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from streams.operators.silent import KINDS, Kind

START_S = 1_790_000_000.0
DISORDER = 0.01
DOUBLES = 0.002
LATE_S = 0.8
TOOL_FAILURES = 0.03
TURN_EVENTS = 8.0
_TOOLS = ("search", "fetch_page", "read_file", "query_database", "send_mail", "calculate")
COLUMNS: dict[str, Any] = {
    "timestamp": pl.Datetime("us", "UTC"),
    "agent_id": pl.String,
    "kind": pl.String,
    "run_id": pl.String,
    "thread_id": pl.String,
    "tool": pl.String,
    "tool_call_id": pl.String,
    "arguments_hash": pl.String,
    "deadline_s": pl.Float64,
    "latency_ms": pl.Float64,
    "status": pl.String,
    "claimed_health": pl.String,
}
_MORE = dict.fromkeys(list(COLUMNS)[5:])


@dataclass
class Trace:
    """`frame` in order of arrival, `arrived_s` of every row, `injected`: kind to the runs that fail so."""

    frame: pl.DataFrame
    arrived_s: list[float]
    injected: dict[Kind, set[str]] = field(default_factory=dict)


@dataclass
class _Turn:
    """The events of one turn as it goes on; `at_s` since the start."""

    rng: random.Random
    agent: str
    run: str
    base_ms: float
    spread: float
    at_s: float
    events: list[dict[str, Any]] = field(default_factory=list)

    def say(self, kind: str, after_s: float, **more: object) -> None:
        self.at_s += after_s
        where = {"agent_id": self.agent, "kind": kind, "run_id": self.run, "thread_id": f"{self.agent}-t"}
        self.events.append({"timestamp": self.at_s} | where | _MORE | more)

    def latency_ms(self) -> float:
        return self.base_ms * self.rng.lognormvariate(0.0, self.spread)

    def begin(self, *, said: bool = True) -> None:
        if said:
            self.say("agent_started", 0.0, claimed_health="healthy")
        self.say("agent_thinking", 0.02)

    def start(self, number: int, tool: str, arguments: str, deadline_s: float = 60.0) -> str:
        call = f"{self.run}-{number}"
        self.say("tool_executing", 0.01, tool=tool, tool_call_id=call, arguments_hash=arguments, deadline_s=deadline_s)
        return call

    def complete(self, call: str, tool: str, latency_ms: float) -> None:
        status = "failure" if self.rng.random() < TOOL_FAILURES else "success"
        self.say("tool_completed", latency_ms / 1e3, tool=tool, tool_call_id=call, latency_ms=latency_ms, status=status)

    def calls(self, count: int, arguments: str = "") -> None:
        tool = self.rng.choice(_TOOLS)
        for number in range(count):
            call = self.start(number, tool, arguments or f"{self.run}/{number}")
            self.complete(call, tool, self.latency_ms())

    def end(self) -> None:
        self.say("message_sent", 0.02)
        self.say("agent_completed", 0.01, status="success")


def _fail(turn: _Turn, kind: Kind) -> None:
    """Write the turn of a silent failure."""
    turn.begin(said=kind != "missing_agent_started")
    if kind == "stale_thread":
        return
    if kind == "stuck_tool":
        turn.start(0, turn.rng.choice(_TOOLS), turn.run, deadline_s=10.0)
        return
    if kind == "tool_loop":
        turn.calls(turn.rng.randint(3, 6), arguments="the same")
    elif kind == "orphan_tool_completed":
        turn.complete(f"{turn.run}-orphan", turn.rng.choice(_TOOLS), turn.latency_ms())
    elif kind == "high_latency":
        tool = turn.rng.choice(_TOOLS)
        turn.complete(turn.start(0, tool, turn.run), tool, 12 * turn.base_ms)
    else:
        turn.calls(2)
    turn.end()


def _turns(rng: random.Random, agents: int, events: int, each: int) -> Iterator[tuple[Kind | None, _Turn]]:
    """Turns of all agents, one after the other for each agent; failures in the second half of the time."""
    bases = [rng.uniform(50.0, 400.0) for _ in range(agents)]
    spreads = [rng.uniform(0.1, 0.3) for _ in range(agents)]
    rounds = max(int(events / TURN_EVENTS / agents), 4)
    failing = {(rng.randrange(rounds // 2, rounds), agent): kind for kind, agent in _victims(rng, agents, each)}
    for agent in range(agents):
        at_s = rng.random() * 10.0
        for number in range(rounds):
            kind = failing.get((number, agent))
            turn = _Turn(rng, f"agent-{agent}", f"r{agent}-{number}", bases[agent], spreads[agent], at_s)
            if kind is None:
                turn.begin()
                turn.calls(rng.choice((1, 2, 2, 3)))
                turn.end()
            else:
                _fail(turn, kind)
            yield kind, turn
            at_s = turn.at_s + rng.uniform(0.5, 3.0)


def _victims(rng: random.Random, agents: int, each: int) -> list[tuple[Kind, int]]:
    kinds = [kind for kind in KINDS for _ in range(each)]
    return list(zip(kinds, rng.sample(range(agents), len(kinds)), strict=True))


def make_trace(events: int, *, agents: int, each: int, seed: int) -> Trace:
    """About `events` lifecycle events of `agents` agents with `each` failures of every kind (0: a clean trace).

    Raises `ValueError` where there are fewer agents than failures.
    """
    rng = random.Random(seed)  # noqa: S311  # a simulation must repeat; secrets are none here
    arrivals: list[tuple[float, dict[str, Any]]] = []
    injected: dict[Kind, set[str]] = {}
    for kind, turn in _turns(rng, agents, events, each):
        if kind is not None:
            injected.setdefault(kind, set()).add(turn.run)
        for event in turn.events:
            late_s = rng.uniform(0.05, LATE_S) if rng.random() < DISORDER else rng.uniform(0.0, 0.02)
            arrivals.append((START_S + event["timestamp"] + late_s, event))
            if rng.random() < DOUBLES:
                arrivals.append((START_S + event["timestamp"] + late_s + rng.uniform(0.0, LATE_S), event))
    arrivals.sort(key=lambda arrival: arrival[0])
    frame = _frame([event for _, event in arrivals])
    return Trace(frame, [arrived_s for arrived_s, _ in arrivals], injected)


def _frame(events: list[dict[str, Any]]) -> pl.DataFrame:
    columns = {name: [event[name] for event in events] for name in COLUMNS if name != "timestamp"}
    times = [round((START_S + event["timestamp"]) * 1e6) for event in events]
    types = {name: dtype for name, dtype in COLUMNS.items() if name != "timestamp"}
    frame = pl.DataFrame(columns, schema=types)
    return frame.insert_column(0, pl.Series("timestamp", times, pl.Int64).cast(COLUMNS["timestamp"]))
