from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from streams.eval.traces import COLUMNS as SCHEMA
from streams.operators import silent
from streams.operators.silent import Finding, SilentConfig, State

START_S = 1_790_000_000.0
CONFIG = SilentConfig()
Event = dict[str, Any]


def _event(at_s: float, kind: str, run: str = "r0", **rest: object) -> Event:
    base: Event = {**dict.fromkeys(SCHEMA), "agent_id": "a", "kind": kind, "run_id": run, "thread_id": "t"}
    return base | {"timestamp": at_s} | rest


def _frame(events: Sequence[Event]) -> pl.DataFrame:
    rows = [event | {"timestamp": round((START_S + event["timestamp"]) * 1e6)} for event in events]
    return pl.DataFrame(rows, schema=SCHEMA | {"timestamp": pl.Int64}).cast({"timestamp": SCHEMA["timestamp"]})


def _call(
    at_s: float, name: str, run: str = "r0", latency_ms: float = 100.0, arguments: str | None = None
) -> list[Event]:
    more = {"tool": "search", "tool_call_id": name, "arguments_hash": arguments or name}
    return [
        _event(at_s, "tool_executing", run, deadline_s=5.0, **more),
        _event(at_s + 0.1, "tool_completed", run, latency_ms=latency_ms, status="success", **more),
    ]


def _turn(at_s: float, run: str) -> list[Event]:
    return [
        _event(at_s, "agent_started", run),
        _event(at_s + 0.1, "agent_thinking", run, claimed_health="healthy"),
        *_call(at_s + 0.2, f"{run}-c1", run),
        *_call(at_s + 0.4, f"{run}-c2", run),
        _event(at_s + 0.6, "message_sent", run),
        _event(at_s + 0.7, "agent_completed", run, latency_ms=700.0),
    ]


def _watch(events: Sequence[Event], until_s: float, state: State | None = None, delay_s: float = 0.0) -> list[Finding]:
    """Feed events when they happen (plus `delay_s`), look every quarter of a second."""
    state = {} if state is None else state
    waiting = list(events)
    found: list[Finding] = []
    for tick in range(int(until_s * 4) + 1):
        now_s = tick / 4
        due = [event for event in waiting if event["timestamp"] + delay_s <= now_s]
        waiting = [event for event in waiting if event["timestamp"] + delay_s > now_s]
        if due:
            found += silent.update(CONFIG, state, _frame(due), START_S + now_s)
        found += silent.scan(CONFIG, state, START_S + now_s)
    return found


def _history(turns: int = 8) -> list[Event]:
    return [event for number in range(turns) for event in _turn(float(number), f"past{number}")]


def _kinds(found: Sequence[Finding]) -> list[str]:
    return [finding.kind for finding in found]


@pytest.mark.parametrize("delay_s", [0.0, 70.0])
def test_a_clean_trace_has_no_findings(delay_s: float) -> None:
    assert _watch(_history(30), 200, delay_s=delay_s) == []


def test_a_clean_trace_out_of_order_and_double_has_no_findings() -> None:
    events = _history(30)
    shuffled = sorted(events + random.Random(1).sample(events, 60), key=lambda e: e["timestamp"] // 0.75)
    for seed in range(5):
        chunks = [shuffled[i : i + 6] for i in range(0, len(shuffled), 6)]
        state: State = {}
        found = []
        for chunk in chunks:
            random.Random(seed).shuffle(chunk)
            now_s = START_S + max(event["timestamp"] for event in chunk)
            found += silent.update(CONFIG, state, _frame(chunk), now_s) + silent.scan(CONFIG, state, now_s)
        assert found + silent.scan(CONFIG, state, START_S + 1000) == []


def test_orphan_tool_completed() -> None:
    orphan = _call(8.3, "lost")[1] | {"run_id": "r0"}
    events = [*_history(), _event(8.2, "agent_started"), orphan, _event(8.6, "agent_completed")]
    found = _watch(events, 30)
    assert _kinds(found) == ["orphan_tool_completed"]
    assert (found[0].subject, found[0].tool, found[0].claimed_health) == ("lost", "search", "healthy")


def test_a_start_that_comes_after_its_completion_makes_no_orphan() -> None:
    begun, ended = _call(8.3, "turned")
    events = [
        *_history(),
        _event(8.2, "agent_started"),
        begun | {"timestamp": 9.0},
        ended,
        _event(9.1, "agent_completed"),
    ]
    assert _watch(events, 30) == []


def test_stuck_tool_and_not_also_a_stale_thread() -> None:
    events = [*_history(), _event(8.2, "agent_started"), _call(8.3, "stuck")[0]]
    found = _watch(events, 300)
    assert _kinds(found) == ["stuck_tool"]
    assert found[0].threshold == 5.0
    assert found[0].due_s == pytest.approx(START_S + 8.3 + 5.0 + CONFIG.grace_s)


def test_stale_thread() -> None:
    found = _watch([*_history(), _event(8.2, "agent_started")], 60)
    assert _kinds(found) == ["stale_thread"]
    assert found[0].due_s - START_S - 8.2 < 8


def test_an_agent_that_thinks_long_is_not_stale() -> None:
    slow = [event | {"timestamp": event["timestamp"] * 20} for event in _history(4)]
    assert _watch([*slow, _event(81.0, "agent_started"), _event(93.0, "agent_completed")], 200) == []


def test_missing_agent_started() -> None:
    found = _watch([*_history(), *_turn(8.2, "r9")[1:]], 30)
    assert _kinds(found) == ["missing_agent_started"]
    assert found[0].run_id == "r9"


def test_high_latency_against_the_own_baseline() -> None:
    late = _turn(8.2, "r9")
    late[3] = late[3] | {"latency_ms": 1200.0}
    found = _watch([*_history(), *late], 30)
    assert _kinds(found) == ["high_latency"]
    assert found[0].value == 1200.0
    assert 150 < found[0].threshold < 700


def test_a_turn_that_is_told_of_twice_is_slow_once_and_teaches_once() -> None:
    slow = [*_turn(8.2, "r9")[:-1], _event(8.9, "agent_completed", "r9", latency_ms=9000.0)]
    once: State = {}
    twice: State = {}
    assert _kinds(_watch([*_history(), *slow], 30, once)) == ["high_latency"]
    assert _kinds(_watch([*_history(), *slow, slow[-1]], 30, twice)) == ["high_latency"]
    assert once["a"]["latency"] == twice["a"]["latency"]


def test_agents_that_make_up_names_of_tools_cannot_fill_the_memory() -> None:
    events = [event for i in range(500) for event in _call(i / 100, f"c{i}") if event["kind"] == "tool_completed"]
    state: State = {}
    silent.update(CONFIG, state, _frame([event | {"tool": f"tool-{i}"} for i, event in enumerate(events)]), START_S)
    assert len(state["a"]["latency"]) <= CONFIG.most_tools + 1
    assert state["a"]["latency"]["tool"]["count"] == 500


def test_tool_loop_once_a_loop() -> None:
    calls = [event for i in range(6) for event in _call(8.3 + i / 10, f"c{i}", arguments="same")]
    events = [*_history(), _event(8.2, "agent_started"), *calls, _event(9.5, "agent_completed")]
    assert _kinds(_watch(events, 30)) == ["tool_loop"]


def test_doubles_make_no_loop() -> None:
    begun, ended = _call(8.3, "one")
    events = [*_history(), _event(8.2, "agent_started"), begun, begun, begun, ended, _event(8.6, "agent_completed")]
    assert _watch(events, 30) == []


def test_state_survives_json() -> None:
    events = [*_history(), _event(8.2, "agent_started"), _call(8.3, "stuck")[0]]
    state: State = {}
    _watch(events, 9, state)
    restored: State = json.loads(json.dumps(state))
    assert restored == state
    late = START_S + 100
    assert silent.scan(CONFIG, restored, late) == silent.scan(CONFIG, state, late) != []


def test_a_state_saved_before_what_is_open_was_known_is_read() -> None:
    events = [*_history(), _event(8.2, "agent_started"), _call(8.3, "stuck")[0]]
    state: State = {}
    _watch(events, 9, state)
    restored: State = json.loads(json.dumps(state))
    del restored["a"]["open_calls"], restored["a"]["open_turns"]
    late = START_S + 100
    assert silent.scan(CONFIG, restored, late) == silent.scan(CONFIG, state, late) != []


def test_a_stale_thread_that_goes_on_may_become_stale_again() -> None:
    events = [*_history(), _event(8.2, "agent_started"), _event(40.0, "agent_thinking")]
    assert _kinds(_watch(events, 400)) == ["stale_thread", "stale_thread"]


def test_what_is_whole_is_not_looked_at_again() -> None:
    state: State = {}
    _watch(_history(), 30, state)
    assert (state["a"]["open_calls"], state["a"]["open_turns"]) == ({}, {})
    assert state["a"]["calls"]


def test_splitting_a_batch_changes_nothing() -> None:
    events = _history()
    whole: State = {}
    split: State = {}
    silent.update(CONFIG, whole, _frame(events), START_S + 9)
    for event in events:
        silent.update(CONFIG, split, _frame([event]), START_S + 9)
    assert whole == split


def test_what_is_over_is_forgotten() -> None:
    state: State = {}
    _watch(_history(), 10, state)
    silent.scan(CONFIG, state, START_S + 2 * CONFIG.keep_s)
    assert not state["a"]["calls"]
    assert not state["a"]["turns"]
