"""Arrivals through the production pipeline, in their order, with time as it was; no I/O.

Time goes in steps: what arrived within one is applied, then the clock ticks at its end, as a worker's would, and the
alert manager decides on the signals. All agents are in one state, which starts empty: what needs a memory (baselines,
warm-up) has that of the replayed time only.
While nothing arrived at all for longer than `GAP_S` the system was not there, and its clock stands still: else every
agent would be missed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import polars as pl

from infra.runtime.columnar_fetch import RecordColumns
from schemas.catalogue import STREAM_SOURCES
from schemas.columnar import ROW, DecodedBatch
from streams.backtest.compare import Raised
from streams.backtest.deciding import Deciding
from streams.outputs import Outputs
from streams.pipeline import Pipeline

GAP_S = 60.0
Slice = dict[str, pl.DataFrame]
"""Frames that arrived within one step, by topic."""


class Replay:
    """One replay; `step_s`: seconds of arrival time that are applied at once."""

    def __init__(self, pipeline: Pipeline, step_s: float = 1.0) -> None:
        self._pipeline = pipeline
        self._step_us = round(step_s * 1e6)
        self._state = pipeline.restore(0)
        self._deciding = Deciding(pipeline.config.rules)
        self._offsets: defaultdict[str, int] = defaultdict(int)
        self._at: int | None = None
        self.rows = 0
        self.begun_us: list[int] = []
        """When arrivals began, and began again after a gap: micros since the epoch, ascending."""

    @property
    def gaps(self) -> int:
        """Times in which nothing arrived at all."""
        return max(len(self.begun_us) - 1, 0)

    @property
    def raised(self) -> list[Raised]:
        """What would have fired so far, oldest first."""
        return self._deciding.raised

    def feed(
        self, arrivals: Iterable[tuple[str, pl.DataFrame]], heard: Callable[[int], None] = lambda _at_us: None
    ) -> None:
        """Apply one window: (topic, frame) as `LakeReader.arrivals` gives them, later than all that came before.

        `heard` is called after each step in which something arrived, with its end, micros since the epoch.
        """
        for number, frames in sorted(_slices(arrivals, self._step_us).items()):
            self._pass_time(until=number)
            for topic in STREAM_SOURCES:
                if topic in frames:
                    self._apply(topic, frames[topic], self._end_s(number))
            self._tick(number)
            heard((number + 1) * self._step_us)

    def _pass_time(self, until: int) -> None:
        """Tick through steps in which nothing arrived, unless there are too many of them."""
        before, self._at = self._at, until
        if before is None or (until - before) * self._step_us > GAP_S * 1e6:
            self.begun_us.append(until * self._step_us)
            return
        for number in range(before + 1, until):
            self._tick(number)

    def _end_s(self, number: int) -> float:
        return (number + 1) * self._step_us / 1e6

    def _apply(self, topic: str, frame: pl.DataFrame, now_s: float) -> None:
        # Offsets of our own: those in the lake begin anew where a topic was made anew.
        first = self._offsets[topic]
        self._offsets[topic] = last = first + frame.height
        # In place: `drop` and `with_columns` start Polars' query engine, 0.1 ms a call, and steps are small.
        arrived_ms = (frame.drop_in_place("arrived_us").to_numpy() // 1000).tolist()
        columns = RecordColumns(topic, 0, list(range(first, last)), arrived_ms, [None] * frame.height, last)
        frame.insert_column(0, pl.Series(ROW, np.arange(frame.height, dtype=np.uint32)))
        self.rows += frame.height
        self._decide(self._pipeline.apply(self._state, columns, now_s, DecodedBatch(frame)), now_s)

    def _tick(self, number: int) -> None:
        now_s = self._end_s(number)
        known = dict.fromkeys(STREAM_SOURCES, now_s)
        outputs = self._pipeline.tick(self._state, now_s, beats_until_s=now_s, steps_until_s=now_s, until_s=known)
        self._decide(outputs, now_s)
        self._deciding.pass_time(now_s)

    def _decide(self, outputs: Outputs, now_s: float) -> None:
        self._deciding.take(outputs.rows.get("fleet.signals", ()), now_s)


def _slices(arrivals: Iterable[tuple[str, pl.DataFrame]], step_us: int) -> dict[int, Slice]:
    """A window's rows by number of step and topic; rows keep their order."""
    found: defaultdict[int, Slice] = defaultdict(dict)
    for topic, frame in arrivals:
        for number, part in _parted(frame.with_columns(_step=pl.col("arrived_us") // step_us)):
            found[number][topic] = part
    return found


def _parted(frame: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    parts = frame.partition_by("_step", as_dict=True, maintain_order=True, include_key=False)
    return ((int(number), part) for (number,), part in parts.items())
