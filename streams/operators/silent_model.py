"""What the silent-failure operator (`silent`) knows of an agent, and what it says.

The state of an agent is a dict of JSON-able values (inf included, as Python's json writes it). Times in it are seconds
since the epoch: `t` is event time, `seen` the caller's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, NotRequired, TypedDict

from streams.operators.claims import ClaimConfig, Outcomes, new_outcomes

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
NEVER = math.inf


@dataclass(frozen=True)
class SilentConfig:
    """`grace_s`: hold-back for late events. `tool_deadline_s`: for tools that state none.

    `stale_factor`: a turn is stale after so many times the agent's longest usual silence, within `stale_least_s` and
    `stale_most_s`; `stale_most_s` also as long as fewer than `learn_from` silences are known. A latency is
    high when it is above all of: a prediction bound of its logarithm, as improbable as `latency_z` standard deviations
    of the normal distribution (5.3: once in 17 million); `latency_ratio` times the baseline; `latency_least_ms` more
    than it; `latency_habit` times the second highest that the agent is known to have. The bound's prior: a standard
    deviation of `latency_prior_spread` that counts as `latency_prior_count` observations. `latency_least_calls`: known
    before any is judged; `latency_least_tools`: known before a new tool is. `loop_times`: equal calls that make a loop.
    `most_tools`: baselines of latency that an agent may have, for names of tools are the agents'. `keep_s`: how long a
    finished turn or call is remembered, so that late and double events find it. `claims`: when events refute a claim.
    """

    grace_s: float = 1.0
    tool_deadline_s: float = 60.0
    stale_factor: float = 10.0
    stale_least_s: float = 5.0
    stale_most_s: float = 120.0
    learn_from: int = 10
    latency_z: float = 5.3
    latency_ratio: float = 5.0
    latency_least_ms: float = 50.0
    latency_habit: float = 1.5
    latency_prior_spread: float = 0.25
    latency_prior_count: float = 16.0
    latency_least_calls: int = 8
    latency_least_tools: int = 4
    loop_times: int = 3
    most_tools: int = 200
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
    """Logarithm of latencies in ms: decayed mean and variance, how many were seen, the two highest above the mean.

    The last two fade; states that earlier versions saved lack them.
    """

    mean: float
    variance: float
    count: int
    highest: NotRequired[float]
    second: NotRequired[float]


class AgentState(TypedDict):
    """What is known of one agent. `silence_s`: decayed longest pause within a turn; `due`: when to look again.

    `open_calls`, `open_turns`: ids of those of which time may yet bring something to light (of states that earlier
    versions saved: all).
    """

    calls: dict[str, Call]
    turns: dict[str, Turn]
    open_calls: NotRequired[dict[str, bool]]
    open_turns: NotRequired[dict[str, bool]]
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


class Event(NamedTuple):
    """One row of fleet.lifecycle. `t`: event time, s since the epoch."""

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
        calls={}, turns={}, open_calls={}, open_turns={}, latency={}, silence_s=0.0, silences=0, claimed=None,
        outcomes=new_outcomes(), due=NEVER, prune=NEVER,
    )  # fmt: skip


def open_calls_of(agent: AgentState) -> dict[str, bool]:
    """Of a state that an earlier version saved, too."""
    if "open_calls" not in agent:
        agent["open_calls"] = dict.fromkeys(agent["calls"], True)
    return agent["open_calls"]


def open_turns_of(agent: AgentState) -> dict[str, bool]:
    """Of a state that an earlier version saved, too."""
    if "open_turns" not in agent:
        agent["open_turns"] = dict.fromkeys(agent["turns"], True)
    return agent["open_turns"]


def outcomes_of(agent: AgentState) -> Outcomes:
    """Of a state that an earlier version saved, too."""
    return agent.setdefault("outcomes", new_outcomes())


def finding_of(
    kind: FindingKind, agent: AgentState, event: Event, subject: str, due_s: float, value: float, threshold: float
) -> Finding:
    """A finding that one event brought about."""
    return Finding(
        kind, event.agent_id, event.run, event.thread, event.tool, subject, event.t, due_s, value, threshold,
        agent["claimed"],
    )  # fmt: skip
