"""What time brings to alerts: those that end because nothing more was seen, those that are due, absence of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from streams.operators.arrays import Field, SlotArrays
from streams.rules.engine import Engine, Fleet, applies
from streams.rules.instances import KEY_SEPARATOR, Event, Fact, Instance, Instances, key_of
from streams.rules.model import (
    AbsenceRule,
    AnomalyRule,
    ForecastRule,
    RateRule,
    RuleBase,
    SilentRule,
    StatusRule,
    ThresholdRule,
    TrustRule,
)

STALE_S = 900.0
"""After so long without a value, what a value fired is over: nobody knows it any more."""

HEARD: Mapping[str, Field] = MappingProxyType(
    {
        name: Field("f8", (), np.nan, f"when the broker had the newest event of fleet.{name}, s; NaN = never one")
        for name in ("metrics", "heartbeats", "violations", "lifecycle", "hosts")
    }
)
"""State by agent slot for absence rules; kept only of topics that a rule names."""


def note_arrivals(
    engine: Engine, arrays: SlotArrays, topic: str, slots: npt.NDArray[np.int32], arrived_s: npt.NDArray[np.float64]
) -> None:
    """Events of `topic` came: `slots` i4[n], `arrived_s` f8[n] by the broker's clock."""
    if any(rule.topic == topic for rule in engine.absences):
        np.fmax.at(arrays[topic.removeprefix("fleet.")], slots, arrived_s)


def on_absence(
    engine: Engine,
    instances: Instances,
    fleet: Fleet,
    arrays: SlotArrays,
    until_s: Mapping[str, float],
    now_s: float,
) -> Iterator[Event]:
    """Absence rules: `until_s` is by topic the time up to which all that reached the broker has been processed."""
    for rule in engine.absences:
        if rule.topic in until_s:
            yield from _absence(rule, instances, fleet, arrays, until_s[rule.topic], now_s)


def _absence(
    rule: AbsenceRule, instances: Instances, fleet: Fleet, arrays: SlotArrays, until_s: float, now_s: float
) -> Iterator[Event]:
    last_s = arrays[rule.topic.removeprefix("fleet.")][: len(fleet.keys)]
    overdue = last_s + rule.after_s + rule.for_s < until_s
    active = set(instances.slots_of(key_of(rule, "")))
    for slot in sorted(active - set(np.flatnonzero(overdue).tolist())):
        at_s = float(last_s[slot])
        fact = Fact(at_s, now_s, f"{fleet.keys[slot]}: {rule.topic} comes again")
        if (event := instances.ends(slot, rule, "", fact, though_late=True)) is not None:
            yield event
    for slot in np.flatnonzero(overdue).tolist():
        if slot in active or not applies(rule, fleet, slot):
            continue
        waited_s = rule.after_s + rule.for_s
        summary = f"{fleet.keys[slot]}: nothing in {rule.topic} for {waited_s:g} s"
        fact = Fact(float(last_s[slot]) + waited_s, now_s, summary, waited_s, rule.after_s)
        if (event := instances.fires(slot, rule, "", rule.severity, fact)) is not None:
            yield event


def on_time(
    engine: Engine, instances: Instances, fleet: Fleet, now_s: float, beats_until_s: float | None
) -> Iterator[Event]:
    """Alerts that end or become due by time alone, and those whose rule is no more. Statuses are due by
    `beats_until_s`."""
    for key in instances.known():
        name, _, metric = key.partition(KEY_SEPARATOR)
        rule = engine.by_name.get(name)
        if rule is None:
            yield from _gone(RuleBase(name=name), metric, instances, now_s)
        elif isinstance(rule, AnomalyRule | ForecastRule | SilentRule):
            yield from _quiet(rule, metric, instances, fleet, now_s, rule.quiet_s)
        elif isinstance(rule, ThresholdRule | RateRule):
            yield from _quiet(rule, metric, instances, fleet, now_s, STALE_S)
        elif rule.for_s and isinstance(rule, TrustRule):
            yield from _due(rule, metric, instances, fleet, now_s, now_s)
        elif rule.for_s and isinstance(rule, StatusRule) and beats_until_s is not None:
            yield from _due(rule, metric, instances, fleet, beats_until_s, now_s)


def _gone(rule: RuleBase, metric: str, instances: Instances, now_s: float) -> Iterator[Event]:
    for slot in instances.slots_of(key_of(rule, metric)):
        fact = Fact(now_s, now_s, f"the rule {rule.name} is no more")
        if (event := instances.ends(slot, rule, metric, fact, though_late=True)) is not None:
            yield event


def _quiet(
    rule: RuleBase, metric: str, instances: Instances, fleet: Fleet, now_s: float, quiet_s: float
) -> Iterator[Event]:
    """End what was not seen for so long by the worker's clock; the end's time follows from event time."""
    key = key_of(rule, metric)
    for slot in instances.slots_of(key):
        instance = instances.get(slot, key)
        if instance is None or now_s - instance["heard_s"] <= quiet_s:
            continue
        summary = f"{fleet.keys[slot]}: no {rule.name}{' of ' + metric if metric else ''} for {quiet_s:g} s"
        evidence = {"metric": metric} if metric else {}
        fact = Fact(instance["last_s"] + quiet_s, now_s, summary, evidence=evidence)
        if (event := instances.ends(slot, rule, metric, fact)) is not None:
            yield event


def _due(
    rule: RuleBase, metric: str, instances: Instances, fleet: Fleet, until_s: float, now_s: float
) -> Iterator[Event]:
    key = key_of(rule, metric)
    for slot in instances.slots_of(key):
        instance = instances.get(slot, key)
        if instance is None or (at_s := _next_due_s(instance, rule.for_s, until_s)) is None:
            continue
        fact = Fact(at_s, now_s, f"{fleet.keys[slot]}: {rule.name} for {rule.for_s:g} s", rule.for_s, rule.for_s)
        if (event := instances.due(slot, rule, metric, fact)) is not None:
            yield event


def _next_due_s(instance: Instance, for_s: float, until_s: float) -> float | None:
    """When the gravest severity that is due became so."""
    due = [since_s + for_s for since_s in instance["since"] if since_s is not None and since_s + for_s <= until_s]
    return due[-1] if due else None
