"""What a partition knows of its groups of agents: fleet, tenants, deployments, hosts, gateways. Pure.

Agents that share all of these are one combination; sums are taken over combinations once, and of those over groups.
What belongs to what is kept between ticks, and so is each agent's standing: a tick reads that of agents with events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.operators.heartbeat import Status
from streams.rules.engine import Fleet
from streams.rules.standings import Standings

OWN_TENANT = "fleetpulse"
"""Our own processes report as agents of this tenant; they are not part of the fleet."""
COMPLETE_EVERY_S = 30.0
_KINDS = ("tenant", "deployment", "host", "gateway")
_PLACES = ("user_id", "deployment_id", "host", "gateway")
_COUNTED = (Status.ONLINE, Status.LATE, Status.OFFLINE, Status.DEGRADED)
_IS_COUNTED = np.isin(np.arange(len(Status)), _COUNTED)
MEASURES = ("agents", "online", "late", "offline", "degraded", "trust_sum", "compliant", "violating", "violations")
_TOLERANCE = np.array([0, 0, 0, 0, 0, 1e-3, 1e-2, 1e-2, 0])
"""By how much, relatively, a measure may differ without being told again: evidence decays all the time."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group: `kind` tenant, deployment, host, gateway or fleet; `measures` f8 in the order of `MEASURES`."""

    kind: str
    name: str
    measures: npt.NDArray[np.float64]

    def row(self) -> dict[str, Any]:
        """As fleet.signals has it."""
        values = dict(zip(MEASURES, self.measures.tolist(), strict=True))
        return {"kind": self.kind, "name": self.name, **values, "spent": 0.0}


@dataclass
class _Index:
    """Which combinations make up which groups: `combinations` i8[n] in the order of `keys`, the first of each group at
    `starts` i8[groups]. `told` f8[groups, measures]: NaN = nothing yet."""

    combined: int = 0
    keys: list[tuple[str, str]] = field(default_factory=list)
    combinations: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    starts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    told: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, len(MEASURES))))

    def of(self, combinations: list[tuple[str, ...]]) -> _Index:
        """This index, or one of more combinations that knows what this one has told."""
        if self.combined == len(combinations):
            return self
        members: dict[tuple[str, str], list[int]] = {("fleet", ""): []}
        for kind, names in zip(_KINDS, zip(*combinations, strict=True), strict=True):
            members |= {(kind, name): [] for name in sorted({*names} - {""})}
            for number, name in enumerate(names):
                if name:
                    members[kind, name].append(number)
        members["fleet", ""] = [number for number, key in enumerate(combinations) if key[0] != OWN_TENANT]
        keys = [key for key, numbers in members.items() if numbers]
        sizes = [len(members[key]) for key in keys]
        flat = np.fromiter((number for key in keys for number in members[key]), np.int64, sum(sizes))
        before = dict(zip(self.keys, self.told, strict=True))
        unknown = np.full(len(MEASURES), np.nan)
        told = np.array([before.get(key, unknown) for key in keys])
        return _Index(len(combinations), keys, flat, np.cumsum([0, *sizes[:-1]]), told)


class Groups:
    """Which combination every agent belongs to, and what was told last."""

    def __init__(self) -> None:
        self._combinations: dict[tuple[str, ...], int] = {}
        self._of_agent: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._known = 0
        self._index = _Index()
        self.moved: set[int] = set()
        self.told_s = -np.inf
        self.complete_s = -np.inf
        self.number = 0

    def cover(self, fleet: Fleet) -> None:
        """Take in agents that are new, and those of which somebody noted in `moved` that they moved."""
        count = len(fleet.owners)
        if count > self._of_agent.size:
            self._of_agent = np.resize(self._of_agent, max(count, 2 * self._of_agent.size))
        for slot in (*range(self._known, count), *(slot for slot in self.moved if slot < self._known)):
            place = fleet.place(slot)
            key = tuple(place.get(name, "") for name in _PLACES)
            self._of_agent[slot] = self._combinations.setdefault(key, len(self._combinations))
        self._known = count
        self.moved.clear()

    def changed(self, status: npt.NDArray[np.uint8], standings: Standings, *, complete: bool) -> list[Group]:
        """Groups that differ from what was told last, or all; they count as told. `status` u1[agents], the `standings`
        of the same agents."""
        self._index = index = self._index.of(list(self._combinations))
        now = self._sums(status, standings, index)
        same = (np.abs(now - index.told) <= _TOLERANCE * np.abs(index.told)).all(axis=1)  # False where nothing was told
        tells = np.flatnonzero(~same | complete)
        index.told[tells] = now[tells]
        return [Group(*index.keys[number], now[number]) for number in tells.tolist()]

    def _sums(self, status: npt.NDArray[np.uint8], standings: Standings, index: _Index) -> npt.NDArray[np.float64]:
        """Measures f8[groups, measures]."""
        of_agent, many = self._of_agent[: status.size], len(self._combinations)
        counts = np.bincount(of_agent * len(Status) + status, minlength=many * len(Status)).reshape(many, len(Status))
        here = np.where(_IS_COUNTED[status], of_agent, many)  # a combination of those who do not count
        decaying = [np.bincount(here, weight, many + 1)[:many] for weight in standings.of(status.size)]
        violations = np.bincount(of_agent, standings.violations[: status.size], many)
        counted = counts[:, _COUNTED]
        table = np.column_stack([counted.sum(axis=1), counted, *decaying, violations])
        sums: npt.NDArray[np.float64] = np.add.reduceat(table[index.combinations], index.starts, axis=0)
        return sums
