"""Silent failures: what an agent's lifecycle events show though nobody reported it.

Besides them `health_mismatch`: what the agent claims of its health is refuted by what its events show (`claims`).

Six kinds. `orphan_tool_completed`: a tool completed that never started. `stuck_tool`: a tool is past its deadline.
`stale_thread`: a turn is open and nothing is said, for much longer than this agent is ever silent within a turn.
`missing_agent_started`: a turn whose beginning never came. `high_latency`: far above the agent's own baseline.
`tool_loop`: the same tool with the same arguments again and again within a turn.

Events may come late, double and out of order: what would be a failure only because something has not come yet is held
back for `grace_s` of the caller's clock after it was seen, and is forgotten if the missing part comes.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from streams.operators.claims import failing_bounds, judge, note_claim, note_outcome
from streams.operators.silent_deadlines import forget, look
from streams.operators.silent_latency import judge_latency
from streams.operators.silent_model import (
    HEALTH_MISMATCH,
    KINDS,
    NEVER,
    AgentState,
    Call,
    Event,
    Finding,
    FindingKind,
    Kind,
    SilentConfig,
    State,
    Turn,
    finding_of,
    new_agent,
    open_calls_of,
    open_turns_of,
    outcomes_of,
)
from streams.operators.times import seconds

__all__ = [
    "HEALTH_MISMATCH",
    "KINDS",
    "Finding",
    "FindingKind",
    "Kind",
    "SilentConfig",
    "State",
    "claim",
    "scan",
    "update",
]


def claim(state: State, agent_id: str, health: str) -> None:
    """An agent says elsewhere (in a heartbeat) how it is; of an agent that was never seen at work it means nothing."""
    if (agent := state.get(agent_id)) is not None and health != agent["claimed"]:
        agent["claimed"] = health
        note_claim(outcomes_of(agent), health)


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


def _events(frame: pl.DataFrame) -> Iterator[Event]:
    times_s = seconds(frame["timestamp"]).tolist()
    columns = (frame["agent_id"].to_list(), times_s, *(frame[name].to_list() for name in _COLUMNS))
    return (Event(*row) for row in zip(*columns, strict=True))


def _take_in(config: SilentConfig, agent: AgentState, event: Event, now_s: float) -> list[Finding]:
    if event.claimed is not None:
        agent["claimed"] = event.claimed
        note_claim(outcomes_of(agent), event.claimed)
    agent["prune"] = min(agent["prune"], now_s + config.keep_s)
    turn = _turn_of(agent, event, now_s)
    findings: list[Finding] = []
    if event.kind == "tool_executing":
        findings += _begin_call(config, agent, turn, event, now_s)
    elif event.kind == "tool_completed":
        findings += _end_call(config, agent, event, now_s)
    elif event.kind == "agent_completed":
        if not turn["ended"]:  # else it came double
            findings += [*_finished(config, agent, event), *judge_latency(config, agent, event, "turn")]
        turn["ended"] = True
    agent["due"] = min(agent["due"], now_s + config.grace_s)
    return findings


def _turn_of(agent: AgentState, event: Event, now_s: float) -> Turn:
    turn = agent["turns"].get(event.run)
    if turn is None:
        turn = agent["turns"][event.run] = Turn(
            t=event.t, last=event.t, seen=now_s, thread=event.thread, started=False, ended=False, reported=False,
            stale=False, calls={},
        )  # fmt: skip
        open_turns_of(agent)[event.run] = True
    elif event.t > turn["last"]:
        agent["silence_s"] = max(event.t - turn["last"], 0.98 * agent["silence_s"])
        agent["silences"] += 1
        if turn["stale"]:
            open_turns_of(agent)[event.run] = True
        turn["last"], turn["stale"] = event.t, False
    turn["t"] = min(turn["t"], event.t)
    turn["started"] |= event.kind == "agent_started"
    return turn


def _begin_call(config: SilentConfig, agent: AgentState, turn: Turn, event: Event, now_s: float) -> list[Finding]:
    if event.call is None:
        return []
    call = agent["calls"].get(event.call)
    if call is not None:  # it came double, or after its completion
        call["begun"] = True
        return []
    deadline_s = event.deadline_s if event.deadline_s is not None else config.tool_deadline_s
    agent["calls"][event.call] = _new_call(event, now_s, deadline_s, begun=True)
    open_calls_of(agent)[event.call] = True
    if event.arguments is None:
        return []
    equal = turn["calls"].setdefault(f"{event.tool}\x1f{event.arguments}", [])
    equal.append(event.call)
    if len(equal) != config.loop_times:
        return []
    return [finding_of("tool_loop", agent, event, event.call, event.t, len(equal), config.loop_times)]


def _end_call(config: SilentConfig, agent: AgentState, event: Event, now_s: float) -> list[Finding]:
    call = agent["calls"].get(event.call) if event.call is not None else None
    if call is not None and call["ended"]:  # it came double
        return []
    if call is not None:
        call["ended"] = True
    elif event.call is not None:
        agent["calls"][event.call] = _new_call(event, now_s, NEVER, begun=False)
        open_calls_of(agent)[event.call] = True
    return [*_finished(config, agent, event), *judge_latency(config, agent, event, "tool")]


def _finished(config: SilentConfig, agent: AgentState, event: Event) -> list[Finding]:
    """Hold a success or a failure against what the agent claims; told once, until events and claim agree again."""
    if event.status is None:
        return []
    known = outcomes_of(agent)
    note_outcome(known, failed=event.status != "success")
    verdict = judge(config.claims, known)
    told, known["told"] = known["told"], verdict != "agrees"
    if verdict == "agrees" or told:
        return []
    least, most = failing_bounds(known, config.claims.z)
    bound, limit = (least, config.claims.failing_share) if verdict == "failing" else (most, config.claims.fine_share)
    return [finding_of(HEALTH_MISMATCH, agent, event, verdict, event.t, bound, limit)]


def _new_call(event: Event, now_s: float, deadline_s: float, *, begun: bool) -> Call:
    return Call(
        t=event.t, seen=now_s, run=event.run, thread=event.thread, tool=event.tool or "", begun=begun, ended=not begun,
        deadline_s=deadline_s, reported=False,
    )  # fmt: skip


def scan(config: SilentConfig, state: State, now_s: float) -> list[Finding]:
    """What time has brought to light: stuck tools, stale threads, orphans, missing starts. Forgets what is old."""
    findings: list[Finding] = []
    for agent_id, agent in state.items():
        if agent["due"] <= now_s:
            findings += look(config, agent_id, agent, now_s)
        if agent["prune"] <= now_s:
            forget(config, agent, now_s)
    return findings
