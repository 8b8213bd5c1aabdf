"""Heartbeats in the pipeline: where agents are, when they beat, and what they are therefore."""

from __future__ import annotations

import numpy as np
import polars as pl

from streams.evidence import note_beats
from streams.frames import CLOCK_AHEAD_S, I4, Doubles, times_s
from streams.operators import heartbeat
from streams.outputs import Outputs
from streams.pipeline_config import PipelineConfig
from streams.rows import status_rows
from streams.signals import Signals
from streams.state.partition import PartitionState


class Statuses:
    """The heartbeat operator, and who hears of what it says."""

    def __init__(self, config: PipelineConfig, signals: Signals) -> None:
        self._config, self._signals = config, signals

    def beats(
        self,
        state: PartitionState,
        frame: pl.DataFrame,
        slots: I4,
        arrived_s: Doubles,
        now_s: float,
        outputs: Outputs,
    ) -> None:
        """Beats count as of their arrival; a record without one as of its event time."""
        _note_places(state, frame, slots)
        beats, missed = heartbeat.beats_of(frame), np.full(slots.size, np.nan)
        changes = heartbeat.update(
            self._config.heartbeat,
            state.agents.arrays["heartbeat"],
            slots,
            beats.event_time_s,
            beats.interval_s,
            beats.next_beat_by_s,
            beats.progress,
            beats.said,
            missed=missed,
            arrived_s=np.where(arrived_s > 0, arrived_s, np.minimum(beats.event_time_s, now_s + CLOCK_AHEAD_S)),
            session=beats.session,
        )
        note_beats(self._config.trust, state.agents.arrays["trust"], slots, missed, times_s(frame, now_s))
        self.changed(state, changes, now_s, outputs)

    def changed(self, state: PartitionState, changes: heartbeat.Transitions, now_s: float, outputs: Outputs) -> None:
        """Rows and alerts of changes of status."""
        if len(changes):
            outputs.add("fleet.status", status_rows(state, changes))
            state.touch(state.agents.buckets[changes.slots])
            self._signals.transitions(state, changes, now_s, outputs)


def _note_places(state: PartitionState, frame: pl.DataFrame, slots: I4) -> None:
    places = zip(slots.tolist(), frame["host"].to_list(), frame["gateway"].to_list(), strict=True)
    for slot, host, gateway in places:
        owner = state.owners[slot]
        if (host is not None and host != owner.host) or (gateway is not None and gateway != owner.gateway):
            owner.host, owner.gateway = host or owner.host, gateway or owner.gateway
            state.groups.moved.add(slot)
