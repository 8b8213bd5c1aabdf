"""Agents of a scope, filtered, sorted and cut into pages: array operations over all slots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sinks.api.live.facets import FACETS, facet
from sinks.api.live.memory import Mask, Memory
from sinks.api.scope import Scope

NUMBERS: Final = ("agent_id", "trust", "status_since", "last_heartbeat", "violations")
"""What is sorted as numbers (agent_id: by name alone); everything else by its text."""
SORTS: tuple[str, ...] = tuple(mark + name for name in (*NUMBERS, *FACETS) for mark in ("", "-"))
Sort = str
"""One of `SORTS`, or `label:` and the name of a label; - in front: falling."""
Keys = npt.NDArray[np.float64]
_NO_SCORE = 2.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which agents: `having` a text of each named facet (one of several; "" is none), with `q` in their name (any
    case), with a score below `trust_below`; what is empty or None asks for nothing."""

    having: tuple[tuple[str, tuple[str, ...]], ...] = ()
    q: str | None = None
    trust_below: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the sort value of its last item, and its name."""

    value: float | str
    agent_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Listed:
    """`slots` of one page in their order; `total`: how many fit in all; `last`: None on the last page."""

    slots: list[int]
    total: int
    last: Place | None


def list_agents(
    memory: Memory, scope: Scope, wanted: Wanted, sort: Sort, after: Place | None, limit: int, offset: int = 0
) -> Listed:
    """One page, `offset` items after `after`. What does not change between two pages stands in exactly one of them."""
    fits = np.flatnonzero(fitting(memory, scope, wanted))
    down, name = sort.startswith("-"), sort.removeprefix("-")
    keys, ranks = _keys(memory, name)[fits], memory.ranks()[fits]
    if down:
        keys, ranks = -keys, -ranks
    rest = _beyond(memory, keys, ranks, after, name, down=down)
    total = fits.size
    fits, keys, ranks = fits[rest], keys[rest], ranks[rest]
    slots = fits[_smallest(keys, ranks, offset + limit)[offset:]].tolist()
    last = _place(memory, slots[-1], name) if slots and offset + len(slots) < fits.size else None
    return Listed(slots, total, last)


def fitting(memory: Memory, scope: Scope, wanted: Wanted) -> Mask:
    """bool[len]: which slots of a scope are wanted."""
    mask = memory.visible(scope).copy()
    for name, texts in wanted.having:
        found = facet(memory, name)
        mask &= np.logical_or.reduce([found.having(text) for text in texts])
    if wanted.q:
        mask &= memory.holding(wanted.q)
    if wanted.trust_below is not None:
        mask &= memory.trust["trust"][: len(memory)] < wanted.trust_below
    return mask


def _keys(memory: Memory, name: str) -> Keys:
    """f8[len]: what slots are sorted by, finite; who has no value comes last in rising order."""
    if name not in NUMBERS:
        found = facet(memory, name)
        texts: Keys = found.book.ranks()[found.codes]
        return texts
    numbers: Keys = np.asarray(_numbers(memory, name)[: len(memory)], np.float64)
    return numbers


def _numbers(memory: Memory, name: str) -> npt.NDArray[Any]:
    if name == "trust":
        trust: npt.NDArray[Any] = np.nan_to_num(memory.trust["trust"], nan=_NO_SCORE, posinf=_NO_SCORE, neginf=-1.0)
        return trust
    if name == "violations":
        return np.asarray(memory.trust["violations"])
    if name == "status_since":
        return np.asarray(memory.status["timestamp"])
    if name == "last_heartbeat":
        beats: npt.NDArray[Any] = np.maximum(memory.status["last_beat"], memory.recent["beat"])
        return beats
    return np.zeros(len(memory))


def _beyond(
    memory: Memory, keys: Keys, ranks: npt.NDArray[np.int64], after: Place | None, name: str, *, down: bool
) -> Mask:
    if after is None:
        return np.ones(keys.size, np.bool_)
    value = facet(memory, name).book.rank_of(after.value) if isinstance(after.value, str) else after.value
    value = -value if down else value
    before, known = memory.rank_of((after.agent_id, after.user_id))
    # A name that is gone (or never was) lies between two ranks.
    rank = float(before if known else before - 0.5)
    beyond: Mask = (keys > value) | ((keys == value) & (ranks > (-rank if down else rank)))
    return beyond


def _smallest(keys: Keys, ranks: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Positions of the `count` that come first, in their order."""
    if keys.size > count:
        bound = np.partition(keys, count - 1)[count - 1]
        near = np.flatnonzero(keys <= bound)
        if near.size > count:  # many are equal: of these, the names that come first
            equal = keys[near] == bound
            few = count - int((~equal).sum())
            first = near[equal][np.argpartition(ranks[near[equal]], few - 1)[:few]]
            near = np.concatenate([near[~equal], first])
    else:
        near = np.arange(keys.size)
    return near[np.lexsort((ranks[near], keys[near]))]


def _place(memory: Memory, slot: int, name: str) -> Place:
    names = memory.agents[slot], memory.users[slot]
    if name not in NUMBERS:
        found = facet(memory, name)
        return Place(found.book.texts[int(found.codes[slot])] or "", *names)
    value = float(_numbers(memory, name)[slot])
    return Place(value if math.isfinite(value) else 0.0, *names)
