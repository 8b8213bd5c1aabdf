"""What time brings to alerts: those that end because nothing more was seen, and those that are due."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from streams.rules.engine import Engine, Fleet
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
        elif isinstance(rule, AbsenceRule) and metric and not fnmatchcase(metric, rule.metric or ""):
            yield from _gone(rule, metric, instances, now_s)
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
        summary = f"{fleet.keys[slot]}: {_quiet_words(rule, metric)} for {quiet_s:g} s"
        evidence = {"metric": metric} if metric else {}
        fact = Fact(instance["last_s"] + quiet_s, now_s, summary, evidence=evidence)
        if (event := instances.ends(slot, rule, metric, fact)) is not None:
            yield event


def _quiet_words(rule: RuleBase, metric: str) -> str:
    if isinstance(rule, ThresholdRule | RateRule):
        return f"{metric} has not been reported"
    if isinstance(rule, AnomalyRule):
        return f"nothing unusual in {metric}"
    return f"no {rule.name}{' of ' + metric if metric else ''}"


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
