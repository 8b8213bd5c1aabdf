"""A scope as a whole: how many agents are how, and how far they are trusted."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.runtime.clock import Clock
from sinks.api.live.groups import ALL_STATUSES, Slots, grouped, status_numbers
from sinks.api.live.memory import Memory
from sinks.api.live.words import number
from sinks.api.scope import Scope

BINS = 20
MOST_DEPLOYMENTS = 200
LOWEST = 10
KEPT_S = 1.0
_KEPT = 64


class Fleets:
    """Answers of `fleet`, each kept for `KEPT_S`: a large fleet takes milliseconds, and many look at it at once."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory, self._clock = memory, clock
        self._known: OrderedDict[Scope, tuple[float, dict[str, Any]]] = OrderedDict()

    def of(self, scope: Scope) -> dict[str, Any]:
        """Of a scope, at most `KEPT_S` old."""
        now_s = self._clock.monotonic_s()
        known = self._known.get(scope)
        if known is not None and now_s - known[0] < KEPT_S:
            return known[1]
        found = fleet(self._memory, scope)
        self._known[scope] = (now_s, found)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return found


def fleet(memory: Memory, scope: Scope) -> dict[str, Any]:
    """Agents by status and deployment, the distribution of their scores, and the lowest of these."""
    slots = np.flatnonzero(memory.visible(scope))
    words = status_numbers(memory, slots)
    trust = memory.trust["trust"][slots]
    scored = np.isfinite(trust)
    return {
        "agents": int(slots.size),
        "by_status": _counts(np.bincount(words, minlength=len(ALL_STATUSES)), always=True),
        "by_deployment": _deployments(memory, slots, words),
        "trust": _distribution(trust[scored]),
        "lowest_trust": [_low(memory, slot) for slot in _lowest(slots[scored], trust[scored])],
        "violations": int(memory.trust["violations"][slots].sum()),
    }


def _counts(counts: npt.NDArray[np.int64], *, always: bool) -> dict[str, int]:
    """Agents of every status, or of every one that any has."""
    return {name: n for name, n in zip(ALL_STATUSES, counts.tolist(), strict=True) if n or always}


def _deployments(memory: Memory, slots: Slots, words: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    groups, many = grouped(memory, slots, "deployment"), len(ALL_STATUSES)
    by_status = np.bincount(groups.which * many + words, minlength=len(groups.values) * many).reshape(-1, many)
    found = [
        {"deployment_id": name, "agents": int(counts.sum()), "by_status": _counts(counts, always=False)}
        for name, counts in zip(groups.values, by_status, strict=True)
    ]
    return sorted(found, key=lambda each: (-int(str(each["agents"])), str(each["deployment_id"])))[:MOST_DEPLOYMENTS]


def _distribution(trust: npt.NDArray[np.float64]) -> dict[str, Any]:
    counts, _ = np.histogram(np.clip(trust, 0.0, 1.0), bins=BINS, range=(0.0, 1.0))
    quantiles = np.quantile(trust, (0.01, 0.1, 0.5, 0.9)).tolist() if trust.size else [None] * 4
    return {
        "scored": int(trust.size),
        "mean": number(float(trust.mean())) if trust.size else None,
        "quantiles": dict(zip(("p01", "p10", "p50", "p90"), quantiles, strict=True)),
        "bins": counts.tolist(),
    }


def _lowest(slots: npt.NDArray[np.int64], trust: npt.NDArray[np.float64]) -> list[int]:
    few = np.argpartition(trust, LOWEST)[:LOWEST] if trust.size > LOWEST else np.arange(trust.size)
    found: list[int] = slots[few[np.argsort(trust[few], kind="stable")]].tolist()
    return found


def _low(memory: Memory, slot: int) -> dict[str, Any]:
    return {
        "agent_id": memory.agents[slot],
        "user_id": memory.users[slot],
        "trust": number(memory.trust["trust"][slot]),
    }
