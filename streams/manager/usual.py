"""How many alerts that share something are more than chance: what is usual in a fleet of its size, and of late.

Alerts of many agents that have nothing to do with each other come at a steady rate, and in a large fleet five within
half a minute are nothing. What is to be one incident has to be more than that: more than a share of the agents that it
could be, and more than what chance makes of the rate of the last hours (mean and six standard deviations of a Poisson
count).
"""

from __future__ import annotations

import math

from streams.manager.model import total
from streams.manager.state import GroupKey
from streams.manager.turn import Turn

HALF_LIFE_S, _LEAST_S, _FORGET_S = 3600.0, 600.0, 86_400.0
_DEVIATIONS = 6.0
_MOST = 1000
"""So many within the window are one incident whatever is usual: nobody can look at them one by one."""
_LEARNED = frozenset({"name", "deployment", "gateway"})
"""What has enough agents for a rate; hosts have few, and come and go."""


def note(turn: Turn, key: GroupKey) -> None:
    """An alert that has this in common with others began."""
    if key[0] in _LEARNED:
        count, since_s = _count_since(turn, key)
        turn.state.set_usual(key, (count + 1.0, turn.now_s, since_s), turn.now_s - _FORGET_S)


def _count_since(turn: Turn, key: GroupKey) -> tuple[float, float]:
    """Beginnings so far, each worth half after an hour, and since when (s); what is a day old counts as never seen."""
    count, at_s, since_s = turn.state.usual.get(key, (0.0, turn.now_s, turn.now_s))
    if turn.now_s - at_s > _FORGET_S:
        return 0.0, turn.now_s
    return float(count * 2.0 ** ((at_s - turn.now_s) / HALF_LIFE_S)), since_s


def _rate(turn: Turn, key: GroupKey) -> float:
    """Beginnings a second of late: the count over as much time as it stands for, ten minutes at least."""
    count, since_s = _count_since(turn, key)
    seen_s = max(turn.now_s - since_s, _LEAST_S)
    return count / (HALF_LIFE_S / math.log(2) * -math.expm1(-seen_s / HALF_LIFE_S * math.log(2)))


def enough(turn: Turn, key: GroupKey) -> int:
    """How many that begin within the window are one incident; to be asked before the newest is noted."""
    settings = turn.config.pack.correlation
    group = turn.state.groups.get(("fleet", "") if key[0] == "name" else key)
    agents = total(group).agents if group else 0.0
    usual = _rate(turn, key) * settings.window_s
    by_chance = usual + _DEVIATIONS * math.sqrt(usual)
    return max(settings.least, min(_MOST, math.ceil(max(settings.share * agents, by_chance))))
