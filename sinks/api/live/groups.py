"""Agents of a scope by one facet or by two: how many, how they are, how far they are trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sinks.api.live.facets import Facet, facet
from sinks.api.live.memory import Memory
from sinks.api.live.words import STATUSES, UNKNOWN, number

Slots = npt.NDArray[np.int64]
Groups = npt.NDArray[np.int64]
"""i8[n]: number of the group of every agent, counted from 0."""
ALL_STATUSES = (*STATUSES, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Grouped:
    """`which`: i8[agents], the group of each; `values`: text of every group, None where the agents have none."""

    which: Groups
    values: list[str | None]


def grouped(memory: Memory, slots: Slots, by: str) -> Grouped:
    """Agents by a facet."""
    found: Facet = facet(memory, by)
    codes, which = np.unique(found.codes[slots], return_inverse=True)
    return Grouped(which.astype(np.int64), [found.book.texts[code] for code in codes.tolist()])


@dataclass(frozen=True, slots=True)
class Figures:
    """Of every group: `agents`, `by_status` (i8[groups, 5], in the order of `ALL_STATUSES`), `violations` of a day;
    `mean`, `p10`, `lowest` of the scores, NaN where nobody has one."""

    agents: npt.NDArray[np.int64]
    by_status: npt.NDArray[np.int64]
    mean: npt.NDArray[np.float64]
    p10: npt.NDArray[np.float64]
    lowest: npt.NDArray[np.float64]
    violations: npt.NDArray[np.int64]

    def told(self, group: int) -> dict[str, Any]:
        """One group, as the API tells it."""
        statuses = zip(ALL_STATUSES, self.by_status[group].tolist(), strict=True)
        return {
            "agents": int(self.agents[group]),
            "by_status": dict(statuses),
            "trust_mean": _rounded(self.mean[group]),
            "trust_p10": _rounded(self.p10[group]),
            "trust_lowest": _rounded(self.lowest[group]),
            "violations_24h": int(self.violations[group]),
        }


def figures(memory: Memory, slots: Slots, which: Groups, count: int, violations: npt.NDArray[np.int64]) -> Figures:
    """Figures of `count` groups; `violations`: i8[len], of a day by slot."""
    trust = memory.trust["trust"][slots]
    scored = np.isfinite(trust)
    mean, p10, lowest = _spread(trust[scored], which[scored], count)
    words = status_numbers(memory, slots)
    by_status = np.bincount(which * len(ALL_STATUSES) + words, minlength=count * len(ALL_STATUSES))
    return Figures(
        np.bincount(which, minlength=count),
        by_status.reshape(count, len(ALL_STATUSES)),
        mean,
        p10,
        lowest,
        np.bincount(which, violations[slots], minlength=count).astype(np.int64),
    )


def status_numbers(memory: Memory, slots: Slots) -> npt.NDArray[np.int64]:
    """i8[n]: place of every agent's status in `ALL_STATUSES`; one that is none of them counts as unknown."""
    places = np.full(len(memory.words), len(STATUSES), np.int64)
    for place, word in enumerate(STATUSES):
        if (code := memory.words.find(word)) > 0:
            places[code] = place
    found: npt.NDArray[np.int64] = places[memory.status.words["status"].codes[slots]]
    return found


def _spread(
    trust: npt.NDArray[np.float64], which: Groups, count: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean, tenth percentile (the lower of two values) and lowest of every group."""
    scored = np.bincount(which, minlength=count)
    some = scored > 0
    mean = np.full(count, np.nan)
    mean[some] = np.bincount(which, trust, minlength=count)[some] / scored[some]
    in_order = trust[np.lexsort((trust, which))]
    first = np.concatenate([[0], np.cumsum(scored)[:-1]])
    p10, lowest = np.full(count, np.nan), np.full(count, np.nan)
    p10[some] = in_order[(first + (scored - 1) // 10)[some]]
    lowest[some] = in_order[first[some]]
    return mean, p10, lowest


def _rounded(value: float) -> float | None:
    found = number(value)
    return None if found is None else round(found, 4)
