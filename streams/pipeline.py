"""What a batch means: which operators see which topic, and what follows. No I/O; time is an argument.

decode -> slots -> skip what a recovered bucket already contains -> operators -> rows of derived topics
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from infra.runtime.columnar_fetch import RecordColumns
from schemas.catalogue import METRICS, STREAM_SOURCES
from schemas.columnar import ROW, DecodedBatch, decode_batch
from schemas.registry import SchemaBook
from streams.deadletters import dead_letters
from streams.forecasting import Forecaster
from streams.frames import CLOCK_AHEAD_S, HOST_METRICS, I4, Doubles, times_s
from streams.numbers import Numbers
from streams.operators import anomaly, counters, heartbeat, silent, slopes, trust
from streams.operators.arrays import SlotArrays
from streams.outputs import DEADLETTER, Outputs
from streams.pipeline_config import PipelineConfig, pipeline_config
from streams.rules import absence, budgets, scopes, violations
from streams.scores import Scores
from streams.signals import Signals
from streams.state.partition import PartitionState
from streams.state.stores import KeyedStore
from streams.statuses import Statuses

__all__ = ["CLOCK_AHEAD_S", "SOURCES", "Pipeline", "PipelineConfig", "pipeline_config"]
SOURCES = STREAM_SOURCES

_SCHEMAS = {
    "fleet.metrics": "metrics",
    "fleet.heartbeats": "heartbeat",
    "fleet.violations": "violation",
    "fleet.lifecycle": "lifecycle",
    "fleet.hosts": "host",
}


class Pipeline:
    """The operators with their settings and the schemas that they read; what they remember is in `PartitionState`."""

    def __init__(self, config: PipelineConfig) -> None:
        self.config = config
        self.signals = Signals(config.rules)
        self._books = {topic: SchemaBook(schema) for topic, schema in _SCHEMAS.items()}
        self._forecaster = Forecaster(config.forecast, config.host_targets, METRICS, HOST_METRICS)
        self._scores = Scores(config, self.signals)
        self._statuses = Statuses(config, self.signals)
        self._numbers = Numbers(config, self.signals, self._scores, self._forecaster)

    def restore(self, partition: int, raws: Iterable[bytes] = ()) -> PartitionState:
        """State of a partition from its snapshots. Raises `SnapshotFormatError`."""
        agents = KeyedStore(
            {
                "trust": SlotArrays(trust.FIELDS),
                "anomaly": SlotArrays(anomaly.fields(len(METRICS))),
                "heartbeat": SlotArrays(heartbeat.FIELDS),
                "forecast": self._forecaster.arrays("agents"),
                "violations": SlotArrays(violations.VIOLATIONS),
                "heard": SlotArrays(absence.HEARD),
            }
        )
        hosts = KeyedStore(
            {
                "anomaly": SlotArrays(anomaly.fields(len(HOST_METRICS))),
                "forecast": self._forecaster.arrays("hosts"),
            }
        )
        learned = self._forecaster.learned()
        series = KeyedStore({"anomaly": SlotArrays(anomaly.fields(1)), "counter": SlotArrays(counters.FIELDS)})
        rates = KeyedStore({"slopes": SlotArrays(slopes.FIELDS)})
        spent = KeyedStore({scopes.RING: SlotArrays(budgets.FIELDS)})
        sent = KeyedStore({absence.LAST: SlotArrays(absence.SENT)})
        stores = {
            "agents": agents, "hosts": hosts, "series": series, "rates": rates, "learned": learned, "budgets": spent,
            "sent": sent,
        }  # fmt: skip
        state = PartitionState(partition, stores)
        state.restore(raws)
        return state

    def decode(self, columns: RecordColumns) -> DecodedBatch:
        """Decode a batch; touches no state, so it may run beside `apply` of earlier ones."""
        return decode_batch(self._books[columns.topic], columns.values)

    def apply(
        self, state: PartitionState, columns: RecordColumns, now_s: float, decoded: DecodedBatch | None = None
    ) -> Outputs:
        """Apply a batch to the state of its partition, decoding it unless that is done; what follows at once."""
        outputs = Outputs()
        if decoded is None:
            decoded = self.decode(columns)
        if decoded.bad:
            outputs.add(DEADLETTER, dead_letters(columns, decoded.bad, int(now_s * 1e6)))
        frame = decoded.frame
        if columns.first_offset <= state.applied.last(columns.topic):
            offsets = np.asarray(columns.offsets, np.int64)[frame[ROW].to_numpy()]
            frame = frame.filter(pl.Series(offsets > state.applied.last(columns.topic)))
        if frame.height:
            slots = state.assign_agents(frame)
            if state.applied.is_replay(columns.topic, columns.first_offset):
                offsets = np.asarray(columns.offsets, np.int64)[frame[ROW].to_numpy()]
                new = state.applied.is_new(columns.topic, offsets, state.agents.buckets[slots])
                frame, slots = frame.filter(pl.Series(new)), slots[new]
        if frame.height:
            arrived_s = np.asarray(columns.timestamps_ms, np.float64)[frame[ROW].to_numpy()] / 1000
            self.signals.arrivals(state, columns.topic, frame, slots, arrived_s)
            self.signals.spending(state, columns.topic, frame, slots, times_s(frame, now_s))
            self._apply_topic(columns.topic, state, frame, slots, arrived_s, now_s, outputs)
            state.touch(state.agents.buckets[slots])
            state.standings.touch(slots)
        state.applied.advance(columns.topic, columns.last_offset)
        return outputs

    def _apply_topic(
        self,
        topic: str,
        state: PartitionState,
        frame: pl.DataFrame,
        slots: I4,
        arrived_s: Doubles,
        now_s: float,
        outputs: Outputs,
    ) -> None:
        match topic:
            case "fleet.metrics":
                self._numbers.metrics(state, frame, slots, now_s, outputs)
            case "fleet.violations":
                violations.note_violations(state.agents.arrays["violations"], slots, times_s(frame, now_s))
                self._scores.note(state, frame, slots, trust.violations_evidence(self.config.trust, frame), now_s)
            case "fleet.heartbeats":
                self._statuses.beats(state, frame, slots, arrived_s, now_s, outputs)
            case "fleet.lifecycle":
                findings = silent.update(self.config.silent, state.silent, frame, now_s)
                self._silent(state, findings, now_s, outputs)
            case "fleet.hosts":
                self._numbers.hosts(state, frame, slots, now_s, outputs)

    def _silent(self, state: PartitionState, findings: list[silent.Finding], now_s: float, outputs: Outputs) -> None:
        if findings:
            slots = state.agents.assign(pl.Series([finding.agent_id for finding in findings], dtype=pl.String))
            self.signals.silent(state, slots, findings, now_s, outputs)

    def collect(self, state: PartitionState, now_s: float) -> Outputs:
        """Scores of agents with evidence that is not scored yet."""
        return self._scores.collect(state, now_s)

    def tick(
        self,
        state: PartitionState,
        now_s: float,
        *,
        beats_until_s: float | None,
        steps_until_s: float | None,
        until_s: Mapping[str, float] | None = None,
    ) -> Outputs:
        """What time brings: coalesced scores, alerts that end, and what is missing: beats, and the rest of what began.

        `beats_until_s`, `steps_until_s`: time up to which all heartbeats and lifecycle events that reached the broker
        have been applied, None when that is not known; `until_s`: the same of other topics, where known. Deadlines are
        held against them, not against `now_s`. What is known of groups comes before the alerts that follow from it.
        """
        outputs = self.collect(state, now_s)
        count = len(state.agents)
        if not count:
            return outputs
        known = dict(until_s or {})
        if steps_until_s is not None:
            known["fleet.lifecycle"] = steps_until_s
        overdue = None
        if beats_until_s is not None:
            known["fleet.heartbeats"] = beats_until_s
            overdue = heartbeat.scan(self.config.heartbeat, state.agents.arrays["heartbeat"], count, beats_until_s)
        self.signals.summary(state, self.config.trust, now_s, outputs, at_once=bool(overdue))
        if overdue is not None:
            self._statuses.changed(state, overdue, now_s, outputs)
        if steps_until_s is not None:
            self._silent(state, silent.scan(self.config.silent, state.silent, steps_until_s), now_s, outputs)
        self.signals.time(state, now_s, known, outputs)
        return outputs
