"""What a partition knows of its groups of agents: fleet, tenants, deployments, hosts, gateways. Pure.

Agents that share all of these are one combination; sums are taken over combinations once, and of those over groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.operators.arrays import Field, SlotArrays
from streams.operators.heartbeat import Status
from streams.operators.slots import Slots
from streams.operators.trust import TrustScores
from streams.rules.engine import Fleet

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

_BUCKETS, _BUCKET_S = 12, 300.0
VIOLATIONS: Mapping[str, Field] = MappingProxyType(
    {
        "count": Field("u4", (_BUCKETS,), 0, "[bucket]: violations of five minutes, count"),
        "number": Field("u4", (_BUCKETS,), 0, "[bucket]: which five minutes since the epoch; 0 = none yet"),
    }
)
"""State by agent slot: violations of the last hour."""


def note_violations(arrays: SlotArrays, slots: Slots, times_s: npt.NDArray[np.float64]) -> None:
    """Count violations: agent `slots` i4[n] at event times `times_s` f8[n]."""
    number = np.clip(times_s / _BUCKET_S, 0, np.iinfo(np.uint32).max).astype(np.uint32)
    place = number % _BUCKETS
    before = arrays["number"][slots, place]
    np.maximum.at(arrays["number"], (slots, place), number)
    now = arrays["number"][slots, place]
    turned = now != before
    arrays["count"][slots[turned], place[turned]] = 0
    counts = number == now
    np.add.at(arrays["count"], (slots[counts], place[counts]), 1)


def violations_within_hour(arrays: SlotArrays, count: int, now_s: float) -> npt.NDArray[np.float64]:
    """Violations in the last hour of slots 0 to `count` - 1, f8[count]; in steps of five minutes."""
    oldest = max(int(now_s / _BUCKET_S) - _BUCKETS + 1, 1)
    found = np.zeros(count)
    slots, buckets = np.nonzero(arrays["number"][:count] >= oldest)  # few: most agents break no policy
    np.add.at(found, slots, arrays["count"][slots, buckets])
    return found


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


class Groups:
    """Which combination every agent belongs to, and what was told last."""

    def __init__(self) -> None:
        self._combinations: dict[tuple[str, ...], int] = {}
        self._of_agent: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._known = 0
        self._told: dict[tuple[str, str], npt.NDArray[np.float64]] = {}
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

    def sums(
        self, status: npt.NDArray[np.uint8], scores: TrustScores, violations: npt.NDArray[np.float64]
    ) -> list[Group]:
        """Every group: `status` u1[agents], `scores` of the same agents, `violations` f8[agents] in the last hour."""
        of_agent, many = self._of_agent[: status.size], len(self._combinations)
        here = _IS_COUNTED[status]
        weights = (
            here,
            *(status == one for one in _COUNTED),
            np.where(here, scores.trust, 0.0),
            np.where(here, scores.compliant, 0.0),
            np.where(here, scores.violating, 0.0),
            violations,
        )
        table = np.column_stack([np.bincount(of_agent, weight, many).astype(np.float64) for weight in weights])
        return list(self._grouped(table))

    def _grouped(self, table: npt.NDArray[np.float64]) -> Iterator[Group]:
        """Groups from the measures f8[combinations, measures] of the combinations."""
        keys = list(self._combinations)
        fleet = np.array([key[0] != OWN_TENANT for key in keys], np.bool_)
        yield Group("fleet", "", table[fleet].sum(axis=0))
        for position, kind in enumerate(_KINDS):
            names = sorted({key[position] for key in keys} - {""})
            index = {name: number for number, name in enumerate(names)}
            codes = np.array([index.get(key[position], len(names)) for key in keys], np.int64)
            found = np.zeros((len(names) + 1, len(MEASURES)))
            np.add.at(found, codes, table)
            for number, name in enumerate(names):
                yield Group(kind, name, found[number])

    def changed(self, groups: list[Group], *, complete: bool) -> list[Group]:
        """Those that differ from what was told last, or all; they count as told."""
        now = np.array([group.measures for group in groups])
        unknown = np.full(len(MEASURES), np.nan)
        before = np.array([self._told.get((group.kind, group.name), unknown) for group in groups])
        same = (np.abs(now - before) <= _TOLERANCE * np.abs(before)).all(axis=1)  # False where nothing was told
        told = [groups[number] for number in np.flatnonzero(~same | complete)]
        for group in told:
            self._told[group.kind, group.name] = group.measures
        return told
