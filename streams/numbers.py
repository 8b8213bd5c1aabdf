"""Numbers of agents and hosts in the pipeline: evidence of trust, anomaly flags, forecasts, thresholds."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from schemas.catalogue import METRICS
from streams.evidence import note_reports
from streams.forecasting import Forecaster
from streams.frames import HOST_METRICS, I4, Doubles, numeric, times_s
from streams.operators import anomaly, trust
from streams.outputs import Outputs
from streams.own_metrics import own_flags
from streams.pipeline_config import PipelineConfig
from streams.rows import anomaly_rows
from streams.rules.engine import Source
from streams.scores import Scores
from streams.signals import Signals
from streams.state.partition import PartitionState

_CUSTOM_METRICS = pl.col("custom").list.len().sum()


class Numbers:
    """The operators that look at values, with their settings."""

    def __init__(self, config: PipelineConfig, signals: Signals, scores: Scores, forecaster: Forecaster) -> None:
        self._config, self._signals, self._scores, self._forecaster = config, signals, scores, forecaster
        self._of_agents = replace(config.anomaly, floors=anomaly.floors_for(METRICS))
        self._of_hosts = replace(config.anomaly, floors=anomaly.floors_for(HOST_METRICS))

    def metrics(self, state: PartitionState, frame: pl.DataFrame, slots: I4, now_s: float, outputs: Outputs) -> None:
        """fleet.metrics: evidence of trust, anomalies, forecasts, rules; `slots` i4[n] of the agents."""
        self._scores.note(state, frame, slots, trust.metrics_evidence(frame), now_s)
        values = numeric(frame, METRICS)
        flags = anomaly.update(
            self._of_agents, state.agents.arrays["anomaly"], slots, values, trust.event_times_s(frame)
        )
        at_s = times_s(frame, now_s)
        note_reports(self._config.trust, state.agents.arrays["trust"], slots, values, flags, at_s)
        self._flagged(state, frame, slots, flags, METRICS, now_s, outputs)
        self._forecast("agents", state, frame, slots, slots, values, now_s, outputs)
        self._signals.values(state, "agents", METRICS, frame["agent_id"], slots, values, at_s, now_s, outputs)
        if frame.select(_CUSTOM_METRICS).item():
            self._custom("agents", state, frame, now_s, outputs)

    def hosts(self, state: PartitionState, frame: pl.DataFrame, slots: I4, now_s: float, outputs: Outputs) -> None:
        """fleet.hosts: the same without trust."""
        store = state.stores["hosts"]
        values = numeric(frame, HOST_METRICS)
        of_host = store.assign(frame["agent_id"])
        flags = anomaly.update(self._of_hosts, store.arrays["anomaly"], of_host, values, trust.event_times_s(frame))
        self._flagged(state, frame, slots, flags, HOST_METRICS, now_s, outputs)
        self._forecast("hosts", state, frame, slots, of_host, values, now_s, outputs)
        at_s = times_s(frame, now_s)
        self._signals.values(state, "hosts", HOST_METRICS, frame["agent_id"], slots, values, at_s, now_s, outputs)
        if frame.select(_CUSTOM_METRICS).item():
            self._custom("hosts", state, frame, now_s, outputs)

    def _custom(
        self, source: Source, state: PartitionState, frame: pl.DataFrame, now_s: float, outputs: Outputs
    ) -> None:
        """Metrics that an agent's author or a host's owner defined."""
        long = frame.filter(pl.col("custom").list.len() > 0).explode("custom").unnest("custom")
        values = long["value"].to_numpy(writable=True)  # kernels are compiled for what can be written
        names, at_s, of_agent = (
            long["name"].to_list(),
            times_s(long, now_s),
            state.agents.slots.lookup(long["agent_id"]),
        )
        for own in own_flags(self._config.anomaly, state.stores["series"], long, values, len(METRICS)):
            outputs.add("fleet.anomalies", [own.row])
            self._signals.flags(state, of_agent, own.flag, [own.name], at_s, now_s, outputs)
        self._signals.custom(state, source, names, long["agent_id"], values, at_s, now_s, outputs)

    def _forecast(
        self,
        name: str,
        state: PartitionState,
        frame: pl.DataFrame,
        slots: I4,
        of_store: I4,
        values: Doubles,
        now_s: float,
        outputs: Outputs,
    ) -> None:
        told, rows = self._forecaster.rows(state, name, frame, slots, of_store, values)
        if rows:
            outputs.add("fleet.forecasts", rows)
            self._signals.forecasts(state, told, rows, now_s, outputs)

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
        outputs.add("fleet.anomalies", anomaly_rows(frame, flags, names, self._config.anomaly.threshold))
        self._signals.flags(state, slots, flags, names, times_s(frame, now_s), now_s, outputs)
