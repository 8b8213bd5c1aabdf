"""Arrivals through the production pipeline, in their order, with time as it was; no I/O.

Time goes in steps: what arrived within one is applied, then the clock ticks at its end, as a worker's would. State is
kept by Kafka partition, and starts empty: what needs a memory (baselines, warm-up) has that of the replayed time only.
While nothing arrived at all for longer than `GAP_S` the system was not there, and its clock stands still: else every
agent would be missed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from infra.runtime.columnar_fetch import RecordColumns
from schemas.catalogue import STREAM_SOURCES
from schemas.columnar import ROW, DecodedBatch
from streams.backtest.compare import Raised
from streams.backtest.lake import metric_of
from streams.outputs import Outputs, Row
from streams.pipeline import Pipeline
from streams.state.partition import PartitionState

GAP_S = 60.0
Slice = dict[int, dict[str, pl.DataFrame]]
"""Frames that arrived within one step, by partition and topic."""


class Replay:
    """One replay; `step_s`: seconds of arrival time that are applied at once."""

    def __init__(self, pipeline: Pipeline, step_s: float = 1.0) -> None:
        self._pipeline = pipeline
        self._step_us = round(step_s * 1e6)
        self._states: dict[int, PartitionState] = {}
        self._offsets: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._at: int | None = None
        self._raised: dict[tuple[str, int], Raised] = {}
        self.rows = 0
        self.gaps = 0

    @property
    def raised(self) -> list[Raised]:
        """What would have fired so far, oldest first."""
        return sorted(self._raised.values(), key=lambda raised: raised.started_us)

    def feed(self, arrivals: Iterable[tuple[str, pl.DataFrame]]) -> None:
        """Apply one window: (topic, frame) as `LakeReader.arrivals` gives them, later than all that came before."""
        for number, found in sorted(_slices(arrivals, self._step_us).items()):
            self._pass_time(until=number)
            for partition, frames in sorted(found.items()):
                for topic in STREAM_SOURCES:
                    if topic in frames:
                        self._apply(topic, partition, frames[topic], self._end_s(number))
            self._tick(number)

    def _pass_time(self, until: int) -> None:
        """Tick through steps in which nothing arrived, unless there are too many of them."""
        before, self._at = self._at, until
        if before is None:
            return
        if (until - before) * self._step_us > GAP_S * 1e6:
            self.gaps += 1
            return
        for number in range(before + 1, until):
            self._tick(number)

    def _end_s(self, number: int) -> float:
        return (number + 1) * self._step_us / 1e6

    def _apply(self, topic: str, partition: int, frame: pl.DataFrame, now_s: float) -> None:
        state = self._states.get(partition)
        if state is None:
            state = self._states[partition] = self._pipeline.restore(partition)
        # Offsets of our own: those in the lake begin anew where a topic was made anew.
        first = self._offsets[topic, partition]
        self._offsets[topic, partition] = last = first + frame.height
        arrived_ms = (frame["arrived_us"] // 1000).to_list()
        columns = RecordColumns(topic, partition, list(range(first, last)), arrived_ms, [None] * frame.height, last)
        rows = pl.Series(ROW, np.arange(frame.height, dtype=np.uint32))
        decoded = DecodedBatch(frame.drop("arrived_us", "kafka_partition").with_columns(rows))
        self.rows += frame.height
        self._note(self._pipeline.apply(state, columns, now_s, decoded))

    def _tick(self, number: int) -> None:
        now_s = self._end_s(number)
        known = dict.fromkeys(STREAM_SOURCES, now_s)
        for state in self._states.values():
            self._note(self._pipeline.tick(state, now_s, beats_until_s=now_s, steps_until_s=now_s, until_s=known))

    def _note(self, outputs: Outputs) -> None:
        for row in outputs.rows.get("fleet.signals", ()):
            if row["kind"] in {"firing", "resolved"}:
                self._note_signal(row)

    def _note_signal(self, row: Row) -> None:
        key = str(row["fingerprint"]), int(row["epoch"])
        known = self._raised.get(key)
        started_us = known.started_us if known is not None else int(row["starts_at"] or row["timestamp"])
        ended_us = int(row["ends_at"] or row["timestamp"]) if row["kind"] == "resolved" else None
        metric = metric_of(row)
        self._raised[key] = Raised(str(row["name"]), str(row["agent_id"]), started_us, ended_us, metric)


def _slices(arrivals: Iterable[tuple[str, pl.DataFrame]], step_us: int) -> dict[int, Slice]:
    """A window's rows by number of step, partition and topic; rows keep their order."""
    found: defaultdict[int, Slice] = defaultdict(lambda: defaultdict(dict))
    for topic, frame in arrivals:
        for number, partition, part in _parted(frame.with_columns(_step=pl.col("arrived_us") // step_us)):
            found[number][partition][topic] = part
    return found


def _parted(frame: pl.DataFrame) -> Iterator[tuple[int, int, pl.DataFrame]]:
    parts = frame.partition_by("_step", "kafka_partition", as_dict=True, maintain_order=True)
    for (number, partition), part in parts.items():
        yield int(number), int(partition), part.drop("_step")
