"""Silent failures that only time brings to light: stuck tools, stale threads, orphans, missing starts."""

from __future__ import annotations

from collections.abc import Iterator

from streams.operators.claims import note_outcome
from streams.operators.silent_model import (
    NEVER,
    AgentState,
    Call,
    Finding,
    Kind,
    SilentConfig,
    Turn,
    open_calls_of,
    open_turns_of,
    outcomes_of,
)


def look(config: SilentConfig, agent_id: str, agent: AgentState, now_s: float) -> list[Finding]:
    """What is due of one agent; sets when to look again."""
    calls, turns = _open_calls(agent), _open_turns(agent)
    findings = [
        *_stuck_and_orphaned(config, agent_id, agent, calls, now_s),
        *_missing_starts(config, agent_id, agent, turns, now_s),
        *_stale(config, agent_id, agent, turns, now_s),
    ]
    agent["due"] = min(
        (
            when
            for when in (
                *(_call_due_s(config, call) for call in calls.values()),
                *(_start_due_s(config, turn) for turn in turns.values()),
                *(_stale_due_s(config, agent, turn) for turn in turns.values()),
            )
            if when > now_s
        ),
        default=NEVER,
    )
    return findings


def _open_calls(agent: AgentState) -> dict[str, Call]:
    """Those that have not both begun and ended; the others are looked at never again."""
    known = agent["calls"]
    calls = {name: call for name in open_calls_of(agent) if not ((call := known[name])["begun"] and call["ended"])}
    agent["open_calls"] = dict.fromkeys(calls, True)
    return calls


def _open_turns(agent: AgentState) -> dict[str, Turn]:
    """Those whose beginning or end is missing; the others are looked at never again, unless they go on."""
    known = agent["turns"]
    turns = {name: turn for name in open_turns_of(agent) if not _settled(turn := known[name])}
    agent["open_turns"] = dict.fromkeys(turns, True)
    return turns


def _settled(turn: Turn) -> bool:
    return (turn["started"] or turn["reported"]) and (turn["ended"] or turn["stale"])


def _call_due_s(config: SilentConfig, call: Call) -> float:
    """When an unfinished call counts as stuck, a call that never began as orphaned; inf for a whole or reported one."""
    if call["reported"] or (call["begun"] and call["ended"]):
        return NEVER
    overdue_s = call["t"] + call["deadline_s"] if call["begun"] else call["seen"]
    return max(overdue_s, call["seen"]) + config.grace_s


def _start_due_s(config: SilentConfig, turn: Turn) -> float:
    return NEVER if turn["started"] or turn["reported"] else turn["seen"] + config.grace_s


def _stale_due_s(config: SilentConfig, agent: AgentState, turn: Turn) -> float:
    if turn["ended"] or turn["stale"]:
        return NEVER
    return max(turn["last"] + _stale_after_s(config, agent), turn["seen"]) + config.grace_s


def _stuck_and_orphaned(
    config: SilentConfig, agent_id: str, agent: AgentState, calls: dict[str, Call], now_s: float
) -> Iterator[Finding]:
    for call_id, call in calls.items():
        due_s = _call_due_s(config, call)
        if due_s > now_s:
            continue
        call["reported"] = True
        if call["begun"]:
            note_outcome(outcomes_of(agent), failed=True)
        kind: Kind = "stuck_tool" if call["begun"] else "orphan_tool_completed"
        waited_s, limit_s = (now_s - call["t"], call["deadline_s"]) if call["begun"] else (1.0, 1.0)
        where = (agent_id, call["run"], call["thread"], call["tool"], call_id)
        yield Finding(kind, *where, call["t"], due_s, waited_s, limit_s, agent["claimed"])


def _missing_starts(
    config: SilentConfig, agent_id: str, agent: AgentState, turns: dict[str, Turn], now_s: float
) -> Iterator[Finding]:
    for run_id, turn in turns.items():
        due_s = _start_due_s(config, turn)
        if due_s <= now_s:
            turn["reported"] = True
            where = (agent_id, run_id, turn["thread"], None, run_id)
            yield Finding("missing_agent_started", *where, turn["t"], due_s, 1.0, 1.0, agent["claimed"])


def _stale(
    config: SilentConfig, agent_id: str, agent: AgentState, turns: dict[str, Turn], now_s: float
) -> Iterator[Finding]:
    """Open turns without a word. A turn that waits for a tool is that tool's business, stuck or not."""
    waiting = {
        call["run"] for name in open_calls_of(agent) if (call := agent["calls"][name])["begun"] and not call["ended"]
    }
    for run_id, turn in turns.items():
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


def forget(config: SilentConfig, agent: AgentState, now_s: float) -> None:
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
    agent["open_calls"] = {name: True for name in open_calls_of(agent) if name in agent["calls"]}
    agent["open_turns"] = {name: True for name in open_turns_of(agent) if name in agent["turns"]}
    oldest = [entry["seen"] for entry in (*agent["calls"].values(), *agent["turns"].values())]
    agent["prune"] = max(min(oldest) + config.keep_s, now_s + config.keep_s / 10) if oldest else NEVER
