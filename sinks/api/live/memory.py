"""The latest of every agent, as columns by slot: a question costs a few array operations, whatever the fleet's size.

A slot is a tenant's agent: two tenants may name an agent the same, and neither sees the other's. Slots only grow; an
agent that is gone stays, as its last record stays in the compacted topic. Every batch that comes is a frame, and a slot
knows the frame in which it changed: who has seen frame n is told what changed after it, without a queue of changes.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from sinks.api.labels.file import Entry
from sinks.api.labels.known import Labels, Rows
from sinks.api.live.columns import RECENT_COLUMNS, STATUS_COLUMNS, TRUST_COLUMNS, Columns, Slots, values_of
from sinks.api.live.wordbook import NONE, Codes, WordBook, WordColumn
from sinks.api.scope import Scope

Mask = npt.NDArray[np.bool_]
SOURCES: Final = {"fleet.status": STATUS_COLUMNS, "fleet.trust": TRUST_COLUMNS}
_CACHED_SCOPES = 256
_FEW_WORDS = 8_192
"""So many texts are never worth tidying."""


class Memory:
    """Written by one task, read by any: nothing here waits."""

    def __init__(self) -> None:
        self.generation = 0
        """How often everything was forgotten."""
        self.frame = 0
        """Number of the last frame."""
        self._labels = Labels()
        self._forget()

    def clear(self) -> None:
        """Forget everything, as one frame: what comes next is of another log."""
        self.generation += 1
        self.frame += 1
        self._forget()

    def _forget(self) -> None:
        self.users: list[str] = []
        """Tenant of every slot."""
        self.agents: list[str] = []
        """Agent of every slot."""
        self.words = WordBook()
        """The texts of all columns."""
        self.tenants = WordColumn(self.words)
        """`users` again, as numbers."""
        self.status = Columns(STATUS_COLUMNS, self.words)
        self.trust = Columns(TRUST_COLUMNS, self.words)
        self.recent = Columns(RECENT_COLUMNS, self.words)
        self._tidy_beyond = _FEW_WORDS
        self.label(self._labels.entries)
        self._slot: dict[tuple[str, str], int] = {}
        self._of_name: dict[str, list[int]] = {}
        self._visible: dict[Scope, Mask] = {}
        self._order = np.zeros(0, np.int64)
        self._ranks = np.zeros(0, np.int64)
        self._lower = pl.Series(dtype=pl.String)

    def __len__(self) -> int:
        return len(self.agents)

    def assign(self, users: Iterable[str], agents: Iterable[str]) -> Slots:
        """Slots of tenants' agents, one for every row; who is new gets the next one."""
        before = len(self)
        slots = np.fromiter((self._assigned(key) for key in zip(users, agents, strict=True)), np.int32)
        for columns in (self.status, self.trust, self.recent):
            columns.grow(len(self))
        if len(self) > before:
            self.tenants.grow(len(self))
            self.tenants[np.arange(before, len(self))] = self.users[before:]
        return slots

    def _assigned(self, key: tuple[str, str]) -> int:
        slot = self._slot.get(key)
        if slot is None:
            slot = self._slot[key] = len(self.agents)
            self.users.append(key[0])
            self.agents.append(key[1])
            self._of_name.setdefault(key[1], []).append(slot)
        return slot

    def apply(self, topic: str, frame: pl.DataFrame) -> Slots:
        """Take in a decoded batch of one of `SOURCES` as the next frame; its slots."""
        values = values_of(frame, SOURCES[topic])
        slots = self.assign(frame["user_id"].to_list(), frame["agent_id"].to_list())
        self.frame += 1
        (self.status if topic == "fleet.status" else self.trust).put(slots, values, self.frame)
        self._tidy()
        return slots

    def _tidy(self) -> None:
        """Forget texts that no agent has any longer: hosts of containers, say, come and go for ever."""
        if len(self.words) <= self._tidy_beyond:
            return
        columns = [self.tenants, *(each for c in (self.status, self.trust, self.recent) for each in c.words.values())]
        renumbered = self.words.keep(np.unique(np.concatenate([each.codes for each in columns])))
        for each in columns:
            each.codes = renumbered[each.codes]
        self._tidy_beyond = max(_FEW_WORDS, 2 * len(self.words))

    def note(self, time_column: str, frame: pl.DataFrame) -> None:
        """Overwrite columns of `recent` where `frame` is newer; a value that is null leaves the one before.

        `frame` has each agent once: user_id, agent_id, `time_column` (i8, microseconds), and columns of `recent`.
        """
        slots = self.assign(frame["user_id"].to_list(), frame["agent_id"].to_list())
        newer = frame[time_column].to_numpy() > self.recent[time_column][slots]
        frame, slots = frame.filter(pl.Series(newer, dtype=pl.Boolean)), slots[newer]
        for name in frame.columns:
            if name in self.recent.kinds:
                told = frame[name].is_not_null().to_numpy()
                self.recent[name][slots[told]] = frame[name].drop_nulls().to_numpy()

    def deployments(self) -> Codes:
        """i4[len]: the deployment of every slot as it was told last, as a number in `words`."""
        first, second = (each.words["deployment_id"].codes[: len(self)] for each in (self.status, self.trust))
        return np.where(first == NONE, second, first)

    def label(self, entries: Sequence[Entry]) -> None:
        """From now on agents have the labels of these entries."""
        self._labels = Labels(entries, len(self))
        self._labelled, self._labelled_frame = 0, 0

    @property
    def labels(self) -> Labels:
        """Labels of every slot, as the entries and the agents' latest hosts and deployments have them."""
        if self._labelled < len(self) or (self._labels.follows_status and self._labelled_frame < self.frame):
            self._labels.grow(max(len(self), len(self._labels.place)))
            self._judge_labels()
        return self._labels

    def _judge_labels(self) -> None:
        new = np.arange(len(self)) >= self._labelled
        if self._labels.follows_status:
            new |= np.maximum(self.status.frame, self.trust.frame)[: len(self)] > self._labelled_frame
        slots = np.flatnonzero(new)
        self._labelled, self._labelled_frame = len(self), self.frame
        columns = {"tenant": self.tenants.codes, "host": self.status.words["host"].codes}
        codes = {name: each[slots] for name, each in (columns | {"deployment": self.deployments()}).items()}
        self._labels.judge(Rows(slots, [self.agents[slot] for slot in slots.tolist()], codes, self.words))

    def find(self, scope: Scope, agent_id: str) -> int | None:
        """Slot of an agent within a scope; of tenants that name one the same, the one that was heard of last."""
        found = [slot for slot in self._of_name.get(agent_id, ()) if scope.sees(self.users[slot], agent_id)]
        return max(found, key=self.last_told_us, default=None)

    def last_told_us(self, slot: int) -> int:
        """When the status or score of a slot was written last."""
        return max(int(self.status["timestamp"][slot]), int(self.trust["timestamp"][slot]))

    def visible(self, scope: Scope) -> Mask:
        """bool[len]: which slots a scope holds."""
        known = self._visible.get(scope)
        size = 0 if known is None else known.size
        if known is None or size < len(self):
            more = self._seen(scope, size)
            known = more if known is None else np.concatenate([known, more])
            if len(self._visible) >= _CACHED_SCOPES:
                self._visible.pop(next(iter(self._visible)))
            self._visible[scope] = known
        return known

    def _seen(self, scope: Scope, first: int) -> Mask:
        """bool[len - first]: which slots from `first` on a scope holds."""
        tenants, which = np.unique(self.tenants.codes[first : len(self)], return_inverse=True)
        allowed = [scope.sees_tenant(self.words.texts[code] or "") for code in tenants.tolist()]
        mask: Mask = np.asarray(allowed, np.bool_)[which]
        if scope.agents:
            left = np.flatnonzero(mask)
            names = (self.agents[first + row] for row in left.tolist())
            mask[left] = np.fromiter(map(scope.sees_agent, names), np.bool_, left.size)
        return mask

    def holding(self, part: str) -> Mask:
        """bool[len]: whose name holds a text, in any case."""
        if self._lower.len() < len(self):
            more = [name.lower() for name in self.agents[self._lower.len() :]]
            self._lower = pl.concat([self._lower, pl.Series(more, dtype=pl.String)], rechunk=True)
        return self._lower.str.contains(part.lower(), literal=True).to_numpy()

    def changed(self, columns: Columns, scope: Scope, after: int) -> Slots:
        """Slots of a scope that changed in `columns` after a frame."""
        newer = columns.frame[: len(self)] > after
        return np.flatnonzero(newer & self.visible(scope)).astype(np.int32)

    def ranks(self) -> npt.NDArray[np.int64]:
        """i8[len]: place of every slot in the order of names (agent, then tenant)."""
        if self._order.size < len(self):
            names = pl.DataFrame({"agent": self.agents, "user": self.users})
            self._order = names.select(pl.arg_sort_by("agent", "user")).to_series().to_numpy().astype(np.int64)
            self._ranks = np.empty(len(self), np.int64)
            self._ranks[self._order] = np.arange(len(self))
        return self._ranks

    def _name(self, slot: int) -> tuple[str, str]:
        return self.agents[slot], self.users[slot]

    def rank_of(self, name: tuple[str, str]) -> tuple[int, bool]:
        """How many slots have a name (agent, tenant) before `name`, and whether one has just this."""
        self.ranks()
        place = bisect.bisect_left(self._order, name, key=self._name)
        return place, place < self._order.size and self._name(self._order[place]) == name
