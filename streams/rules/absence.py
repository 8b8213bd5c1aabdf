"""Absence: events of a topic that came before and come no more, and metrics that an agent no longer sends. Pure.

Judged by arrival: `last_s` is the broker's clock, and is held against the time up to which all that reached the broker
has been processed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.operators.arrays import Field, SlotArrays
from streams.operators.heartbeat import Status
from streams.operators.slots import Slots
from streams.rules.engine import Engine, Fleet, applies
from streams.rules.instances import KEY_SEPARATOR, Event, Fact, Instances, key_of
from streams.rules.model import CUSTOM, AbsenceRule
from streams.state.stores import KeyedStore

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]

HEARD: Mapping[str, Field] = MappingProxyType(
    {
        name: Field("f8", (), np.nan, f"when the broker had the newest event of fleet.{name}, s; NaN = never one")
        for name in ("metrics", "heartbeats", "violations", "lifecycle", "hosts")
    }
)
"""State by agent slot for absence rules; kept only of topics that a rule names."""
SENT: Mapping[str, Field] = MappingProxyType(
    {"last_s": Field("f8", (), np.nan, "when the broker had the newest event that said the metric, s; NaN = never")}
)
"""State by slot of agent, rule and metric, for absence rules that name one."""
LAST = "last"
_NO_METRICS = frozenset({"seq"})
_GONE = (Status.STOPPED, Status.OFFLINE)
_NOT_THERE = (*_GONE, Status.LATE)


def note_arrivals(engine: Engine, arrays: SlotArrays, topic: str, slots: Slots, arrived_s: Doubles) -> None:
    """Events of `topic` came: `slots` i4[n], `arrived_s` f8[n] by the broker's clock."""
    if any(rule.topic == topic and rule.metric is None for rule in engine.absences):
        np.fmax.at(arrays[topic.removeprefix("fleet.")], slots, arrived_s)


def note_metrics(engine: Engine, store: KeyedStore, topic: str, frame: pl.DataFrame, arrived_s: Doubles) -> None:
    """The same for rules that name a metric: which of the rows said it, `arrived_s` f8[n]."""
    for rule in engine.absences:
        if rule.topic == topic and rule.metric is not None:
            for metric, rows in _said(rule.metric, frame):
                suffix = f"{KEY_SEPARATOR}{rule.name}{KEY_SEPARATOR}{metric}"
                slots = store.assign((frame["agent_id"].gather(rows) + suffix).rename("key"))
                np.fmax.at(store.arrays[LAST]["last_s"], slots, arrived_s[rows])


def _said(pattern: str, frame: pl.DataFrame) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """Metrics that fit the pattern, each with the rows i8[k] that have a value of it."""
    for name, kind in frame.schema.items():
        if kind.is_numeric() and name not in _NO_METRICS and fnmatchcase(name, pattern):
            yield name, np.flatnonzero(np.isfinite(frame[name].to_numpy().astype(np.float64, copy=False)))
    if "custom" in frame.columns and (pattern.startswith(CUSTOM) or "*" in pattern):
        long = frame.select("custom").with_row_index("row").explode("custom").drop_nulls("custom").unnest("custom")
        for (name,), part in long.partition_by("name", as_dict=True, maintain_order=True).items():
            if fnmatchcase(f"{CUSTOM}{name}", pattern):
                yield f"{CUSTOM}{name}", part.filter(pl.col("value").is_finite())["row"].to_numpy().astype(np.int64)


@dataclass
class _Senders:
    """Who sent one metric: agent slots and slots in the store, side by side."""

    agents: list[int]
    slots: list[int]


class Sent:
    """Who sent what of the metrics that rules name; follows from the keys of the store."""

    def __init__(self) -> None:
        self._senders: dict[tuple[str, str], _Senders] = {}
        self._covered = 0

    def cover(self, store: KeyedStore, agents: KeyedStore) -> None:
        """Take in keys that are new in the store, or were recovered."""
        if len(store) == self._covered:
            return
        split = [key.split(KEY_SEPARATOR, 2) for key in store.slots.keys[self._covered :]]
        names = pl.Series([agent for agent, _, _ in split], dtype=pl.String)
        found = zip(agents.slots.lookup(names).tolist(), split, strict=True)
        for slot, (agent, (_, rule, metric)) in enumerate(found, self._covered):
            senders = self._senders.setdefault((rule, metric), _Senders([], []))
            senders.agents.append(agent)
            senders.slots.append(slot)
        self._covered = len(store)

    def of(self, rule: AbsenceRule) -> Iterator[tuple[str, Slots, Slots]]:
        """Metric, agent slots i4[k] and slots in the store i4[k] of those who sent it."""
        for (name, metric), senders in self._senders.items():
            if name == rule.name and fnmatchcase(metric, rule.metric or ""):
                yield metric, np.array(senders.agents, np.int32), np.array(senders.slots, np.int32)


@dataclass(frozen=True)
class Heard:
    """What is known of arrivals: `topics` by agent slot, `metrics` and who `sent` them; `status` u1[agents]."""

    topics: SlotArrays
    metrics: KeyedStore
    sent: Sent
    status: Codes


def on_absence(
    engine: Engine, instances: Instances, fleet: Fleet, heard: Heard, until_s: Mapping[str, float], now_s: float
) -> Iterator[Event]:
    """Absence rules: `until_s` is by topic the time up to which all that reached the broker has been processed."""
    for rule in engine.absences:
        if rule.topic not in until_s:
            continue
        for metric, agents, last_s in _series(rule, heard, len(fleet.keys)):
            yield from _judge(rule, metric, instances, fleet, heard.status, agents, last_s, until_s[rule.topic], now_s)


def _series(rule: AbsenceRule, heard: Heard, count: int) -> Iterator[tuple[str, Slots, Doubles]]:
    """What a rule looks at: metric (or none), agent slots i4[k], when each said it last f8[k]."""
    if rule.metric is None:
        yield "", np.arange(count, dtype=np.int32), heard.topics[rule.topic.removeprefix("fleet.")][:count]
        return
    for metric, agents, slots in heard.sent.of(rule):
        yield metric, agents, heard.metrics.arrays[LAST]["last_s"][slots]


def _judge(
    rule: AbsenceRule,
    metric: str,
    instances: Instances,
    fleet: Fleet,
    status: Codes,
    agents: Slots,
    last_s: Doubles,
    until_s: float,
    now_s: float,
) -> Iterator[Event]:
    waited_s = rule.after_s + rule.for_s
    overdue = last_s + waited_s < until_s
    gone = np.isin(status[agents], _GONE if metric else Status.STOPPED)
    missed = overdue & ~np.isin(status[agents], _NOT_THERE if metric else Status.STOPPED)
    active = instances.mask(key_of(rule, metric), agents)
    what = metric or rule.topic
    if active is not None:
        missed &= ~active
        for row in np.flatnonzero(active & (gone | ~overdue)).tolist():
            slot, back = int(agents[row]), not overdue[row]
            summary = f"{fleet.keys[slot]}: {what} comes again" if back else f"{fleet.keys[slot]}: it is gone itself"
            at_s = float(last_s[row]) if back else until_s
            fact = Fact(at_s, now_s, summary, evidence={"metric": metric} if metric else {})
            if (event := instances.ends(slot, rule, metric, fact, though_late=True)) is not None:
                yield event
    for row in np.flatnonzero(missed).tolist():
        slot = int(agents[row])
        if not applies(rule, fleet, slot):
            continue
        summary = f"{fleet.keys[slot]}: nothing in {what} for {waited_s:g} s"
        evidence = {"metric": metric} if metric else {}
        fact = Fact(float(last_s[row]) + waited_s, now_s, summary, waited_s, rule.after_s, evidence)
        if (event := instances.fires(slot, rule, metric, rule.severity, fact)) is not None:
            yield event
