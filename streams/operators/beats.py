"""Heartbeats as columns, and their rounds: one beat of each agent at a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from zlib import crc32

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.operators.slots import Slots
from streams.operators.times import seconds, seconds_or_nan

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


class Said(IntEnum):
    """What a heartbeat says of its agent."""

    HEALTHY = 0
    DEGRADED = 1
    FAILED = 2
    STOPPING = 3


@dataclass(frozen=True, slots=True)
class Beats:
    """Columns of a fleet.heartbeats frame as `update` takes them, f8[n] and u1[n]; arrival is the event time until a
    broker's is put in its place. `session` i8[n]: a hash of the session, 0 = not known."""

    event_time_s: Doubles
    interval_s: Doubles
    next_beat_by_s: Doubles
    progress: Doubles
    said: Codes
    arrived_s: Doubles
    session: Rows

    def at(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Beats:
        """Some of the rows."""
        return Beats(
            self.event_time_s[rows],
            self.interval_s[rows],
            self.next_beat_by_s[rows],
            self.progress[rows],
            self.said[rows],
            self.arrived_s[rows],
            self.session[rows],
        )


def beats_of(frame: pl.DataFrame) -> Beats:
    """Turn a fleet.heartbeats frame into columns; an unknown status counts as healthy."""
    status, said = frame["status"], np.zeros(frame.height, np.uint8)
    for one in Said:  # not `replace_strict`: it starts Polars' query engine, and there are batches of three beats
        said[(status == one.name.lower()).to_numpy()] = one
    event_time_s = seconds(frame["timestamp"])
    return Beats(
        event_time_s,
        frame["interval_s"].to_numpy(),
        seconds_or_nan(frame["next_beat_by"]),
        frame["progress"].to_numpy().astype(np.float64),
        said,
        event_time_s,
        sessions_of(frame),
    )


def sessions_of(frame: pl.DataFrame) -> Rows:
    """A hash i8[n] of each row's session, the same in every process; 0 where the frame has none."""
    if "session_id" not in frame.columns:
        return np.zeros(frame.height, np.int64)
    return np.fromiter((crc32(name.encode()) for name in frame["session_id"].to_list()), np.int64, frame.height)


def rounds_of(slots: Slots, event_time_s: Doubles) -> list[Rows]:
    """Split the rows so that no round holds a slot twice: first the first beat of every slot, then the second, ..."""
    rows = np.flatnonzero(np.isfinite(event_time_s))
    order = rows[np.argsort(slots[rows], kind="stable")]
    ranked = slots[order]
    begins = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if order.size else np.empty(0, np.int64)
    occurrence = np.arange(order.size) - np.repeat(begins, np.diff(np.r_[begins, order.size]))
    by_occurrence = np.argsort(occurrence, kind="stable")
    ends = np.cumsum(np.bincount(occurrence, minlength=1))
    return [part for part in np.split(order[by_occurrence], ends) if part.size]
