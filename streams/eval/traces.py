"""Lifecycle traces with known silent failures: turns of many agents, in the order in which they arrive.

A clean turn is started, thinks, calls one to three tools and is completed. Latencies are lognormal around a baseline of
the agent, of each of its tools where those differ. `DISORDER` of the events arrive late by up to `LATE_S`, `DOUBLES`
arrive twice; the rest within 20 ms. Made column by column: turns by slots, a slot being what a turn may say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.operators.silent import KINDS, Kind

START_S = 1_790_000_000.0
DISORDER = 0.01
DOUBLES = 0.002
LATE_S = 0.8
TOOL_FAILURES = 0.03
TURN_EVENTS = 8.0
LEARNING_TURNS = 20
"""That an agent has behind it before it fails: without a past nothing is far from usual."""
SLOWNESS = 12.0
"""What is injected as high latency, times the usual of the agent and its tool; as the simulator does."""
_TOOLS = ("search", "fetch_page", "read_file", "query_database", "send_mail", "calculate")
_MOST_CALLS = 6
_START, _THINK, _FIRST_CALL, _SENT, _END, _SLOTS = (
    0,
    1,
    2,
    2 + 2 * _MOST_CALLS,
    3 + 2 * _MOST_CALLS,
    4 + 2 * _MOST_CALLS,
)
_BEGINS: Final = slice(_FIRST_CALL, _SENT, 2)
_COMPLETES: Final = slice(_FIRST_CALL + 1, _SENT, 2)
_SAYS = (
    "agent_started", "agent_thinking", *("tool_executing", "tool_completed") * _MOST_CALLS, "message_sent",
    "agent_completed",
)  # fmt: skip
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
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Latencies:
    """Standard deviations of logarithms: of one tool's latencies (uniform from agent to agent), of an agent's tools."""

    least_spread: float = 0.1
    most_spread: float = 0.3
    tools_apart: float = 0.0


@dataclass
class Trace:
    """`frame` in order of arrival, `arrived_s` f8[rows], `injected`: kind to the runs that fail so."""

    frame: pl.DataFrame
    arrived_s: Floats
    injected: dict[Kind, set[str]] = field(default_factory=dict)


@dataclass
class _Turns:
    """All turns, those of an agent one after the other.

    `agent`, `number`, `tool`, `kind` i8[turns]: kind is an index into KINDS, -1 for a clean one. `said`
    b[turns, slots]: what it says. `latency_ms` f8[turns, calls]. `after_s` f8[turns, slots]: since what it said before.
    """

    agent: Ints
    number: Ints
    tool: Ints
    kind: Ints
    said: Bools
    latency_ms: Floats
    after_s: Floats

    def are(self, kind: Kind) -> Bools:
        """b[turns]: which fail so."""
        failing: Bools = self.kind == KINDS.index(kind)
        return failing


def least_events(agents: int) -> int:
    """Of a trace in which failures come after `LEARNING_TURNS`."""
    return int(agents * TURN_EVENTS * 2 * LEARNING_TURNS)


def make_trace(events: int, *, agents: int, each: int, seed: int, latencies: Latencies | None = None) -> Trace:
    """About `events` lifecycle events of `agents` agents with `each` failures of every kind (0: a clean trace).

    A trace with failures has at least `least_events`. Raises `ValueError` where there are fewer agents than failures.
    """
    rng = np.random.default_rng(seed)
    least = 2 * LEARNING_TURNS if each else 4
    turns = _turns(rng, agents, max(int(events / TURN_EVENTS / agents), least), each, latencies or Latencies())
    at_s = _times(rng, turns, agents)
    row, slot = np.nonzero(turns.said)
    event_s = at_s[row, slot]
    late_s = np.where(
        rng.random(len(row)) < DISORDER, rng.uniform(0.05, LATE_S, len(row)), rng.uniform(0, 0.02, len(row))
    )
    arrived_s = START_S + event_s + late_s
    twice = np.flatnonzero(rng.random(len(row)) < DOUBLES)
    arrived_s = np.concatenate([arrived_s, arrived_s[twice] + rng.uniform(0.0, LATE_S, len(twice))])
    order = np.argsort(arrived_s, kind="stable")
    frame = _frame(rng, turns, row, slot, event_s)[np.concatenate([np.arange(len(row)), twice])[order]]
    runs = _run_ids(turns)
    injected = {kind: set(runs.filter(pl.Series(turns.are(kind)))) for kind in KINDS if turns.are(kind).any()}
    return Trace(frame, arrived_s[order], injected)


def _turns(rng: np.random.Generator, agents: int, rounds: int, each: int, latencies: Latencies) -> _Turns:
    """Failures come in the second half, one an agent, of a tool that the agent has used before."""
    count = agents * rounds
    kind = np.full(count, -1)
    victims = rng.choice(agents, each * len(KINDS), replace=False)
    failing = victims * rounds + rng.integers(rounds // 2, rounds, len(victims))
    kind[failing] = np.repeat(np.arange(len(KINDS)), each)
    agent, number = np.divmod(np.arange(count), rounds)
    tool = rng.integers(0, len(_TOOLS), count)
    tool[failing] = tool[failing - 1]
    usual_ms = rng.uniform(50.0, 400.0, (agents, 1)) * np.exp(
        latencies.tools_apart * rng.normal(size=(agents, len(_TOOLS)))
    )
    spread = rng.uniform(latencies.least_spread, latencies.most_spread, agents)[agent, None]
    latency_ms = usual_ms[agent, tool, None] * np.exp(spread * rng.normal(size=(count, _MOST_CALLS)))
    slow = kind == KINDS.index("high_latency")
    latency_ms[slow] = SLOWNESS * usual_ms[agent[slow], tool[slow], None]
    said, after_s = _said(rng, kind), _pauses(latency_ms)
    return _Turns(agent, number, tool, kind, said, latency_ms, after_s)


def _said(rng: np.random.Generator, kind: Ints) -> Bools:
    """b[turns, slots]: what a clean turn says, less what its failure leaves out."""
    of = {name: kind == index for index, name in enumerate(KINDS)}
    calls = rng.choice([1, 2, 2, 3], len(kind))
    calls[of["tool_loop"]] = rng.integers(3, _MOST_CALLS + 1, int(of["tool_loop"].sum()))
    calls[of["stale_thread"]] = 0
    calls[of["stuck_tool"] | of["orphan_tool_completed"] | of["high_latency"]] = 1
    said = np.ones((len(kind), _SLOTS), np.bool_)
    said[:, _BEGINS] = said[:, _COMPLETES] = np.arange(_MOST_CALLS) < calls[:, None]
    said[of["missing_agent_started"], _START] = False
    said[of["orphan_tool_completed"], _BEGINS] = False
    said[of["stuck_tool"], _COMPLETES] = False
    said[of["stuck_tool"] | of["stale_thread"], _SENT:] = False
    return said


def _pauses(latency_ms: Floats) -> Floats:
    """f8[turns, slots], s since what the turn said before."""
    after_s = np.full((len(latency_ms), _SLOTS), 0.01)
    after_s[:, _START] = 0.0
    after_s[:, [_THINK, _SENT]] = 0.02
    after_s[:, _COMPLETES] = latency_ms / 1e3
    return after_s


def _times(rng: np.random.Generator, turns: _Turns, agents: int) -> Floats:
    """f8[turns, slots], s since the start of the trace."""
    within_s = np.cumsum(turns.after_s * turns.said, axis=1)
    lasts_s = (within_s[:, -1] + rng.uniform(0.5, 3.0, len(within_s))).reshape(agents, -1)
    begins_s = np.cumsum(lasts_s, axis=1) - lasts_s + rng.uniform(0.0, 10.0, (agents, 1))
    times_s: Floats = begins_s.reshape(-1, 1) + within_s
    return times_s


def _run_ids(turns: _Turns) -> pl.Series:
    numbers = pl.DataFrame({"agent": turns.agent, "number": turns.number})
    return numbers.select(pl.format("r{}-{}", "agent", "number")).to_series()


def _frame(rng: np.random.Generator, turns: _Turns, row: Ints, slot: Ints, event_s: Floats) -> pl.DataFrame:
    """The events of turns `row`, as they are said in slots `slot`."""
    call = np.maximum(slot - _FIRST_CALL, 0) // 2
    of_tool, completes = (slot >= _FIRST_CALL) & (slot < _SENT), np.isin(slot, np.arange(_SLOTS)[_COMPLETES])
    numbers = pl.DataFrame({
        "timestamp": np.round((START_S + event_s) * 1e6).astype(np.int64),
        "agent": turns.agent[row],
        "kind": pl.Series(_SAYS)[slot],
        "run_id": _run_ids(turns)[row],
        "tool": pl.Series(_TOOLS)[turns.tool[row]],
        "call": call,
        "loops": turns.are("tool_loop")[row],
        "deadline_s": np.where(turns.are("stuck_tool")[row], 10.0, 60.0),
        "latency_ms": turns.latency_ms[row, np.minimum(call, _MOST_CALLS - 1)],
        "of_tool": of_tool,
        "begins": of_tool & ~completes,
        "completes": completes,
        "ends": slot == _END,
        "fails": rng.random(len(row)) < TOOL_FAILURES,
        "starts": slot == _START,
    })  # fmt: skip
    call_id = pl.format("{}-{}", "run_id", "call")
    status = pl.when("ends").then(pl.lit("success")).when("completes")
    return numbers.select(
        timestamp=pl.col("timestamp").cast(COLUMNS["timestamp"]),
        agent_id=pl.format("agent-{}", "agent"),
        kind="kind",
        run_id="run_id",
        thread_id=pl.format("agent-{}-t", "agent"),
        tool=pl.when("of_tool").then("tool"),
        tool_call_id=pl.when("of_tool").then(call_id),
        arguments_hash=pl.when("begins").then(pl.when("loops").then(pl.lit("the same")).otherwise(call_id)),
        deadline_s=pl.when("begins").then("deadline_s"),
        latency_ms=pl.when("completes").then("latency_ms"),
        status=status.then(pl.when("fails").then(pl.lit("failure")).otherwise(pl.lit("success"))),
        claimed_health=pl.when("starts").then(pl.lit("healthy")),
    )
