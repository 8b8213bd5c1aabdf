"""Silent failures: what an agent's lifecycle events show though nobody reported it.

Besides them `health_mismatch`: what the agent claims of its health is refuted by what its events show (`claims`).

Six kinds. `orphan_tool_completed`: a tool completed that never started. `stuck_tool`: a tool is past its deadline.
`stale_thread`: a turn is open and nothing is said, for much longer than this agent is ever silent within a turn.
`missing_agent_started`: a turn whose beginning never came. `high_latency`: far above the agent's own baseline.
`tool_loop`: the same tool with the same arguments again and again within a turn.

Events may come late, double and out of order: what would be a failure only because something has not come yet is held
back for `grace_s` of the caller's clock after it was seen, and is forgotten if the missing part comes. The state of an
agent is a dict of JSON-able values. Times in it are seconds since the epoch: `t` is event time, `seen` the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypedDict

import polars as pl

from streams.operators.claims import (
    ClaimConfig,
    Outcomes,
    failing_bounds,
    judge,
    new_outcomes,
    note_claim,
    note_outcome,
)
from streams.operators.times import seconds

Kind = Literal[
    "orphan_tool_completed", "stuck_tool", "stale_thread", "missing_agent_started", "high_latency", "tool_loop"
]
KINDS: tuple[Kind, ...] = (
    "orphan_tool_completed",
    "stuck_tool",
    "stale_thread",
    "missing_agent_started",
    "high_latency",
    "tool_loop",
)
HEALTH_MISMATCH: Literal["health_mismatch"] = "health_mismatch"
FindingKind = Kind | Literal["health_mismatch"]
_NEVER = math.inf


@dataclass(frozen=True)
class SilentConfig:
    """`grace_s`: hold-back for late events. `tool_deadline_s`: for tools that state none.

    `stale_factor`: a turn is stale after so many times the agent's longest usual silence, within `stale_least_s` and
    `stale_most_s`; `stale_most_s` also as long as fewer than `learn_from` silences are known. `latency_z`,
    `latency_ratio`, `latency_least_ms`: a latency is high when it is above all three: standard deviations of the
    logarithm, times the baseline, milliseconds more than the baseline. `loop_times`: equal calls that make a loop.
    `keep_s`: how long a finished turn or call is remembered, so that late and double events find it. `claims`: when
    events refute a claim.
    """

    grace_s: float = 1.0
    tool_deadline_s: float = 60.0
    stale_factor: float = 10.0
    stale_least_s: float = 5.0
    stale_most_s: float = 120.0
    learn_from: int = 10
    latency_z: float = 4.5
    latency_ratio: float = 3.0
    latency_least_ms: float = 50.0
    loop_times: int = 3
    keep_s: float = 900.0
    claims: ClaimConfig = field(default_factory=ClaimConfig)


class Call(TypedDict):
    """One execution of a tool. `begun`, `ended`: the event was seen; `due`: when it counts as failed, inf = never."""

    t: float
    seen: float
    run: str
    thread: str
    tool: str
    begun: bool
    ended: bool
    deadline_s: float
    reported: bool


class Turn(TypedDict):
    """One run. `calls`: tool and arguments to the ids of calls, until a loop was reported."""

    t: float
    last: float
    seen: float
    thread: str
    started: bool
    ended: bool
    reported: bool
    stale: bool
    calls: dict[str, list[str]]


class Baseline(TypedDict):
    """Logarithm of latencies in ms: decayed mean and variance, and how many were seen."""

    mean: float
    variance: float
    count: int


class AgentState(TypedDict):
    """What is known of one agent. `silence_s`: decayed longest pause within a turn; `due`: when to look again."""

    calls: dict[str, Call]
    turns: dict[str, Turn]
    latency: dict[str, Baseline]
    silence_s: float
    silences: int
    claimed: str | None
    outcomes: Outcomes
    due: float
    prune: float


State = dict[str, AgentState]
"""State by agent id; JSON-able as it is (inf included, as Python's json writes it)."""


class Finding(NamedTuple):
    """A silent failure. `event_time_s`: of the event it began with; `due_s`: when it could be known at the earliest.

    `value` was compared with `threshold`, both in the unit that the kind implies (s, ms, times). `claimed_health`: what
    the agent said of itself last.
    """

    kind: FindingKind
    agent_id: str
    run_id: str
    thread_id: str
    tool: str | None
    subject: str
    event_time_s: float
    due_s: float
    value: float
    threshold: float
    claimed_health: str | None


class _Event(NamedTuple):
    agent_id: str
    t: float
    kind: str
    run: str
    thread: str
    tool: str | None
    call: str | None
    arguments: str | None
    deadline_s: float | None
    latency_ms: float | None
    status: str | None
    claimed: str | None


def new_agent() -> AgentState:
    """State of an agent of which nothing was seen."""
    return AgentState(
        calls={}, turns={}, latency={}, silence_s=0.0, silences=0, claimed=None, outcomes=new_outcomes(), due=_NEVER,
        prune=_NEVER,
    )  # fmt: skip


def claim(state: State, agent_id: str, health: str) -> None:
    """An agent says elsewhere (in a heartbeat) how it is; of an agent that was never seen at work it means nothing."""
    if (agent := state.get(agent_id)) is not None and health != agent["claimed"]:
        agent["claimed"] = health
        note_claim(_outcomes(agent), health)


def _outcomes(agent: AgentState) -> Outcomes:
    """Of a state that an earlier version saved, too."""
    return agent.setdefault("outcomes", new_outcomes())


def update(config: SilentConfig, state: State, frame: pl.DataFrame, now_s: float) -> list[Finding]:
    """Take in a fleet.lifecycle frame; returns what is certain at once (high latency, loops), `scan` the rest."""
    findings: list[Finding] = []
    for event in _events(frame):
        agent = state.get(event.agent_id)
        if agent is None:
            agent = state[event.agent_id] = new_agent()
        findings += _take_in(config, agent, event, now_s)
    return findings


_COLUMNS = (
    "kind",
    "run_id",
    "thread_id",
    "tool",
    "tool_call_id",
    "arguments_hash",
    "deadline_s",
    "latency_ms",
    "status",
    "claimed_health",
)


def _events(frame: pl.DataFrame) -> Iterator[_Event]:
    times_s = seconds(frame["timestamp"]).tolist()
    columns = (frame["agent_id"].to_list(), times_s, *(frame[name].to_list() for name in _COLUMNS))
    return (_Event(*row) for row in zip(*columns, strict=True))


def _take_in(config: SilentConfig, agent: AgentState, event: _Event, now_s: float) -> list[Finding]:
    if event.claimed is not None:
        agent["claimed"] = event.claimed
        note_claim(_outcomes(agent), event.claimed)
    agent["prune"] = min(agent["prune"], now_s + config.keep_s)
    turn = _turn_of(agent, event, now_s)
    findings: list[Finding] = []
    if event.kind == "tool_executing":
        findings += _begin_call(config, agent, turn, event, now_s)
    elif event.kind == "tool_completed":
        findings += _end_call(config, agent, event, now_s)
    elif event.kind == "agent_completed":
        if not turn["ended"]:
            findings += _finished(config, agent, event)
        turn["ended"] = True
        findings += _latency(config, agent, event, "turn")
    agent["due"] = min(agent["due"], now_s + config.grace_s)
    return findings


def _turn_of(agent: AgentState, event: _Event, now_s: float) -> Turn:
    turn = agent["turns"].get(event.run)
    if turn is None:
        turn = agent["turns"][event.run] = Turn(
            t=event.t, last=event.t, seen=now_s, thread=event.thread, started=False, ended=False, reported=False,
            stale=False, calls={},
        )  # fmt: skip
    elif event.t > turn["last"]:
        agent["silence_s"] = max(event.t - turn["last"], 0.98 * agent["silence_s"])
        agent["silences"] += 1
        turn["last"], turn["stale"] = event.t, False
    turn["t"] = min(turn["t"], event.t)
    turn["started"] |= event.kind == "agent_started"
    return turn


def _begin_call(config: SilentConfig, agent: AgentState, turn: Turn, event: _Event, now_s: float) -> list[Finding]:
    if event.call is None:
        return []
    call = agent["calls"].get(event.call)
    if call is not None:  # it came double, or after its completion
        call["begun"] = True
        return []
    deadline_s = event.deadline_s if event.deadline_s is not None else config.tool_deadline_s
    agent["calls"][event.call] = _new_call(event, now_s, deadline_s, begun=True)
    if event.arguments is None:
        return []
    equal = turn["calls"].setdefault(f"{event.tool}\x1f{event.arguments}", [])
    equal.append(event.call)
    if len(equal) != config.loop_times:
        return []
    return [_finding("tool_loop", agent, event, event.call, event.t, len(equal), config.loop_times)]


def _end_call(config: SilentConfig, agent: AgentState, event: _Event, now_s: float) -> list[Finding]:
    call = agent["calls"].get(event.call) if event.call is not None else None
    if call is not None and call["ended"]:  # it came double
        return []
    if call is not None:
        call["ended"] = True
    elif event.call is not None:
        agent["calls"][event.call] = _new_call(event, now_s, _NEVER, begun=False)
    return [*_finished(config, agent, event), *_latency(config, agent, event, "tool")]


def _finished(config: SilentConfig, agent: AgentState, event: _Event) -> list[Finding]:
    """Hold a success or a failure against what the agent claims; told once, until events and claim agree again."""
    if event.status is None:
        return []
    known = _outcomes(agent)
    note_outcome(known, failed=event.status != "success")
    verdict = judge(config.claims, known)
    told, known["told"] = known["told"], verdict != "agrees"
    if verdict == "agrees" or told:
        return []
    least, most = failing_bounds(known, config.claims.z)
    bound, limit = (least, config.claims.failing_share) if verdict == "failing" else (most, config.claims.fine_share)
    return [_finding(HEALTH_MISMATCH, agent, event, verdict, event.t, bound, limit)]


def _new_call(event: _Event, now_s: float, deadline_s: float, *, begun: bool) -> Call:
    return Call(
        t=event.t, seen=now_s, run=event.run, thread=event.thread, tool=event.tool or "", begun=begun, ended=not begun,
        deadline_s=deadline_s, reported=False,
    )  # fmt: skip


def _latency(config: SilentConfig, agent: AgentState, event: _Event, what: str) -> list[Finding]:
    """Compare with the agent's baseline for this tool, or for all tools as long as this one is new; then learn."""
    latency = event.latency_ms
    if latency is None or not math.isfinite(latency) or latency <= 0:
        return []
    names = [what] if event.tool is None else [f"{what}:{event.tool}", what]
    known = next((b for name in names if (b := agent["latency"].get(name)) and b["count"] >= config.learn_from), None)
    findings: list[Finding] = []
    if known is None:
        known = agent["latency"].get(what)
    if known is not None and known["count"] >= config.learn_from // 2:
        limit = _highest_usual_ms(config, known)
        if latency > limit:
            findings = [_finding("high_latency", agent, event, event.call or event.run, event.t, latency, limit)]
    for name in names:
        _learn_latency(agent["latency"].setdefault(name, Baseline(mean=0.0, variance=0.0, count=0)), math.log(latency))
    return findings


def _highest_usual_ms(config: SilentConfig, known: Baseline) -> float:
    spread = max(math.sqrt(known["variance"]), 0.2) * (1 + 4 / known["count"])
    usual = math.exp(known["mean"])
    return max(
        math.exp(known["mean"] + config.latency_z * spread),
        config.latency_ratio * usual,
        usual + config.latency_least_ms,
    )


def _learn_latency(known: Baseline, log_ms: float) -> None:
    """Decayed mean and variance; one outlier is taken in as if it lay three standard deviations off."""
    rate = max(0.02, 1 / (known["count"] + 1))
    off = log_ms - known["mean"]
    if known["count"] >= 5:
        widest = 3 * max(math.sqrt(known["variance"]), 0.2)
        off = min(max(off, -widest), widest)
    known["mean"] += rate * off
    known["variance"] += rate * ((1 - rate) * off * off - known["variance"])
    known["count"] += 1


def _finding(
    kind: FindingKind, agent: AgentState, event: _Event, subject: str, due_s: float, value: float, threshold: float
) -> Finding:
    return Finding(
        kind, event.agent_id, event.run, event.thread, event.tool, subject, event.t, due_s, value, threshold,
        agent["claimed"],
    )  # fmt: skip


def scan(config: SilentConfig, state: State, now_s: float) -> list[Finding]:
    """What time has brought to light: stuck tools, stale threads, orphans, missing starts. Forgets what is old."""
    findings: list[Finding] = []
    for agent_id, agent in state.items():
        if agent["due"] <= now_s:
            findings += _look(config, agent_id, agent, now_s)
        if agent["prune"] <= now_s:
            _forget(config, agent, now_s)
    return findings


def _look(config: SilentConfig, agent_id: str, agent: AgentState, now_s: float) -> list[Finding]:
    findings = [
        *_stuck_and_orphaned(config, agent_id, agent, now_s),
        *_missing_starts(config, agent_id, agent, now_s),
        *_stale(config, agent_id, agent, now_s),
    ]
    agent["due"] = min(
        (
            when
            for when in (
                *(_call_due_s(config, call) for call in agent["calls"].values()),
                *(_start_due_s(config, turn) for turn in agent["turns"].values()),
                *(_stale_due_s(config, agent, turn) for turn in agent["turns"].values()),
            )
            if when > now_s
        ),
        default=_NEVER,
    )
    return findings


def _call_due_s(config: SilentConfig, call: Call) -> float:
    """When an unfinished call counts as stuck, a call that never began as orphaned; inf for a whole or reported one."""
    if call["reported"] or (call["begun"] and call["ended"]):
        return _NEVER
    overdue_s = call["t"] + call["deadline_s"] if call["begun"] else call["seen"]
    return max(overdue_s, call["seen"]) + config.grace_s


def _start_due_s(config: SilentConfig, turn: Turn) -> float:
    return _NEVER if turn["started"] or turn["reported"] else turn["seen"] + config.grace_s


def _stale_due_s(config: SilentConfig, agent: AgentState, turn: Turn) -> float:
    if turn["ended"] or turn["stale"]:
        return _NEVER
    return max(turn["last"] + _stale_after_s(config, agent), turn["seen"]) + config.grace_s


def _stuck_and_orphaned(config: SilentConfig, agent_id: str, agent: AgentState, now_s: float) -> Iterator[Finding]:
    for call_id, call in agent["calls"].items():
        due_s = _call_due_s(config, call)
        if due_s > now_s:
            continue
        call["reported"] = True
        if call["begun"]:
            note_outcome(_outcomes(agent), failed=True)
        kind: Kind = "stuck_tool" if call["begun"] else "orphan_tool_completed"
        waited_s, limit_s = (now_s - call["t"], call["deadline_s"]) if call["begun"] else (1.0, 1.0)
        where = (agent_id, call["run"], call["thread"], call["tool"], call_id)
        yield Finding(kind, *where, call["t"], due_s, waited_s, limit_s, agent["claimed"])


def _missing_starts(config: SilentConfig, agent_id: str, agent: AgentState, now_s: float) -> Iterator[Finding]:
    for run_id, turn in agent["turns"].items():
        due_s = _start_due_s(config, turn)
        if due_s <= now_s:
            turn["reported"] = True
            where = (agent_id, run_id, turn["thread"], None, run_id)
            yield Finding("missing_agent_started", *where, turn["t"], due_s, 1.0, 1.0, agent["claimed"])


def _stale(config: SilentConfig, agent_id: str, agent: AgentState, now_s: float) -> Iterator[Finding]:
    """Open turns without a word. A turn that waits for a tool is that tool's business, stuck or not."""
    waiting = {call["run"] for call in agent["calls"].values() if call["begun"] and not call["ended"]}
    for run_id, turn in agent["turns"].items():
        due_s = _stale_due_s(config, agent, turn)
        if due_s <= now_s and run_id not in waiting:
            turn["stale"] = True
            where = (agent_id, run_id, turn["thread"], None, run_id)
            silent_s, limit_s = now_s - turn["last"], _stale_after_s(config, agent)
            yield Finding("stale_thread", *where, turn["last"], due_s, silent_s, limit_s, agent["claimed"])


def _stale_after_s(config: SilentConfig, agent: AgentState) -> float:
    if agent["silences"] < config.learn_from:
        return config.stale_most_s
    return min(max(config.stale_factor * agent["silence_s"], config.stale_least_s), config.stale_most_s)


def _forget(config: SilentConfig, agent: AgentState, now_s: float) -> None:
    """Drop turns and calls that are over and of which nothing was seen for `keep_s`."""
    horizon = now_s - config.keep_s
    agent["calls"] = {
        name: call
        for name, call in agent["calls"].items()
        if call["seen"] > horizon or not (call["reported"] or (call["begun"] and call["ended"]))
    }
    agent["turns"] = {
        name: turn
        for name, turn in agent["turns"].items()
        if max(turn["seen"], turn["last"]) > horizon or not (turn["ended"] or turn["stale"])
    }
    oldest = [entry["seen"] for entry in (*agent["calls"].values(), *agent["turns"].values())]
    agent["prune"] = max(min(oldest) + config.keep_s, now_s + config.keep_s / 10) if oldest else _NEVER
