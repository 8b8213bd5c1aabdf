"""What counts as a high latency, over families of latencies that are in good order."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from streams.operators.silent_latency import _student, judge_latency
from streams.operators.silent_model import AgentState, Event, SilentConfig, new_agent

CONFIG = SilentConfig()
TOOLS = ("search", "read", "write", "send", "count")


def _slow(agent: AgentState, latency_ms: float, tool: str = "search") -> bool:
    event = Event("a", 0.0, "tool_completed", "r", "t", tool, "c", None, None, latency_ms, "success", None)
    return bool(judge_latency(CONFIG, agent, event, "tool"))


def _agent(calls: int, spread: float, seed: int = 1, usual_ms: Callable[[str], float] = lambda _: 200.0) -> AgentState:
    rng, agent = random.Random(seed), new_agent()
    for number in range(calls):
        tool = TOOLS[number % len(TOOLS)]
        _slow(agent, usual_ms(tool) * rng.lognormvariate(0.0, spread), tool)
    return agent


@pytest.mark.parametrize(("spread", "at_most"), [(0.0, 0), (0.3, 0), (0.45, 0), (0.6, 1), (0.8, 2)])
def test_lognormal_latencies_are_no_alarm_however_young_the_agent_is(spread: float, at_most: int) -> None:
    rng, found = random.Random(5), 0
    for _ in range(200):
        agent = new_agent()
        found += sum(_slow(agent, 200 * rng.lognormvariate(0.0, spread), rng.choice(TOOLS)) for _ in range(60))
    assert found <= at_most


@pytest.mark.parametrize("calls", [10, 20, 200])
@pytest.mark.parametrize("seed", range(5))
def test_twelve_times_the_usual_is_high_from_the_tenth_call_on(calls: int, seed: int) -> None:
    assert _slow(_agent(calls, 0.15, seed), 12 * 200)


@pytest.mark.parametrize("calls", [60, 400])
def test_what_scatters_widely_has_a_wide_limit(calls: int) -> None:
    assert not _slow(_agent(calls, 0.8), 12 * 200)


def test_a_tool_slower_than_all_others_is_no_alarm_when_it_is_new() -> None:
    agent = _agent(40, 0.1, usual_ms=lambda tool: 50.0 * 3 ** TOOLS.index(tool))
    assert not _slow(agent, 200_000.0, "unlike the others")


def test_a_new_tool_of_an_agent_whose_tools_are_alike_is_judged_with_them() -> None:
    assert _slow(_agent(40, 0.1), 12 * 200, "never seen")


def test_each_tool_is_judged_by_itself_where_tools_differ() -> None:
    usual_ms = dict(zip(TOOLS, (50.0, 200.0, 800.0, 3_000.0, 10_000.0), strict=True)).__getitem__
    agent = _agent(200, 0.15, usual_ms=usual_ms)
    assert all(_slow(agent, 12 * usual_ms(tool), tool) for tool in TOOLS)


def test_a_slow_mode_becomes_habit() -> None:
    agent = _agent(100, 0.1)
    assert [_slow(agent, 12 * 200) for _ in range(6)] == [True, True, False, False, False, False]


def test_habits_fade() -> None:
    agent = _agent(100, 0.1)
    assert _slow(agent, 12 * 200)
    assert _slow(agent, 12 * 200)
    for _ in range(2_000):
        _slow(agent, 200.0)
    assert _slow(agent, 12 * 200)


def test_a_state_saved_before_habits_were_known_is_read() -> None:
    agent = _agent(40, 0.1)
    for known in agent["latency"].values():
        del known["highest"], known["second"]
    assert _slow(agent, 12 * 200)


@pytest.mark.parametrize("freedom", [10.0, 23.0, 100.0])
def test_the_quantile_has_the_tail_of_the_normal_distribution(freedom: float) -> None:
    """By the trapezoidal rule over Student's density, in the logarithm of t."""
    grid = np.linspace(math.log(_student(5.3, freedom)), math.log(1e4), 20_000)
    t = np.exp(grid)
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    tail = np.trapezoid(t * np.exp(scale - (freedom + 1) / 2 * np.log1p(t * t / freedom)), grid)
    assert 0.7 < float(tail) / (math.erfc(5.3 / math.sqrt(2)) / 2) < 1.4
