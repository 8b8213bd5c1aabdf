"""What a tick is made of: columns of metrics and beats, records of everything rare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Drafts = list[tuple[float, int, str, Mapping[str, Any]]]
"""Events of small topics before they are numbered: (fleet seconds, agent, topic, fields)."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """From fleet time to event time within one tick: `begin_s` is `begin_us`, from there `us_per_s` micros a second.

    A tick that is published late squeezes its events into the time in which it was really made.
    """

    begin_s: float
    begin_us: int
    us_per_s: float = 1e6

    def micros(self, at_s: float) -> int:
        """Event time of a moment, micros since the epoch."""
        return self.begin_us + round((at_s - self.begin_s) * self.us_per_s)

    def column(self, at_s: F64) -> I64:
        """Event times of moments f8[rows], i8[rows]."""
        return self.begin_us + np.rint((at_s - self.begin_s) * self.us_per_s).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Rows:
    """Events of one topic in a tick.

    `agents`, `sessions` i8[rows]: who, in which session; `timestamps_us` i8[rows]: event time; `seqs` i8[rows].
    """

    agents: I64
    sessions: I64
    timestamps_us: I64
    seqs: I64

    def __len__(self) -> int:
        return int(self.agents.size)


@dataclass(frozen=True, slots=True)
class MetricRows(Rows):
    """`values` f8[rows, 16] in the order of `schemas.catalogue.METRICS`; `violated`: ids of policies, by row."""

    values: F64
    violated: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class BeatRows(Rows):
    """`uptime_s` f8[rows]; `progress` i8[rows]: requests; `cpu_usage` f8[rows]: percent; `stopping`: last beats."""

    uptime_s: F64
    progress: I64
    cpu_usage: F64
    stopping: bool


@dataclass(frozen=True, slots=True)
class Record:
    """One event of a small topic: envelope parts, and the topic's own fields."""

    topic: str
    agent: int
    session: int
    timestamp_us: int
    seq: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tick:
    """All events of one tick."""

    metrics: MetricRows
    beats: BeatRows
    records: list[Record]

    def __len__(self) -> int:
        return len(self.metrics) + len(self.beats) + len(self.records)


@dataclass(frozen=True, slots=True)
class Session:
    """One run of an agent's process. `bits`: the 30 bits that go into its event ids."""

    session_id: str
    agent: int
    bits: int
