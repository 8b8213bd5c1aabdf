"""The fleet as a picture: groups of tiles. A tile is an agent, or, where these are too many, a part of its group."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sinks.api.live.groups import ALL_STATUSES, Figures, Grouped, Slots, figures, grouped, status_numbers
from sinks.api.live.memory import Memory

MOST_GROUPS: Final = 60
LARGEST_OF_MANY: Final = 30
"""Where there are more groups than `MOST_GROUPS`: so many for their size, the rest for their trust."""
MOST_AGENTS: Final = 5_000
"""Up to so many agents each is a tile of its own."""
MOST_PARTS: Final = 2_000
_DIGITS: Final = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """Groups `by` a facet; where agents are too many, a tile is those of one `within`."""

    by: str
    within: str


def topology(memory: Memory, slots: Slots, asked: Asked, violations: npt.NDArray[np.int64]) -> dict[str, Any]:
    """The picture of agents: the largest groups, then where there are too many the least trusted of the others; of
    each the least trusted tiles first."""
    groups = grouped(memory, slots, asked.by)
    told = figures(memory, slots, groups.which, len(groups.values), violations)
    chosen, largest = _chosen(told)
    of_agents = slots.size <= MOST_AGENTS
    parts = None if of_agents else _Parts(memory, slots, groups, asked.within, violations, MOST_PARTS // chosen.size)
    found = []
    for group in chosen.tolist():
        members = slots[groups.which == group]
        tiles = agent_tiles(memory, members) if parts is None else parts.tiles(group)
        found.append({"value": groups.values[group], **told.told(group), "tiles": tiles})
    return {
        "by": asked.by,
        "within": asked.within,
        "tiles_are": "agents" if of_agents else "parts",
        "statuses": list(ALL_STATUSES),
        "agents": int(slots.size),
        "groups_total": len(groups.values),
        "groups_largest": largest,
        "agents_left_out": int(slots.size - told.agents[chosen].sum()),
        "groups": found,
    }


def _chosen(told: Figures) -> tuple[Slots, int]:
    """Numbers of the groups that are shown, and how many of them are there for their size."""
    by_size = np.argsort(-told.agents, kind="stable")
    if by_size.size <= MOST_GROUPS:
        return by_size, by_size.size
    largest, others = by_size[:LARGEST_OF_MANY], by_size[LARGEST_OF_MANY:]
    # By the lowest tenth: one agent that fell is most of a small group and nothing in a large one.
    least_trusted = others[np.argsort(np.nan_to_num(told.p10[others], nan=2.0), kind="stable")]
    return np.concatenate([largest, least_trusted[: MOST_GROUPS - LARGEST_OF_MANY]]), largest.size


def agent_tiles(memory: Memory, slots: Slots) -> dict[str, Any]:
    """Agents as columns, the least trusted first; `place`: x, y, z where the agents file tells one."""
    trust = memory.trust["trust"][slots]
    order = np.argsort(np.nan_to_num(trust, nan=2.0), kind="stable")
    slots, trust = slots[order], trust[order]
    places = memory.labels.place[slots]
    here = slots.tolist()
    return {
        "names": [memory.agents[slot] for slot in here],
        "agents": [1] * len(here),
        "trust": numbers(trust),
        "status": status_numbers(memory, slots).tolist(),
        "places": [None if math.isnan(place[0]) else place for place in places.tolist()],
        "more": 0,
    }


def numbers(values: npt.NDArray[np.float64]) -> list[float | None]:
    """Rounded, None for NaN."""
    return [None if math.isnan(value) else value for value in np.round(values, _DIGITS).tolist()]


class _Parts:
    """Tiles of the agents of one `within` each."""

    def __init__(
        self,
        memory: Memory,
        slots: Slots,
        groups: Grouped,
        within: str,
        violations: npt.NDArray[np.int64],
        most: int,
    ) -> None:
        parts = grouped(memory, slots, within)
        both, which = np.unique(groups.which * len(parts.values) + parts.which, return_inverse=True)
        self._group, self._part = both // len(parts.values), both % len(parts.values)
        self._values, self._most = parts.values, most
        self._figures: Figures = figures(memory, slots, which.astype(np.int64), both.size, violations)

    def tiles(self, group: int) -> dict[str, Any]:
        """Parts of a group, the least trusted first."""
        mine = np.flatnonzero(self._group == group)
        told = self._figures
        mine = mine[np.argsort(np.nan_to_num(told.p10[mine], nan=2.0), kind="stable")]
        shown = mine[: self._most]
        return {
            "names": [self._values[part] for part in self._part[shown].tolist()],
            "agents": told.agents[shown].tolist(),
            "trust": numbers(told.mean[shown]),
            "status": _worst(told.by_status[shown]).tolist(),
            "places": [None] * shown.size,
            "more": int(mine.size - shown.size),
        }


def _worst(by_status: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Of every part the gravest status that anybody has: offline, degraded, late, unknown, online."""
    order = np.asarray([ALL_STATUSES.index(word) for word in ("offline", "degraded", "late", "unknown", "online")])
    found: npt.NDArray[np.int64] = order[np.argmax(by_status[:, order] > 0, axis=1)]
    return found
