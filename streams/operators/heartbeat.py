"""Heartbeats with meaning: a deadline that learns an agent's interval, its jitter and how its beats get lost.

Loss-aware phi. With I the interval, J the mean squared jitter, p = P(a beat is missed), rho = P(missed | the one before
was missed too):

    gap g: k = max(1, round(g/I)); missed = k - 1; d = clip(g - k*I, +-I/2); I += .01*d/k; J = .99*(J + .01*d*d)
    p += .002*([missed > 0] - p), in [1e-4, .5]
    if missed: mm = min(missed, 6); rho += (1 - .98**mm)*((mm - 1)/mm - rho), in [.05, .9]
    K(phi) = clip(1 + ceil((phi + log10 p)/(-log10 rho)), 2, 12)
    deadline = base + I*(K - 1) + 2*sqrt(J) + .05*I,  base = max(last + I, promised time of the next beat)

so that the chance of K beats lost in a row is below 10**-phi (that K - 1 are lost and the next comes later than the
margin, 2 % of beats, adds .02/rho of it: a fifth where rho is a tenth). `late` is the same with a smaller phi, at least
half an interval before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.operators.arrays import Field, SlotArrays
from streams.operators.slots import Slots
from streams.operators.times import seconds, seconds_or_nan

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


class Status(IntEnum):
    """What an agent is. `STOPPED` is offline on purpose: fleet.status says offline, reason stopped."""

    UNKNOWN = 0
    ONLINE = 1
    LATE = 2
    OFFLINE = 3
    DEGRADED = 4
    STOPPED = 5


class Reason(IntEnum):
    """Why a status changed."""

    FIRST_BEAT = 0
    BEAT = 1
    BEAT_LATE = 2
    DEADLINE_MISSED = 3
    NO_PROGRESS = 4
    EXPLICIT_FAILURE = 5
    STOPPED = 6


class Said(IntEnum):
    """What a heartbeat says of its agent."""

    HEALTHY = 0
    DEGRADED = 1
    FAILED = 2
    STOPPING = 3


STATUS_TEXT = ("unknown", "online", "late", "offline", "degraded", "offline")
"""Text of every `Status` in fleet.status."""
REASON_TEXT = tuple(reason.name.lower() for reason in Reason)
"""Text of every `Reason` in fleet.status."""


@dataclass(frozen=True)
class HeartbeatConfig:
    """`phi`, `phi_late`: -log10 of the accepted chance of a false offline, a false late, a beat.

    `default_interval_s`: for an agent that declares none, until its second beat. `start_grace_s`: added to the
    deadlines of the first `start_beats` beats. `stalled_intervals`: beats without progress for so many
    intervals mean degraded. `clock_reset_s`: a beat older than the newest by more means that the agent's clock was set,
    not that it came late. `most_missed`: upper bound of K. `margin_deviations`: margin for beats that are late, in
    sqrt(J). The initial values of p and rho stand in `FIELDS`.
    """

    phi: float = 4.8
    phi_late: float = 2.0
    default_interval_s: float = 30.0
    start_grace_s: float = 5.0
    start_beats: int = 2
    stalled_intervals: float = 10.0
    clock_reset_s: float = 600.0
    most_missed: int = 12
    margin_deviations: float = 2.0


FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "last_s": Field("f8", (), np.nan, "event time of the newest beat, s since the epoch; NaN = never"),
        "late_at_s": Field("f8", (), np.inf, "when the agent counts as late without another beat, s; inf = never"),
        "offline_at_s": Field("f8", (), np.inf, "when the agent counts as offline without another, s; inf = never"),
        "promise_s": Field("f8", (), -np.inf, "no beat is due before, s since the epoch; -inf = no promise"),
        "progress_s": Field("f8", (), np.nan, "event time at which progress last changed, s; NaN = never reported"),
        "progress": Field("f8", (), np.nan, "newest progress counter, count; NaN = never reported"),
        "interval_s": Field("f4", (), np.nan, "learned interval I, s; NaN = never a beat"),
        "declared_s": Field("f4", (), np.nan, "interval that the agent declared last, s; NaN = none"),
        "jitter_s2": Field("f4", (), 0.0, "mean squared deviation of gaps J, s squared"),
        "loss": Field("f4", (), 0.005, "probability p that a beat is missed, 1e-4 to 0.5"),
        "burst": Field("f4", (), 0.1, "probability rho that a beat is missed after a missed one, 0.05 to 0.9"),
        "beats": Field("u4", (), 0, "beats taken in since the agent (re)started, count"),
        "status": Field("u1", (), Status.UNKNOWN, "what the agent is, a Status; 0 = unknown, never a beat"),
    }
)


@dataclass(frozen=True, slots=True)
class Transitions:
    """Changes of status; all arrays have one entry a change, in batch order (update) or slot order (scan).

    `slots` i4; `row` i8: row of the batch, -1 from a scan; `previous`, `status` u1: `Status`; `reason` u1: `Reason`;
    `at_s` f8: event time of the change (beat or deadline); `last_beat_s`, `deadline_s` f8: s since the epoch, the
    deadline is when the agent counts as offline; `interval_s` f8: learned, s; `loss` f8: 0 to 1.
    """

    slots: Slots
    row: Rows
    previous: Codes
    status: Codes
    reason: Codes
    at_s: Doubles
    last_beat_s: Doubles
    deadline_s: Doubles
    interval_s: Doubles
    loss: Doubles

    def __len__(self) -> int:
        return int(self.slots.size)


@dataclass(frozen=True, slots=True)
class Beats:
    """Columns of a fleet.heartbeats frame as `update` takes them, f8[n] and u1[n]."""

    event_time_s: Doubles
    interval_s: Doubles
    next_beat_by_s: Doubles
    progress: Doubles
    said: Codes

    def at(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Beats:
        """Some of the rows."""
        return Beats(
            self.event_time_s[rows],
            self.interval_s[rows],
            self.next_beat_by_s[rows],
            self.progress[rows],
            self.said[rows],
        )


def beats_of(frame: pl.DataFrame) -> Beats:
    """Turn a fleet.heartbeats frame into columns; an unknown status counts as healthy."""
    codes = {said.name.lower(): int(said) for said in Said}
    said = frame["status"].replace_strict(codes, default=int(Said.HEALTHY), return_dtype=pl.UInt8)
    return Beats(
        seconds(frame["timestamp"]),
        frame["interval_s"].to_numpy(),
        seconds_or_nan(frame["next_beat_by"]),
        frame["progress"].to_numpy().astype(np.float64),
        said.to_numpy(),
    )


def update(
    config: HeartbeatConfig,
    arrays: SlotArrays,
    slots: Slots,
    event_time_s: Doubles,
    interval_s: Doubles,
    next_beat_by_s: Doubles,
    progress: Doubles,
    status_code: Codes,
    missed: Doubles | None = None,
) -> Transitions:
    """Take in beats: `slots` i4[n]; `event_time_s` f8[n]; `interval_s` declared (NaN = not), `next_beat_by_s` promised
    (NaN = not), `progress` counter (NaN = none), all f8[n]; `status_code` u1[n] (`Said`).

    Beats of one slot count in batch order; one that is not newer than its slot's newest is left out. `arrays` has
    `FIELDS` and room for the slots. `missed` f8[n], if given, is set to the beats that were missed before each one,
    where its gap was not planned and begins no session; it is left as it is for the others.
    """
    beats = Beats(event_time_s, interval_s, next_beat_by_s, progress, status_code)
    rounds = _rounds(slots, event_time_s)
    return _in_batch_order([_step(config, arrays, rows, slots[rows], beats.at(rows), missed) for rows in rounds])


def _rounds(slots: Slots, event_time_s: Doubles) -> list[Rows]:
    """Split the rows so that no round holds a slot twice: first the first beat of every slot, then the second, ..."""
    rows = np.flatnonzero(np.isfinite(event_time_s))
    order = rows[np.argsort(slots[rows], kind="stable")]
    ranked = slots[order]
    begins = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if order.size else np.empty(0, np.int64)
    occurrence = np.arange(order.size) - np.repeat(begins, np.diff(np.r_[begins, order.size]))
    by_occurrence = np.argsort(occurrence, kind="stable")
    ends = np.cumsum(np.bincount(occurrence, minlength=1))
    return [part for part in np.split(order[by_occurrence], ends) if part.size]


def _in_batch_order(found: list[Transitions]) -> Transitions:
    if not found:
        return _no_transitions()
    names = Transitions.__dataclass_fields__
    columns = [np.concatenate([getattr(part, name) for part in found]) for name in names]
    order = np.argsort(columns[1], kind="stable")
    return Transitions(*(column[order] for column in columns))


def _no_transitions() -> Transitions:
    f8, u1 = np.empty(0), np.empty(0, np.uint8)
    return Transitions(np.empty(0, np.int32), np.empty(0, np.int64), u1, u1, u1, f8, f8, f8, f8, f8)


def _step(
    config: HeartbeatConfig, arrays: SlotArrays, rows: Rows, slots: Slots, beats: Beats, missed: Doubles | None
) -> Transitions:
    """One beat for each of different slots."""
    last_s = arrays["last_s"][slots]
    counts = ~((beats.event_time_s <= last_s) & (beats.event_time_s > last_s - config.clock_reset_s))
    if not counts.all():
        rows, slots, last_s, beats = rows[counts], slots[counts], last_s[counts], beats.at(counts)
    now_s = beats.event_time_s
    previous = arrays["status"][slots]
    fresh = ~(now_s > last_s) | (previous == Status.STOPPED)
    gap_s = np.where(fresh, np.nan, now_s - last_s)
    restated = _learn_interval(config, arrays, slots, gap_s, beats.interval_s)
    teaches = np.isfinite(gap_s) & ~restated & ~(arrays["promise_s"][slots] > last_s)
    found = _learn_loss(arrays, slots[teaches], gap_s[teaches])
    if missed is not None:
        missed[rows[teaches]] = found
    stalled = _note_progress(config, arrays, slots, beats, fresh)
    arrays["last_s"][slots] = now_s
    arrays["promise_s"][slots] = np.where(beats.next_beat_by_s > now_s, beats.next_beat_by_s, -np.inf)
    arrays["beats"][slots] = np.where(fresh, 1, arrays["beats"][slots] + 1)
    status, reason = _judge(previous, beats.said, stalled)
    arrays["status"][slots] = status
    _set_deadlines(config, arrays, slots, waiting=(status == Status.ONLINE) | (status == Status.DEGRADED))
    changed = status != previous
    return _transitions(arrays, slots[changed], rows[changed], previous[changed], reason[changed], now_s[changed])


def _learn_interval(
    config: HeartbeatConfig, arrays: SlotArrays, slots: Slots, gap_s: Doubles, declared_s: Doubles
) -> npt.NDArray[np.bool_]:
    """Start from what the agent declares, anew when it declares something else (True there), or from its first gap."""
    said_before = arrays["declared_s"][slots]
    usable = np.isfinite(declared_s) & (declared_s > 0)
    declared = np.where(usable, declared_s, np.nan).astype(np.float32)
    restated: npt.NDArray[np.bool_] = usable & (declared != said_before)
    interval = arrays["interval_s"][slots].astype(np.float64)
    second = np.isnan(said_before) & ~usable & (arrays["beats"][slots] == 1) & (gap_s > 0)
    interval = np.where(restated, declared, np.where(second, gap_s, interval))
    interval = np.where(np.isnan(interval), config.default_interval_s, interval)
    jitter = np.where(restated | second, 0.0025 * interval * interval, arrays["jitter_s2"][slots])
    arrays["interval_s"][slots] = interval
    arrays["jitter_s2"][slots] = np.where(jitter > 0, jitter, 0.0025 * interval * interval)
    arrays["declared_s"][slots] = np.where(usable, declared, said_before)
    return restated


def _learn_loss(arrays: SlotArrays, slots: Slots, gap_s: Doubles) -> Doubles:
    """The formula of the module; gaps that were planned or that begin a session are not among them.

    Returns how many beats each gap lacks.
    """
    interval = arrays["interval_s"][slots].astype(np.float64)
    beats = np.maximum(1.0, np.rint(gap_s / interval))
    missed: Doubles = beats - 1
    off = np.clip(gap_s - beats * interval, -interval / 2, interval / 2)
    arrays["interval_s"][slots] = interval + 0.01 * off / beats
    arrays["jitter_s2"][slots] = 0.99 * (arrays["jitter_s2"][slots] + 0.01 * off * off)
    loss = arrays["loss"][slots].astype(np.float64)
    arrays["loss"][slots] = np.clip(loss + 0.002 * ((missed > 0) - loss), 1e-4, 0.5)
    some = missed > 0
    run = np.minimum(missed[some], 6)
    burst = arrays["burst"][slots[some]].astype(np.float64)
    burst += (1 - 0.98**run) * ((run - 1) / run - burst)
    arrays["burst"][slots[some]] = np.clip(burst, 0.05, 0.9)
    return missed


def _note_progress(
    config: HeartbeatConfig,
    arrays: SlotArrays,
    slots: Slots,
    beats: Beats,
    fresh: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Keep the counter and when it changed; True where it has stood still for too many intervals."""
    now_s, progress = beats.event_time_s, beats.progress
    reported = np.isfinite(progress)
    moved = reported & (fresh | (progress != arrays["progress"][slots]))
    arrays["progress"][slots] = np.where(reported, progress, arrays["progress"][slots])
    since_s = np.where(moved, now_s, arrays["progress_s"][slots])
    arrays["progress_s"][slots] = since_s
    still_s: Doubles = now_s - since_s
    stalled: npt.NDArray[np.bool_] = reported & (still_s >= config.stalled_intervals * arrays["interval_s"][slots])
    return stalled


def _judge(previous: Codes, said: Codes, stalled: npt.NDArray[np.bool_]) -> tuple[Codes, Codes]:
    """Status and reason after a beat."""
    status = np.select(
        [said == Said.STOPPING, said == Said.FAILED, (said == Said.DEGRADED) | stalled],
        [Status.STOPPED, Status.OFFLINE, Status.DEGRADED],
        Status.ONLINE,
    ).astype(np.uint8)
    reason = np.select(
        [
            said == Said.STOPPING,
            (said == Said.FAILED) | (said == Said.DEGRADED),
            stalled,
            previous == Status.UNKNOWN,
            (previous == Status.LATE) | (previous == Status.OFFLINE),
        ],
        [Reason.STOPPED, Reason.EXPLICIT_FAILURE, Reason.NO_PROGRESS, Reason.FIRST_BEAT, Reason.BEAT_LATE],
        Reason.BEAT,
    ).astype(np.uint8)
    return status, reason


def beats_to_miss(phi: float, loss: Doubles, burst: Doubles, least: int, most: int) -> Doubles:
    """K of the module's formula: intervals without a beat after which loss explains it with a chance below 10**-phi."""
    count: Doubles = np.clip(1 + np.ceil((phi + np.log10(loss)) / -np.log10(burst)), least, most)
    return count


def _set_deadlines(config: HeartbeatConfig, arrays: SlotArrays, slots: Slots, waiting: npt.NDArray[np.bool_]) -> None:
    interval = arrays["interval_s"][slots].astype(np.float64)
    loss, burst = arrays["loss"][slots].astype(np.float64), arrays["burst"][slots].astype(np.float64)
    base = np.maximum(arrays["last_s"][slots] + interval, arrays["promise_s"][slots])
    base += config.margin_deviations * np.sqrt(arrays["jitter_s2"][slots].astype(np.float64)) + 0.05 * interval
    base += config.start_grace_s * (arrays["beats"][slots] <= config.start_beats)
    late = beats_to_miss(config.phi_late, loss, burst, 2, config.most_missed)
    offline = beats_to_miss(config.phi, loss, burst, 2, config.most_missed)
    late = np.minimum(late, offline - 0.5)
    arrays["late_at_s"][slots] = np.where(waiting, base + interval * (late - 1), np.inf)
    arrays["offline_at_s"][slots] = np.where(waiting, base + interval * (offline - 1), np.inf)


def _transitions(
    arrays: SlotArrays, slots: Slots, rows: Rows, previous: Codes, reason: Codes, at_s: Doubles
) -> Transitions:
    deadline = arrays["offline_at_s"][slots]
    last = arrays["last_s"][slots]
    return Transitions(
        slots=slots,
        row=rows,
        previous=previous,
        status=arrays["status"][slots],
        reason=reason,
        at_s=at_s,
        last_beat_s=last,
        deadline_s=np.where(np.isfinite(deadline), deadline, last),
        interval_s=arrays["interval_s"][slots].astype(np.float64),
        loss=arrays["loss"][slots].astype(np.float64),
    )


def scan(config: HeartbeatConfig, arrays: SlotArrays, count: int, now_s: float) -> Transitions:  # noqa: ARG001  # every operator takes its configuration first
    """Agents of slots 0 to `count` - 1 whose deadlines have passed at `now_s`: late, then offline.

    A late agent keeps its offline deadline. An agent whose both deadlines have passed goes offline at once.
    """
    due = np.flatnonzero(arrays["late_at_s"][:count] < now_s)
    due_offline = np.flatnonzero(arrays["offline_at_s"][:count] < now_s)
    if not due.size and not due_offline.size:
        return _no_transitions()
    slots = np.union1d(due, due_offline).astype(np.int32)
    deadline = arrays["offline_at_s"][slots]
    offline = deadline < now_s
    previous = arrays["status"][slots]
    at_s = np.where(offline, deadline, arrays["late_at_s"][slots])
    arrays["status"][slots] = np.where(offline, Status.OFFLINE, Status.LATE)
    reason = np.full(slots.size, Reason.DEADLINE_MISSED, np.uint8)
    found = _transitions(arrays, slots, np.full(slots.size, -1), previous, reason, at_s)
    arrays["late_at_s"][slots] = np.inf
    arrays["offline_at_s"][slots] = np.where(offline, np.inf, deadline)
    return found
