"""A pack made ready to judge: rules by what they look at. Pure; what is active is in `Instances`.

Values are compared as columns; Python sees only the rows of agents that are beyond a limit in this batch or have an
active instance, in the order of the batch, so that splitting it changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from infra.runtime.measured import number
from streams.rules.instances import Event, Fact, Instances
from streams.rules.model import (
    AbsenceRule,
    AnomalyRule,
    BudgetRule,
    ForecastRule,
    Limited,
    Pack,
    RateRule,
    RuleBase,
    SilentRule,
    StatusRule,
    ThresholdRule,
    TrustRule,
)
from streams.rules.values import Severity, matches

Doubles = npt.NDArray[np.float64]
Slots = npt.NDArray[np.int32]
Source = Literal["agents", "hosts"]
_Of = TypeVar("_Of", bound=RuleBase)


class Owned(Protocol):
    """What is known of where an agent belongs."""

    user_id: str
    deployment_id: str | None
    host: str | None
    gateway: str | None


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who stands at a slot: agent ids and owners in slot order."""

    keys: Sequence[str]
    owners: Sequence[Owned]

    def place(self, slot: int) -> dict[str, str]:
        """Where the agent belongs: what is known of agent_id, user_id, deployment_id, host, gateway."""
        if slot >= len(self.owners):  # an agent of which only our own findings are known
            return {"agent_id": self.keys[slot], "user_id": ""}
        owner = self.owners[slot]
        place = {
            "deployment_id": owner.deployment_id,
            "host": owner.host,
            "gateway": owner.gateway,
        }
        known = {name: value for name, value in place.items() if value}
        return {"agent_id": self.keys[slot], "user_id": owner.user_id} | known


class Engine:
    """The rules of a pack by kind."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.by_name: dict[str, RuleBase] = {rule.name: rule for rule in pack.rules}
        self.thresholds = self._of(ThresholdRule)
        self.rates = self._of(RateRule)
        self.absences = self._of(AbsenceRule)
        self.anomalies = self._of(AnomalyRule)
        self.forecasts = self._of(ForecastRule)
        self.trusts = self._of(TrustRule)
        self.statuses = self._of(StatusRule)
        self.silents = self._of(SilentRule)
        self.budgets = self._of(BudgetRule)
        self._columns = lru_cache(64)(self._find_columns)

    def _of(self, kind: type[_Of]) -> tuple[_Of, ...]:
        return tuple(rule for rule in self.pack.rules if isinstance(rule, kind))

    def columns(
        self, source: Source, names: tuple[str, ...]
    ) -> tuple[tuple[tuple[ThresholdRule, int], ...], tuple[tuple[RateRule, int], ...]]:
        """Threshold and rate rules, each with the columns of `names` that it looks at."""
        found: tuple[tuple[tuple[ThresholdRule, int], ...], tuple[tuple[RateRule, int], ...]]
        found = self._columns(source, names)
        return found

    def _find_columns(self, source: Source, names: tuple[str, ...]) -> Any:  # noqa: ANN401  # typed by `columns`
        return tuple(
            tuple(
                (rule, column)
                for rule in rules
                if rule.of in (source, "any")
                for column, name in enumerate(names)
                if fnmatchcase(name, rule.metric)
            )
            for rules in (self.thresholds, self.rates)
        )

    def values(
        self,
        instances: Instances,
        fleet: Fleet,
        source: Source,
        names: tuple[str, ...],
        slots: Slots,
        values: Doubles,
        times_s: Doubles,
        now_s: float,
    ) -> Iterator[Event]:
        """Threshold rules over `values` f8[n, names] of agent `slots` i4[n] at event times `times_s` f8[n]."""
        thresholds, _ = self.columns(source, names)
        for rule, column in thresholds:
            yield from judge_column(rule, names[column], instances, fleet, slots, values[:, column], times_s, now_s)


def applies(rule: RuleBase, fleet: Fleet, slot: int) -> bool:
    """Whether the rule is about this agent."""
    return not rule.match or matches(rule.match, fleet.place(slot))


def level_of(rule: Limited, value: float) -> tuple[Severity, float] | None:
    """The gravest limit that the value is beyond, with its severity."""
    return next(((severity, limit) for severity, limit in rule.limits if rule.side * (value - limit) > 0), None)


def judge_column(
    rule: ThresholdRule | RateRule,
    metric: str,
    instances: Instances,
    fleet: Fleet,
    slots: Slots,
    column: Doubles,
    times_s: Doubles,
    now_s: float,
) -> Iterator[Event]:
    """One rule over one column f8[n]; NaN says nothing. What it means is in `_judge`."""
    limit = rule.limits[-1][1]
    beyond = column > limit if rule.side > 0 else column < limit
    some = bool(beyond.any())
    active = instances.mask(f"{rule.name}\x1f{metric}", slots)
    if not some and active is None:
        return
    looked = np.isin(slots, slots[beyond]) if some else np.zeros(slots.size, np.bool_)
    if active is not None:
        looked |= active
    for row in np.flatnonzero(looked & np.isfinite(column)).tolist():
        slot = int(slots[row])
        event = _judge(rule, metric, instances, fleet, slot, float(column[row]), float(times_s[row]), now_s)
        if event is not None:
            yield event


def _judge(
    rule: ThresholdRule | RateRule,
    metric: str,
    instances: Instances,
    fleet: Fleet,
    slot: int,
    value: float,
    at_s: float,
    now_s: float,
) -> Event | None:
    found = level_of(rule, value)
    agent, change = fleet.keys[slot], " changes by" if isinstance(rule, RateRule) else " is"
    if found is not None and not applies(rule, fleet, slot):
        return instances.ends(slot, rule, metric, Fact(at_s, now_s, f"{agent}: {rule.name} is no longer about it"))
    if found is not None:
        severity, limit = found
        summary = f"{agent}: {metric}{change} {number(value)}, {'above' if rule.side > 0 else 'below'} {number(limit)}"
        return instances.holds(
            slot, rule, metric, severity, Fact(at_s, now_s, summary, value, limit, {"metric": metric})
        )
    limit = rule.clear_at
    fact = Fact(at_s, now_s, f"{agent}: {metric}{change} {number(value)} again", value, limit, {"metric": metric})
    if rule.side * (value - limit) > 0:
        instances.lingers(slot, rule, metric, fact)
        return None
    return instances.ends(slot, rule, metric, fact)
