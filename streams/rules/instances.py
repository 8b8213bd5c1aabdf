"""Active alerts: pending or firing, sparse, by agent slot. Pure: facts come in, events come out.

Of an alert that ended only the number of its firings is remembered: it is the epoch, so a replay gives the same one
even where it fires at another moment (scores are judged at ticks, and ticks fall otherwise the second time).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from streams.rules.model import RuleBase
from streams.rules.values import RANK, Severity

KEY_SEPARATOR = "\x1f"
"""Between a rule's name and the metric in the key of an instance."""
_SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


class Instance(TypedDict):
    """One active alert; JSON-able. Times are seconds since the epoch.

    `since`: by severity (info, warning, critical) the event time since when it has been true without a break, None
    where it is not. `severity`: as which it fires, empty while it is pending. `starts_s`, `epoch`: of the firing.
    `last_s`: event time of the newest value; `heard_s`: the worker's clock when it came.
    """

    since: list[float | None]
    severity: str
    starts_s: float
    epoch: int
    last_s: float
    heard_s: float


@dataclass(frozen=True, slots=True)
class Fact:
    """What was seen: `at_s` event time, `value` compared with `threshold`, evidence for people, the worker's clock."""

    at_s: float
    heard_s: float
    summary: str
    value: float | None = None
    threshold: float | None = None
    evidence: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """An alert of a rule began (`firing`; again when it became graver) or ended (`resolved`)."""

    slot: int
    rule: RuleBase
    metric: str
    state: str
    severity: str
    starts_s: float
    epoch: int
    fact: Fact


def key_of(rule: RuleBase, metric: str) -> str:
    """The instance's key within its agent."""
    return f"{rule.name}{KEY_SEPARATOR}{metric}"


def gravest(severities: list[float | None], at_s: float, for_s: float) -> Severity | None:
    """The gravest severity that has been true for `for_s` at `at_s`."""
    for severity, since_s in zip(reversed(_SEVERITIES), reversed(severities), strict=True):
        if since_s is not None and at_s - since_s >= for_s:
            return severity
    return None


class Instances:
    """All active alerts of a partition. `by_slot` and `firings` (by slot and key) are the state; the rest follows.

    `changed`: slots whose instances differ since somebody last emptied it.
    """

    def __init__(self) -> None:
        self.by_slot: dict[int, dict[str, Instance]] = {}
        self.firings: dict[int, dict[str, int]] = {}
        self.changed: set[int] = set()
        self._slots_of: dict[str, set[int]] = {}

    def restore(self, slot: int, instances: Mapping[str, Instance], firings: Mapping[str, int]) -> None:
        """Take over what a snapshot says of an agent."""
        if firings:
            self.firings[slot] = dict(firings)
        if instances:
            self.by_slot[slot] = dict(instances)
        for key in instances:
            self._slots_of.setdefault(key, set()).add(slot)

    def get(self, slot: int, key: str) -> Instance | None:
        """An active instance, or None."""
        found = self.by_slot.get(slot)
        return None if found is None else found.get(key)

    def known(self) -> list[str]:
        """Keys of which some agent has an instance."""
        return list(self._slots_of)

    def slots_of(self, key: str) -> list[int]:
        """Agents that have an instance, ascending."""
        return sorted(self._slots_of.get(key, ()))

    def mask(self, key: str, slots: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_] | None:
        """For each of `slots` whether it has an instance; None when nobody has."""
        active = self._slots_of.get(key)
        if not active:
            return None
        return np.isin(slots, np.fromiter(active, np.int32, len(active)))

    def holds(self, slot: int, rule: RuleBase, metric: str, severity: Severity, fact: Fact) -> Event | None:
        """The condition is true at `severity`: an event where that is due, or graver than before."""
        key = key_of(rule, metric)
        instance = self.get(slot, key)
        if instance is None:
            instance = self._begin(slot, key, fact)
        elif fact.at_s < instance["last_s"]:
            instance["heard_s"] = max(instance["heard_s"], fact.heard_s)
            return None
        reached = RANK[severity]
        instance["since"] = [
            (fact.at_s if since_s is None else since_s) if rank <= reached else None
            for rank, since_s in enumerate(instance["since"], 1)
        ]
        self._note(slot, instance, fact)
        return self.due(slot, rule, metric, fact)

    def fires(self, slot: int, rule: RuleBase, metric: str, severity: Severity, fact: Fact) -> Event | None:
        """The condition has been true for the rule's `for_s` when it is first seen."""
        begun = self.holds(slot, rule, metric, severity, replace(fact, at_s=fact.at_s - rule.for_s))
        return self.holds(slot, rule, metric, severity, fact) if rule.for_s else begun

    def due(self, slot: int, rule: RuleBase, metric: str, fact: Fact) -> Event | None:
        """A firing where an instance has been true for long enough at the fact's time."""
        instance = self.get(slot, key_of(rule, metric))
        if instance is None:
            return None
        severity = gravest(instance["since"], fact.at_s, rule.for_s)
        if severity is None or RANK[severity] <= RANK.get(instance["severity"], 0):
            return None
        since_s = instance["since"][RANK[severity] - 1]
        assert since_s is not None
        instance["severity"], instance["starts_s"] = severity, since_s
        instance["epoch"] = self._count_firing(slot, key_of(rule, metric))
        self.changed.add(slot)
        return Event(slot, rule, metric, "firing", severity, since_s, instance["epoch"], fact)

    def _count_firing(self, slot: int, key: str) -> int:
        of_agent = self.firings.setdefault(slot, {})
        of_agent[key] = of_agent.get(key, 0) + 1
        return of_agent[key]

    def lingers(self, slot: int, rule: RuleBase, metric: str, fact: Fact) -> None:
        """Neither true nor over: what fires goes on, what is pending begins anew when it is true again."""
        key = key_of(rule, metric)
        instance = self.get(slot, key)
        if instance is None or fact.at_s < instance["last_s"]:
            return
        if not instance["severity"]:
            self._end(slot, key)
            return
        instance["since"] = [None, None, None]
        self._note(slot, instance, fact)

    def ends(self, slot: int, rule: RuleBase, metric: str, fact: Fact, *, though_late: bool = False) -> Event | None:
        """The condition is over: an event where it fired. A fact older than the newest says nothing, except
        `though_late`: what is judged by something else than the values' times."""
        key = key_of(rule, metric)
        instance = self.get(slot, key)
        if instance is None or (fact.at_s < instance["last_s"] and not though_late):
            return None
        self._end(slot, key)
        if not instance["severity"]:
            return None
        return Event(
            slot, rule, metric, "resolved", instance["severity"], instance["starts_s"], instance["epoch"], fact
        )

    def _begin(self, slot: int, key: str, fact: Fact) -> Instance:
        instance = Instance(
            since=[None, None, None], severity="", starts_s=fact.at_s, epoch=0, last_s=fact.at_s, heard_s=fact.heard_s
        )
        self.by_slot.setdefault(slot, {})[key] = instance
        self._slots_of.setdefault(key, set()).add(slot)
        return instance

    def _note(self, slot: int, instance: Instance, fact: Fact) -> None:
        instance["last_s"] = max(instance["last_s"], fact.at_s)
        instance["heard_s"] = max(instance["heard_s"], fact.heard_s)
        self.changed.add(slot)

    def _end(self, slot: int, key: str) -> None:
        of_agent = self.by_slot[slot]
        del of_agent[key]
        if not of_agent:
            del self.by_slot[slot]
        self._slots_of[key].discard(slot)
        if not self._slots_of[key]:
            del self._slots_of[key]
        self.changed.add(slot)
