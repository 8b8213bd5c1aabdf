"""Where rules meet the pipeline: what operators found goes in, rows of fleet.signals come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from infra.runtime.ids import derived_id
from streams.operators import slopes, trust
from streams.operators.anomaly import Flags
from streams.operators.heartbeat import Transitions
from streams.operators.silent import Finding
from streams.operators.slots import Slots
from streams.operators.trust import TrustScores
from streams.outputs import Outputs
from streams.rules import absence, elapsed, findings
from streams.rules.engine import Engine, Fleet, Source, judge_column
from streams.rules.groups import COMPLETE_EVERY_S
from streams.rules.instances import Event, key_of
from streams.rules.model import Pack
from streams.rules.rows import signal_row
from streams.state.partition import PartitionState
from streams.state.stores import SERIES_SEPARATOR

SIGNALS = "fleet.signals"
EVERY_S = 1.0
"""How often time is looked at for rules, and how often a summary is sent without need."""
Doubles = npt.NDArray[np.float64]


def fleet_of(state: PartitionState) -> Fleet:
    """The agents of a partition as rules see them."""
    return Fleet(state.agents.slots.keys, state.owners)


class Signals:
    """The rules in force."""

    def __init__(self, pack: Pack) -> None:
        self.engine = Engine(pack)

    def use(self, pack: Pack) -> None:
        """Judge by another pack from the next batch on; what its absence ends, the next tick resolves."""
        self.engine = Engine(pack)

    def _add(self, state: PartitionState, events: Iterable[Event], outputs: Outputs) -> None:
        fleet = fleet_of(state)
        outputs.add(SIGNALS, [signal_row(fleet, event) for event in events])
        if changed := state.instances.changed:
            state.touch(state.agents.buckets[np.fromiter(changed, np.int32, len(changed))])
            changed.clear()

    def values(
        self,
        state: PartitionState,
        source: Source,
        names: tuple[str, ...],
        agent_ids: pl.Series,
        slots: Slots,
        values: Doubles,
        times_s: Doubles,
        now_s: float,
        outputs: Outputs,
    ) -> None:
        """Threshold and rate rules over `values` f8[n, names] of agents `slots` i4[n] at event times f8[n]."""
        engine, fleet = self.engine, fleet_of(state)
        events = list(engine.values(state.instances, fleet, source, names, slots, values, times_s, now_s))
        for rule, column in engine.columns(source, names)[1]:
            known = np.isfinite(values[:, column])
            if not known.any():
                continue
            suffix = SERIES_SEPARATOR + key_of(rule, names[column])
            series = state.stores["rates"].assign((agent_ids.filter(pl.Series(known)) + suffix).rename("key"))
            arrays = state.stores["rates"].arrays["slopes"]
            slope = slopes.update(arrays, series, times_s[known], values[known, column], rule.window_s) * rule.per_s
            events += judge_column(
                rule, names[column], state.instances, fleet, slots[known], slope, times_s[known], now_s
            )
        self._add(state, events, outputs)

    def custom(
        self,
        state: PartitionState,
        source: Source,
        names: Sequence[str],
        agent_ids: pl.Series,
        values: Doubles,
        times_s: Doubles,
        now_s: float,
        outputs: Outputs,
    ) -> None:
        """The same for custom metrics: `names`, `values` f8[n], one value a row."""
        slots = state.agents.slots.lookup(agent_ids)
        every = np.array(names)
        for name in sorted(set(names)):
            metric = f"custom:{name}"
            if any(self.engine.columns(source, (metric,))):
                of = every == name
                ids = agent_ids.filter(pl.Series(of))
                column = values[of].reshape(-1, 1)
                self.values(state, source, (metric,), ids, slots[of], column, times_s[of], now_s, outputs)

    def flags(
        self,
        state: PartitionState,
        slots: Slots,
        flags: Flags,
        names: Sequence[str],
        times_s: Doubles,
        now_s: float,
        outputs: Outputs,
    ) -> None:
        """Anomaly rules over the flags of a batch."""
        fleet = fleet_of(state)
        events = findings.on_flags(self.engine, state.instances, fleet, slots, flags, names, times_s, now_s)
        self._add(state, events, outputs)

    def scores(
        self,
        state: PartitionState,
        slots: Slots,
        scores: TrustScores,
        newest_s: Doubles,
        now_s: float,
        outputs: Outputs,
    ) -> None:
        """Trust rules over scores just read; `newest_s` f8[k] is the event time of the newest evidence."""
        fleet = fleet_of(state)
        self._add(
            state, findings.on_trust(self.engine, state.instances, fleet, slots, scores, newest_s, now_s), outputs
        )

    def transitions(self, state: PartitionState, changes: Transitions, now_s: float, outputs: Outputs) -> None:
        """Status rules over changes of status."""
        self._add(
            state, findings.on_transitions(self.engine, state.instances, fleet_of(state), changes, now_s), outputs
        )

    def silent(
        self, state: PartitionState, slots: Slots, found: Sequence[Finding], now_s: float, outputs: Outputs
    ) -> None:
        """Rules for silent failures."""
        fleet = fleet_of(state)
        self._add(state, findings.on_findings(self.engine, state.instances, fleet, slots, found, now_s), outputs)

    def forecasts(
        self,
        state: PartitionState,
        slots: Slots,
        rows: Sequence[Mapping[str, Any]],
        now_s: float,
        outputs: Outputs,
    ) -> None:
        """Forecast rules over rows of fleet.forecasts of agents `slots` i4[k]."""
        fleet = fleet_of(state)
        self._add(state, findings.on_forecasts(self.engine, state.instances, fleet, slots, rows, now_s), outputs)

    def arrivals(
        self, state: PartitionState, topic: str, frame: pl.DataFrame, slots: Slots, arrived_s: Doubles
    ) -> None:
        """Note for absence rules that events came, and of which metrics."""
        absence.note_arrivals(self.engine, state.agents.arrays["heard"], topic, slots, arrived_s)
        absence.note_metrics(self.engine, state.stores["sent"], topic, frame, arrived_s)

    def spending(self, state: PartitionState, topic: str, frame: pl.DataFrame, slots: Slots, times_s: Doubles) -> None:
        """Add up for budgets what a batch of `topic` says of agents `slots` i4[n] at event times f8[n]."""
        if rules := self.engine.budgets:
            state.scopes.note(rules, state.stores["budgets"], fleet_of(state), topic, frame, slots, times_s)

    def time(self, state: PartitionState, now_s: float, until_s: Mapping[str, float], outputs: Outputs) -> None:
        """What time brings, at most every `EVERY_S`; `until_s` by topic, up to when all that arrived was processed."""
        if now_s - state.looked_s < EVERY_S:
            return
        state.looked_s = now_s
        fleet, beats_until_s = fleet_of(state), until_s.get("fleet.heartbeats")
        ended = elapsed.on_time(self.engine, state.instances, fleet, now_s, beats_until_s)
        self._add(state, ended, outputs)
        if not self.engine.absences:
            return
        arrays, sent = state.agents.arrays, state.stores["sent"]
        state.sent_metrics.cover(sent, state.agents)
        heard = absence.Heard(arrays["heard"], sent, state.sent_metrics, arrays["heartbeat"]["status"])
        absent = absence.on_absence(self.engine, state.instances, fleet, heard, until_s, now_s)
        self._add(state, absent, outputs)

    def summary(
        self, state: PartitionState, config: trust.TrustConfig, now_s: float, outputs: Outputs, *, at_once: bool
    ) -> None:
        """What the partition knows of its groups: those that changed, all of them every half minute."""
        groups = state.groups
        if not state.owners or not (at_once or now_s - groups.told_s >= EVERY_S):
            return
        groups.told_s = now_s
        complete = now_s - groups.complete_s >= COMPLETE_EVERY_S
        arrays, count = state.agents.arrays, len(state.owners)
        groups.cover(fleet_of(state))
        state.standings.refresh(config, arrays["trust"], arrays["violations"], count, now_s)
        told = groups.changed(arrays["heartbeat"]["status"][:count], state.standings, complete=complete)
        if complete:
            groups.complete_s = now_s
        spent = state.scopes.groups(self.engine.budgets, state.stores["budgets"], now_s, complete=complete)
        if told or spent or complete:
            rows = [*(group.row() for group in told), *spent]
            outputs.add(SIGNALS, [_summary_row(state, rows, now_s, complete=complete)])


def _summary_row(
    state: PartitionState, groups: list[dict[str, Any]], now_s: float, *, complete: bool
) -> dict[str, Any]:
    now_us, name = int(now_s * 1e6), f"partition:{state.partition}"
    state.groups.number += 1
    session = f"{state.session}/{name}"
    return {
        "event_id": derived_id(now_us, session, state.groups.number),
        "agent_id": name,
        "user_id": "fleetpulse",
        "deployment_id": None,
        "timestamp": now_us,
        "session_id": session,
        "seq": state.groups.number - 1,
        "kind": "summary",
        "partition": state.partition,
        "groups": groups,
        "complete": complete,
        "oldest_source_timestamp": now_us,
    }
