"""The incidents of a run, planned before it begins: what goes wrong, with which agent, from when to when."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

LIFECYCLE_KINDS = (
    "stuck_tool",
    "orphan_tool_completed",
    "stale_thread",
    "missing_agent_started",
    "high_latency",
    "tool_loop",
)
AGENT_KINDS = ("trust_collapse", "metric_anomaly", "crash", "late_beats", "lossy_network", "wedged", "clock_skew")
HOST_KINDS = ("host_outage",)
KINDS = AGENT_KINDS + LIFECYCLE_KINDS + HOST_KINDS
LOSS = 0.3
LATE_INTERVALS = 8
WEDGED_INTERVALS = 25
CLOCK_SKEW_S = (120.0, 480.0)
WARM_SHARE = 0.35
LAST_START_SHARE = 0.6


@dataclass(slots=True)
class Incident:
    """One thing that goes wrong, in fleet time; `started_at_us` and `ended_at_us` (event time) once they happened.

    `agent` has it, or is the first of the `agents` that have it together.
    """

    kind: str
    agent: int
    start_s: float
    end_s: float
    detail: dict[str, Any] = field(default_factory=dict)
    started_at_us: int | None = None
    ended_at_us: int | None = None
    agents: tuple[int, ...] = ()

    @property
    def everyone(self) -> tuple[int, ...]:
        """All agents that have it."""
        return self.agents or (self.agent,)


@dataclass(frozen=True)
class Window:
    """A stretch of fleet time that gets incidents: after a warm-up, early enough to be found within it."""

    start_s: float
    end_s: float

    def at(self, share: float) -> float:
        """The moment after `share` of it."""
        return self.start_s + share * (self.end_s - self.start_s)


def plan_incidents(
    rng: random.Random,
    window: Window,
    talkers: Sequence[int],
    others: Sequence[int],
    hosts: Sequence[Sequence[int]],
    *,
    beat_interval_s: float,
    metrics_interval_s: float,
    without: Collection[str] = (),
) -> list[Incident]:
    """At least one of each kind, one more of each per 1,000 agents (up to ten), no agent twice.

    `talkers` are agents that have turns, `others` those that have none; both without agents that an incident holds.
    `hosts`: the agents of each host of which an incident holds none. Lifecycle kinds need talkers. With few agents, at
    most half of them: then not every kind happens. `without`: kinds that there are to be none of.
    """
    each = min(max((len(talkers) + len(others)) // 1_000, 1), 10)
    budget = (len(talkers) + len(others)) // 2
    lost = rng.sample(list(hosts), min(each, len(hosts))) if sum(map(len, hosts[:each])) <= budget // 2 else []
    gone = {agent for host in lost for agent in host}
    free_talkers = [agent for agent in rng.sample(list(talkers), len(talkers)) if agent not in gone]
    free_others = [agent for agent in rng.sample(list(others), len(others)) if agent not in gone]
    plan: list[Incident] = []
    kinds = [kind for kind in KINDS if kind not in without] * each
    starts = [
        window.at(WARM_SHARE + (LAST_START_SHARE - WARM_SHARE) * (i + rng.random()) / len(kinds))
        for i in range(len(kinds))
    ]
    rng.shuffle(starts)
    for kind, start_s in zip(kinds[:budget], starts, strict=False):
        if kind in HOST_KINDS:
            if lost:
                plan.append(_host_outage(lost.pop(), start_s, window, beat_interval_s))
            continue
        pool = free_talkers if kind in LIFECYCLE_KINDS else (free_others or free_talkers)
        if pool:
            plan.append(_incident(rng, kind, pool.pop(), start_s, window, beat_interval_s, metrics_interval_s))
    return sorted(plan, key=lambda incident: incident.start_s)


def _host_outage(agents: Sequence[int], start_s: float, window: Window, beat_interval_s: float) -> Incident:
    """A host whose agents are all gone at once, and back at once."""
    length_s = max(0.2 * (window.end_s - window.start_s), 15 * beat_interval_s)
    return Incident("host_outage", agents[0], start_s, min(start_s + length_s, window.end_s), agents=tuple(agents))


def _incident(
    rng: random.Random,
    kind: str,
    agent: int,
    start_s: float,
    window: Window,
    beat_interval_s: float,
    metrics_interval_s: float,
) -> Incident:
    length_s = window.end_s - window.start_s
    end_s, detail = window.end_s, {}
    if kind == "trust_collapse":
        end_s, detail = start_s + max(5.0, 0.1 * length_s), {"compliance_rate": round(rng.uniform(0.3, 0.5), 2)}
    elif kind == "metric_anomaly":
        end_s = start_s + max(3.0, 5 * metrics_interval_s, 0.03 * length_s)
    elif kind == "crash":
        comes_back = rng.random() < 0.3
        end_s = start_s + 0.3 * length_s if comes_back else window.end_s
        detail = {"comes_back": comes_back}
    elif kind == "late_beats":
        end_s, detail = start_s + LATE_INTERVALS * beat_interval_s, {"intervals": LATE_INTERVALS}
    elif kind == "lossy_network":
        detail = {"loss": LOSS}
    elif kind == "wedged":
        end_s = start_s + max(WEDGED_INTERVALS * beat_interval_s, 0.1 * length_s)
    elif kind == "clock_skew":
        # Positive where the agent's clock is behind, as in fleet.status.
        detail = {"clock_skew_s": round(rng.choice((-1, 1)) * rng.uniform(*CLOCK_SKEW_S), 1)}
    return Incident(kind, agent, start_s, min(end_s, window.end_s), detail)
