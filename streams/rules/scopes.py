"""Who a budget counts for: agents, deployments, tenants, the fleet; their sums, and which of them to tell of.

A scope's state lies with the bucket of the agents that spend, so that it is in the snapshot that says which of their
events it contains: a tenant has up to one slot for each bucket of a partition. What is here follows from the keys.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.operators.slots import Slots
from streams.rules import budgets
from streams.rules.amounts import amounts_of, topic_of
from streams.rules.engine import Fleet
from streams.rules.groups import MEASURES, OWN_TENANT
from streams.rules.model import BudgetRule
from streams.rules.values import matches
from streams.state.stores import BUCKETS, SERIES_SEPARATOR, KeyedStore, bucket_of

RING = "ring"
_PLACE = {"agent": "agent_id", "deployment": "deployment_id", "tenant": "user_id"}
_MOVES = frozenset({"host", "gateway"})
_UNKNOWN, _NOT_COUNTED = -2, -1
_NEAR = 0.5
"""An agent is told of from this share of its lowest limit on: there are many, and nobody else counts for them."""
_NOTHING = dict.fromkeys(MEASURES, 0.0)


def _homes() -> tuple[str, ...]:
    """For each bucket a text that falls into it."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < BUCKETS:
        found.setdefault(bucket_of(str(number)), str(number))
        number += 1
    return tuple(found[bucket] for bucket in range(BUCKETS))


_HOMES = _homes()


def book_of(rule: BudgetRule) -> str:
    """What the sums of a rule are kept under: another metric or window begins anew."""
    what = zlib.crc32(f"{rule.metric}/{rule.per or ''}/{rule.window_s:g}".encode())
    return SERIES_SEPARATOR.join((rule.name, rule.of, f"{what:08x}"))


@dataclass
class _Book:
    """The scopes of one rule: `names` by number; of the store's `slots` i4[k] the scope `codes` i8[k] and the sums
    f8[k, 2]; what was `told` f8[names, 2], NaN = nothing. `running`: the step of the sums."""

    names: dict[str, int] = field(default_factory=dict)
    slots: Slots = field(default_factory=lambda: np.zeros(0, np.int32))
    codes: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    sums: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    told: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    running: int = -1

    def take_in(self, names: list[str], slots: list[int]) -> None:
        """New slots of the store, each with the name of its scope."""
        codes = [self.names.setdefault(name, len(self.names)) for name in names]
        self.slots = np.concatenate([self.slots, np.array(slots, np.int32)])
        self.codes = np.concatenate([self.codes, np.array(codes, np.int64)])
        self.sums = np.concatenate([self.sums, np.zeros((len(slots), 2))])
        self.told = np.concatenate([self.told, np.full((len(self.names) - len(self.told), 2), np.nan)])


class Scopes:
    """Scopes of all budgets of one partition."""

    def __init__(self) -> None:
        self._of_agent: dict[str, Slots] = {}
        self._books: dict[str, _Book] = {}
        self._covered = 0
        self._stale: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)

    def note(
        self,
        rules: tuple[BudgetRule, ...],
        store: KeyedStore,
        fleet: Fleet,
        topic: str,
        frame: pl.DataFrame,
        slots: Slots,
        times_s: npt.NDArray[np.float64],
    ) -> None:
        """Add up what a batch of `topic` says, of agents `slots` i4[n] at event times f8[n]."""
        for rule in rules:
            sides: tuple[tuple[budgets.Side, str | None], ...] = (("spent", rule.metric), ("base", rule.per))
            for side, name in sides:
                if name is None or topic_of(name) != topic:
                    continue
                rows, amounts = amounts_of(name, frame)
                scopes = self._scopes(rule, store, fleet, slots[rows])
                counts = scopes >= 0
                scopes, at_s = scopes[counts], times_s[rows[counts]]
                budgets.add(store.arrays[RING], side, scopes, at_s, amounts[counts], rule.step_s)
                self._cover(store)
                self._stale[scopes] = True

    def _scopes(self, rule: BudgetRule, store: KeyedStore, fleet: Fleet, slots: Slots) -> Slots:
        """Slots in the store i4[n] for agents `slots` i4[n]; -1 where the rule does not count the agent."""
        book, highest = book_of(rule), int(slots.max(initial=-1))
        known = self._of_agent.get(book, np.zeros(0, np.int32))
        if highest >= known.size:
            grown = np.full(max(highest + 1, 2 * known.size), _UNKNOWN, np.int32)
            grown[: known.size] = known
            self._of_agent[book] = known = grown
        if _MOVES & rule.match.keys():
            known[slots] = _UNKNOWN
        fresh = np.unique(slots[known[slots] == _UNKNOWN])
        if fresh.size:
            keys = [_key(rule, fleet, slot) for slot in fresh.tolist()]
            found = [number for number, key in enumerate(keys) if key is not None]
            known[fresh] = _NOT_COUNTED
            known[fresh[found]] = store.assign(pl.Series([keys[number] for number in found], dtype=pl.String))
        return known[slots]

    def _cover(self, store: KeyedStore) -> None:
        """Take in the keys that are new in the store, or were recovered."""
        if len(store) == self._covered:
            return
        fresh: dict[str, tuple[list[str], list[int]]] = {}
        for slot in range(self._covered, len(store)):
            home, rule, of, what, name = store.slots.keys[slot].split(SERIES_SEPARATOR, 4)
            names, slots = fresh.setdefault(SERIES_SEPARATOR.join((rule, of, what)), ([], []))
            names.append(home if of == "agent" else name)
            slots.append(slot)
        for book, (names, slots) in fresh.items():
            self._books.setdefault(book, _Book()).take_in(names, slots)
        self._stale = np.concatenate([self._stale, np.ones(len(store) - self._stale.size, np.bool_)])
        self._covered = len(store)

    def groups(
        self, rules: tuple[BudgetRule, ...], store: KeyedStore, now_s: float, *, complete: bool
    ) -> list[dict[str, Any]]:
        """Rows of a summary: scopes whose sums differ from what was told, or all that there is something to say of."""
        self._cover(store)
        found = [row for rule in rules for row in self._of_rule(rule, store, now_s, complete=complete)]
        if rules:
            self._stale[:] = False
        return found

    def _of_rule(
        self, rule: BudgetRule, store: KeyedStore, now_s: float, *, complete: bool
    ) -> Iterator[dict[str, Any]]:
        book = self._books.get(book_of(rule))
        if book is None:
            return
        running = budgets.step_number(now_s, rule.step_s)
        stale = np.flatnonzero(self._stale[book.slots]) if running == book.running else np.arange(book.slots.size)
        book.running = running
        book.sums[stale] = budgets.within(store.arrays[RING], book.slots[stale], running)
        sums = np.zeros((len(book.names), 2))
        np.add.at(sums, book.codes, book.sums)
        if complete:
            book.told[:] = np.nan
        tells = (_is_near(rule, sums) | ~np.isnan(book.told[:, 0])) & (sums != book.told).any(axis=1)
        names = list(book.names)
        book.told[tells] = sums[tells]
        for number in np.flatnonzero(tells).tolist():
            yield from _rows(rule, names[number], *sums[number].tolist())


def _key(rule: BudgetRule, fleet: Fleet, slot: int) -> str | None:
    """The key in the store for what an agent spends; None: the rule does not count it."""
    place = fleet.place(slot)
    if not matches(rule.match, place) or (rule.of == "fleet" and place["user_id"] == OWN_TENANT):
        return None
    agent, book = place["agent_id"], book_of(rule)
    if rule.of == "agent":
        return SERIES_SEPARATOR.join((agent, book, ""))
    name = "" if rule.of == "fleet" else place.get(_PLACE[rule.of], "")
    return SERIES_SEPARATOR.join((_HOMES[bucket_of(agent)], book, name))


def _is_near(rule: BudgetRule, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which scopes, of sums f8[k, 2], there is something to say of."""
    spent, base = sums[:, 0], sums[:, 1]
    if rule.of != "agent":
        return np.logical_or(spent, base)
    near: npt.NDArray[np.bool_] = spent > _NEAR * rule.limits[-1][1] * (1.0 if rule.per is None else base)
    return near


def _rows(rule: BudgetRule, name: str, spent: float, base: float) -> Iterator[dict[str, Any]]:
    yield {"kind": f"budget:{rule.name}", "name": name, **_NOTHING, "spent": spent}
    if rule.per is not None:
        yield {"kind": f"per:{rule.name}", "name": name, **_NOTHING, "spent": base}
