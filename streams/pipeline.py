"""What a batch means: which operators see which topic, and what follows. No I/O; time is an argument.

decode -> slots -> skip what a recovered bucket already contains -> operators -> rows of derived topics
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from infra.runtime.columnar_fetch import RecordColumns
from infra.runtime.errors import SettingError
from schemas.catalogue import METRICS, STREAM_SOURCES
from schemas.columnar import ROW, DecodedBatch, decode_batch
from schemas.registry import SchemaBook
from streams.deadletters import dead_letters
from streams.evidence import note_beats, note_reports, trust_config
from streams.forecasting import Forecaster
from streams.operators import anomaly, heartbeat, silent, slopes, trust
from streams.operators.anomaly_sensitivity import threshold_for
from streams.operators.arrays import SlotArrays
from streams.operators.forecast import HOST_TARGETS, ForecastConfig, Target
from streams.outputs import DEADLETTER, Outputs
from streams.rows import METRICS_AN_EVENT, anomaly_rows, status_rows, trust_messages
from streams.rules import elapsed, groups
from streams.rules.load import default_pack
from streams.rules.model import Pack
from streams.signals import Signals
from streams.state.partition import NOTHING_PENDING, Owner, PartitionState
from streams.state.stores import SERIES_SEPARATOR, KeyedStore

SOURCES = STREAM_SOURCES

HOST_METRICS = (
    "cpu_usage",
    "load_1m",
    "memory_usage",
    "swap_usage",
    "disk_usage",
    "disk_read_rate",
    "disk_write_rate",
    "network_receive_rate",
    "network_send_rate",
    "processes",
    "gpu_usage",
    "gpu_memory_usage",
    "gpu_temperature",
)
_SCHEMAS = {
    "fleet.metrics": "metrics",
    "fleet.heartbeats": "heartbeat",
    "fleet.violations": "violation",
    "fleet.lifecycle": "lifecycle",
    "fleet.hosts": "host",
}
I4 = npt.NDArray[np.int32]
CLOCK_AHEAD_S = 300.0
"""How far ahead of ours an agent's clock may count: evidence from next year would age all that came before it away."""


@dataclass(frozen=True)
class PipelineConfig:
    """Settings of the operators.

    A score is published when it differs from the last one by `publish_change` or more, and otherwise every
    `publish_every_s` as long as there is evidence: a thousand more good checks that change nothing are one row.
    `rules`: the pack at the beginning. `alerts_directly`: write fleet.alerts beside fleet.signals, as long as no alert
    manager does.
    """

    trust: trust.TrustConfig = field(default_factory=trust.TrustConfig)
    anomaly: anomaly.AnomalyConfig = field(default_factory=anomaly.AnomalyConfig)
    heartbeat: heartbeat.HeartbeatConfig = field(default_factory=heartbeat.HeartbeatConfig)
    silent: silent.SilentConfig = field(default_factory=silent.SilentConfig)
    forecast: ForecastConfig = field(default_factory=ForecastConfig)
    host_targets: tuple[Target, ...] = HOST_TARGETS
    rules: Pack = field(default_factory=default_pack)
    alerts_directly: bool = True
    publish_change: float = 0.001
    publish_every_s: float = 10.0


def pipeline_config(
    *, trust_model: str = "beta", anomaly_threshold: float | None = None, anomaly_sensitivity: float | None = None
) -> PipelineConfig:
    """The configuration for what a person may set. Raises `SettingError`."""
    if trust_model not in ("beta", "classic"):
        raise SettingError(f"no trust model {trust_model!r}", setting="--trust-model", way_out="Choose beta or classic")
    if anomaly_threshold is not None and not 0 < anomaly_threshold < 1000:
        raise SettingError(
            f"{anomaly_threshold} is no threshold",
            setting="--anomaly-threshold",
            way_out="Choose a number between 0 and 1000; the default is 4.14",
        )
    detector = anomaly.AnomalyConfig()
    if anomaly_sensitivity is not None:
        anomaly_threshold = _threshold_for(anomaly_sensitivity, anomaly_threshold)
    if anomaly_threshold is not None:
        detector = replace(detector, threshold=anomaly_threshold)
    return PipelineConfig(trust_config(cast("Literal['beta', 'classic']", trust_model)), detector)


def _threshold_for(sensitivity: float, threshold: float | None) -> float:
    setting = "--anomaly-sensitivity"
    if threshold is not None:
        raise SettingError(
            "sensitivity and threshold of anomalies are one setting", setting=setting, way_out="Give only one of them"
        )
    try:
        return threshold_for(sensitivity)
    except ValueError as error:
        raise SettingError(
            str(error), setting=setting, way_out="Choose the share of values to flag; the default is about 0.001"
        ) from error


def numeric(frame: pl.DataFrame, names: Iterable[str]) -> npt.NDArray[np.float64]:
    """Columns as f8[n, m], NaN where absent.

    By `to_numpy`, which turns null into NaN: expressions on series start Polars' query engine, 0.1 ms a call, and there
    are batches of three events.
    """
    columns = [frame[name].to_numpy().astype(np.float64, copy=False) for name in names]
    return np.column_stack(columns) if columns else np.empty((frame.height, 0))


def event_time_us(frame: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Event time, i8[n], microseconds since the epoch."""
    return cast("npt.NDArray[np.int64]", frame["timestamp"].to_numpy().view(np.int64))


class Pipeline:
    """The operators with their settings and the schemas that they read; what they remember is in `PartitionState`."""

    def __init__(self, config: PipelineConfig) -> None:
        self.config = config
        self.signals = Signals(config.rules, alerts_directly=config.alerts_directly)
        self._books = {topic: SchemaBook(schema) for topic, schema in _SCHEMAS.items()}
        self._metrics = replace(config.anomaly, floors=anomaly.floors_for(METRICS))
        self._hosts = replace(config.anomaly, floors=anomaly.floors_for(HOST_METRICS))
        self._forecaster = Forecaster(config.forecast, config.host_targets, METRICS, HOST_METRICS)

    def warm_up(self, now_s: float) -> None:
        """Compile the kernels, or load them from Numba's cache, before the first batch waits for them."""
        state = self.restore(-1)
        slots, times = state.agents.assign(pl.Series([""])), np.array([now_s])
        anomaly.update(self._metrics, state.agents.arrays["anomaly"], slots, np.ones((1, len(METRICS))), times)
        self._forecaster.prepare()
        trust_messages(
            replace(state, owners=[Owner("", None)]),
            slots,
            trust.read(self.config.trust, state.agents.arrays["trust"], slots, now_s),
            np.zeros(1, np.int64),
            0,
            self.config.trust.model,
        )

    def restore(self, partition: int, raws: Iterable[bytes] = ()) -> PartitionState:
        """State of a partition from its snapshots. Raises `SnapshotFormatError`."""
        agents = KeyedStore(
            {
                "trust": SlotArrays(trust.FIELDS),
                "anomaly": SlotArrays(anomaly.fields(len(METRICS))),
                "heartbeat": SlotArrays(heartbeat.FIELDS),
                "forecast": self._forecaster.arrays("agents"),
                "violations": SlotArrays(groups.VIOLATIONS),
                "heard": SlotArrays(elapsed.HEARD),
            }
        )
        hosts = KeyedStore(
            {
                "anomaly": SlotArrays(anomaly.fields(len(HOST_METRICS))),
                "forecast": self._forecaster.arrays("hosts"),
            }
        )
        learned = self._forecaster.learned()
        series = KeyedStore({"anomaly": SlotArrays(anomaly.fields(1))})
        rates = KeyedStore({"slopes": SlotArrays(slopes.FIELDS)})
        stores = {"agents": agents, "hosts": hosts, "series": series, "rates": rates, "learned": learned}
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
            self.signals.arrivals(state, columns.topic, slots, arrived_s)
            self._apply_topic(columns.topic, state, frame, slots, arrived_s, now_s, outputs)
            state.touch(state.agents.buckets[slots])
        state.applied.advance(columns.topic, columns.last_offset)
        return outputs

    def _apply_topic(
        self,
        topic: str,
        state: PartitionState,
        frame: pl.DataFrame,
        slots: I4,
        arrived_s: npt.NDArray[np.float64],
        now_s: float,
        outputs: Outputs,
    ) -> None:
        match topic:
            case "fleet.metrics":
                self._apply_metrics(state, frame, slots, now_s, outputs)
            case "fleet.violations":
                times_s = self._times(frame, now_s)
                groups.note_violations(state.agents.arrays["violations"], slots, times_s)
                self._note_evidence(state, frame, slots, trust.violations_evidence(self.config.trust, frame), now_s)
            case "fleet.heartbeats":
                self._apply_heartbeats(state, frame, slots, arrived_s, now_s, outputs)
            case "fleet.lifecycle":
                findings = silent.update(self.config.silent, state.silent, frame, now_s)
                self._silent(state, findings, now_s, outputs)
            case "fleet.hosts":
                self._apply_hosts(state, frame, slots, now_s, outputs)

    def _apply_metrics(
        self, state: PartitionState, frame: pl.DataFrame, slots: I4, now_s: float, outputs: Outputs
    ) -> None:
        self._note_evidence(state, frame, slots, trust.metrics_evidence(frame), now_s)
        values = numeric(frame, METRICS)
        flags = anomaly.update(self._metrics, state.agents.arrays["anomaly"], slots, values, trust.event_times_s(frame))
        times_s = self._times(frame, now_s)
        note_reports(self.config.trust, state.agents.arrays["trust"], slots, values, flags, times_s)
        self._flagged(state, frame, slots, flags, METRICS, now_s, outputs)
        self._forecast("agents", state, frame, slots, slots, values, now_s, outputs)
        self.signals.values(state, "agents", METRICS, frame["agent_id"], slots, values, times_s, now_s, outputs)
        if frame.select(pl.col("custom").list.len().sum()).item():
            self._apply_custom(state, frame, now_s, outputs)

    @staticmethod
    def _times(frame: pl.DataFrame, now_s: float) -> npt.NDArray[np.float64]:
        """Event times f8[n], none further ahead of our clock than `CLOCK_AHEAD_S`."""
        times_s: npt.NDArray[np.float64] = np.minimum(trust.event_times_s(frame), now_s + CLOCK_AHEAD_S)
        return times_s

    def _apply_custom(self, state: PartitionState, frame: pl.DataFrame, now_s: float, outputs: Outputs) -> None:
        """Metrics that an agent's author defined: one series each, keyed by agent and name."""
        long = frame.filter(pl.col("custom").list.len() > 0).explode("custom").unnest("custom")
        keys = (long["agent_id"] + SERIES_SEPARATOR + long["name"]).rename("key")
        store = state.stores["series"]
        slots = store.assign(keys)
        values = long["value"].to_numpy().reshape(-1, 1)
        flags = anomaly.update(self.config.anomaly, store.arrays["anomaly"], slots, values, trust.event_times_s(long))
        names = long["name"].to_list()
        self.signals.custom(state, names, long["agent_id"], values[:, 0], self._times(long, now_s), now_s, outputs)
        for i, row in enumerate(flags.row.tolist()):
            one = anomaly.Flags(*(getattr(flags, name)[i : i + 1] for name in anomaly.Flags.__dataclass_fields__))
            name = f"custom:{names[row]}"
            # Numbered by its name, not by its place in the batch: a replay is split differently.
            first_seq = len(METRICS) + zlib.crc32(name.encode()) % (METRICS_AN_EVENT - len(METRICS))
            outputs.add(
                "fleet.anomalies", anomaly_rows(long, one, [name], self.config.anomaly.threshold, first_seq=first_seq)
            )

    def _apply_hosts(
        self, state: PartitionState, frame: pl.DataFrame, slots: I4, now_s: float, outputs: Outputs
    ) -> None:
        store = state.stores["hosts"]
        values = numeric(frame, HOST_METRICS)
        of_host = store.assign(frame["agent_id"])
        flags = anomaly.update(self._hosts, store.arrays["anomaly"], of_host, values, trust.event_times_s(frame))
        self._flagged(state, frame, slots, flags, HOST_METRICS, now_s, outputs)
        self._forecast("hosts", state, frame, slots, of_host, values, now_s, outputs)
        times_s = self._times(frame, now_s)
        self.signals.values(state, "hosts", HOST_METRICS, frame["agent_id"], slots, values, times_s, now_s, outputs)

    def _forecast(
        self,
        name: str,
        state: PartitionState,
        frame: pl.DataFrame,
        slots: I4,
        of_store: I4,
        values: npt.NDArray[np.float64],
        now_s: float,
        outputs: Outputs,
    ) -> None:
        told, rows = self._forecaster.rows(state, name, frame, slots, of_store, values)
        if rows:
            outputs.add("fleet.forecasts", rows)
            self.signals.forecasts(state, told, rows, now_s, outputs)

    def _flagged(
        self,
        state: PartitionState,
        frame: pl.DataFrame,
        slots: I4,
        flags: anomaly.Flags,
        names: tuple[str, ...],
        now_s: float,
        outputs: Outputs,
    ) -> None:
        if not len(flags):
            return
        outputs.add("fleet.anomalies", anomaly_rows(frame, flags, names, self.config.anomaly.threshold))
        self.signals.flags(state, slots, flags, names, self._times(frame, now_s), now_s, outputs)

    def _silent(self, state: PartitionState, findings: list[silent.Finding], now_s: float, outputs: Outputs) -> None:
        if findings:
            slots = state.agents.assign(pl.Series([finding.agent_id for finding in findings], dtype=pl.String))
            self.signals.silent(state, slots, findings, now_s, outputs)

    def _apply_heartbeats(
        self,
        state: PartitionState,
        frame: pl.DataFrame,
        slots: I4,
        arrived_s: npt.NDArray[np.float64],
        now_s: float,
        outputs: Outputs,
    ) -> None:
        """Beats count as of their arrival; a record without one as of its event time."""
        places = zip(slots.tolist(), frame["host"].to_list(), frame["gateway"].to_list(), strict=True)
        for slot, host, gateway in places:
            owner = state.owners[slot]
            if (host is not None and host != owner.host) or (gateway is not None and gateway != owner.gateway):
                owner.host, owner.gateway = host or owner.host, gateway or owner.gateway
                state.groups.moved.add(slot)
        beats, missed = heartbeat.beats_of(frame), np.full(slots.size, np.nan)
        changes = heartbeat.update(
            self.config.heartbeat,
            state.agents.arrays["heartbeat"],
            slots,
            beats.event_time_s,
            beats.interval_s,
            beats.next_beat_by_s,
            beats.progress,
            beats.said,
            missed=missed,
            arrived_s=np.where(arrived_s > 0, arrived_s, np.minimum(beats.event_time_s, now_s + CLOCK_AHEAD_S)),
        )
        note_beats(self.config.trust, state.agents.arrays["trust"], slots, missed, self._times(frame, now_s))
        self._changed(state, changes, now_s, outputs)

    def _changed(self, state: PartitionState, changes: heartbeat.Transitions, now_s: float, outputs: Outputs) -> None:
        if len(changes):
            outputs.add("fleet.status", status_rows(state, changes))
            state.touch(state.agents.buckets[changes.slots])
            self.signals.transitions(state, changes, now_s, outputs)

    def _note_evidence(
        self, state: PartitionState, frame: pl.DataFrame, slots: I4, evidence: trust.Evidence, now_s: float
    ) -> None:
        """Add evidence of trust; the scores are published with the next tick."""
        with_evidence = slots[evidence.row]
        event_time_s = np.minimum(evidence.event_time_s, now_s + CLOCK_AHEAD_S)
        trust.update(
            self.config.trust,
            state.agents.arrays["trust"],
            with_evidence,
            evidence.ok,
            evidence.bad,
            event_time_s,
        )
        np.minimum.at(state.publishing["oldest_us"], with_evidence, event_time_us(frame)[evidence.row])
        np.maximum.at(state.publishing["newest_s"], with_evidence, event_time_s)

    def collect(self, state: PartitionState, now_s: float) -> Outputs:
        """Scores of agents with evidence that is not scored yet: alerts of all, messages of those that changed."""
        outputs = Outputs()
        publishing = state.publishing
        slots = np.flatnonzero(publishing["oldest_us"][: len(state.agents)] != NOTHING_PENDING).astype(np.int32)
        if not slots.size:
            return outputs
        scores = trust.read(self.config.trust, state.agents.arrays["trust"], slots, now_s)
        newest_s = publishing["newest_s"][slots]
        self.signals.scores(state, slots, scores, newest_s, now_s, outputs)
        same = np.abs(scores.trust - publishing["trust"][slots]) < self.config.publish_change  # False for NaN
        tells = ~same | (now_s - publishing["at_s"][slots] >= self.config.publish_every_s)
        told = slots[tells]
        if told.size:
            chosen = scores.at(tells)
            oldest_us = publishing["oldest_us"][told]
            outputs.messages.append(
                trust_messages(state, told, chosen, oldest_us, int(now_s * 1e6), self.config.trust.model)
            )
            publishing["trust"][told] = chosen.trust
            publishing["at_s"][told] = now_s
        publishing["oldest_us"][slots] = NOTHING_PENDING
        return outputs

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
            self._changed(state, overdue, now_s, outputs)
        if steps_until_s is not None:
            self._silent(state, silent.scan(self.config.silent, state.silent, steps_until_s), now_s, outputs)
        self.signals.time(state, now_s, known, outputs)
        return outputs
