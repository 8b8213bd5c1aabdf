"""Fleets whose alerts have known causes, for the correlation of the alert manager: what was hidden, and from whom."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from manager_world import World, group

NAMES = ("metric_anomaly", "trust_low", "stuck_tool", "cpu_high", "error_rate_high", "high_latency")
PER_HOST, GATEWAYS, DEPLOYMENTS = 20, 5, 4


@dataclass(frozen=True, order=True)
class Begins:
    """One alert: when, s from the start, of which agent, its name, how long it fires, and its cause; 0: by itself."""

    at_s: float
    agent: int
    name: str
    for_s: float
    cause: int = 0


def unrelated(dice: random.Random, agents: int, hours: float, per_agent_day: float) -> list[Begins]:
    """Alerts at random, so many a day of each agent, half of them metric_anomaly."""
    count = round(agents * hours / 24 * per_agent_day)
    return [
        Begins(
            dice.uniform(0, hours * 3600),
            dice.randrange(agents),
            dice.choice((NAMES[0], dice.choice(NAMES))),
            dice.expovariate(1 / 180),
        )
        for _ in range(count)
    ]


def common(
    dice: random.Random, agents: Iterable[int], at_s: float, within_s: float, name: str, cause: int
) -> list[Begins]:
    """One cause: all of these agents alert within `within_s` of `at_s`."""
    return [Begins(at_s + dice.uniform(0, within_s), agent, name, 600.0, cause) for agent in agents]


@dataclass
class Outcome:
    """Alerts by what became of them: told or hidden, by cause; incidents that people were told of."""

    told: dict[int, int] = field(default_factory=dict)
    hidden: dict[int, int] = field(default_factory=dict)
    incidents: int = 0

    def share_hidden(self, cause: int) -> float:
        """Of all alerts of a cause, 0 to 1."""
        hidden, told = self.hidden.get(cause, 0), self.told.get(cause, 0)
        return hidden / max(hidden + told, 1)


def run(world: World, agents: int, begins: Sequence[Begins]) -> Outcome:
    """Let them happen, each alert an agent of its host, gateway and deployment."""
    world.summary(_groups(agents), complete=True)
    start_s, moments = world.now_s, []
    for found in begins:
        moments += [(found.at_s, 0, found), (found.at_s + found.for_s, 1, found)]
    cause_of: dict[str, int] = {}
    for at_s, ends, found in sorted(moments):
        world.after(max(start_s + at_s - world.now_s, 0))
        agent, host = f"a{found.agent}", found.agent // PER_HOST
        key = f"{found.name}@{agent}"
        places = {"host": f"h{host}", "gateway": f"g{host % GATEWAYS}", "deployment_id": f"d{host % DEPLOYMENTS}"}
        if ends and key in world.epochs:
            world.resolve(agent, found.name, **places)
        elif not ends:
            world.fire(agent, found.name, **places)
            cause_of[f"alerts/{key}/{world.epochs[key]}"] = found.cause
    return _outcome(world, cause_of)


def _outcome(world: World, cause_of: dict[str, int]) -> Outcome:
    found = Outcome()
    for event in world.events:
        if event["name"] == "incident":
            found.incidents += event["cause"] == "began"
        elif event["cause"] == "began" and event["session_id"] in cause_of:
            cause = cause_of[event["session_id"]]
            counted = found.told if event["suppressed_by"] is None else found.hidden
            counted[cause] = counted.get(cause, 0) + 1
    return found


def _groups(agents: int) -> list[dict[str, object]]:
    hosts = -(-agents // PER_HOST)
    found = [group("fleet", "", agents=agents, online=agents)]
    found += [group("host", f"h{n}", agents=PER_HOST, online=PER_HOST) for n in range(hosts)]
    for kind, number in (("gateway", GATEWAYS), ("deployment", DEPLOYMENTS)):
        found += [group(kind, f"{kind[0]}{n}", agents=agents / number, online=agents / number) for n in range(number)]
    return found
