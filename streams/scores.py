"""Trust in the pipeline: evidence comes with batches, scores are read and published with ticks."""

from __future__ import annotations

import numpy as np
import polars as pl

from streams.frames import CLOCK_AHEAD_S, I4, event_time_us
from streams.operators import trust
from streams.outputs import Outputs
from streams.pipeline_config import PipelineConfig
from streams.rows import trust_messages
from streams.signals import Signals
from streams.state.partition import NOTHING_PENDING, PartitionState


class Scores:
    """What is to be scored of a partition, and when that is told."""

    def __init__(self, config: PipelineConfig, signals: Signals) -> None:
        self._config, self._signals = config, signals

    def note(
        self, state: PartitionState, frame: pl.DataFrame, slots: I4, evidence: trust.Evidence, now_s: float
    ) -> None:
        """Add evidence of trust; the scores are published with the next tick."""
        with_evidence = slots[evidence.row]
        event_time_s = np.minimum(evidence.event_time_s, now_s + CLOCK_AHEAD_S)
        trust.update(
            self._config.trust,
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
        scores = trust.read(self._config.trust, state.agents.arrays["trust"], slots, now_s)
        newest_s = publishing["newest_s"][slots]
        self._signals.scores(state, slots, scores, newest_s, now_s, outputs)
        same = np.abs(scores.trust - publishing["trust"][slots]) < self._config.publish_change  # False for NaN
        tells = ~same | (now_s - publishing["at_s"][slots] >= self._config.publish_every_s)
        told = slots[tells]
        if told.size:
            chosen = scores.at(tells)
            oldest_us = publishing["oldest_us"][told]
            outputs.messages.append(
                trust_messages(state, told, chosen, oldest_us, int(now_s * 1e6), self._config.trust.model)
            )
            publishing["trust"][told] = chosen.trust
            publishing["at_s"][told] = now_s
        publishing["oldest_us"][slots] = NOTHING_PENDING
        return outputs
