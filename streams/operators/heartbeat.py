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

Time is arrival: when the broker took a beat, one clock for all agents. The agent's own clock serves to tell beats
apart, is compared with arrival (skew), and turns a promise, which is in it, into a time of arrival (docs/adr/0014).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from streams.operators.arrays import Field, SlotArrays
from streams.operators.beat_learning import learn_interval, learn_loss, learn_skew, least_gaps, too_early
from streams.operators.beats import Beats, Said, beats_of, rounds_of
from streams.operators.slots import Slots

__all__ = [
    "FIELDS", "REASON_TEXT", "STATUS_TEXT", "Beats", "HeartbeatConfig", "Reason", "Said", "Status", "Transitions",
    "beats_of", "beats_to_miss", "scan", "update",
]  # fmt: skip

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


STATUS_TEXT = ("unknown", "online", "late", "offline", "degraded", "offline")
"""Text of every `Status` in fleet.status."""
REASON_TEXT = tuple(reason.name.lower() for reason in Reason)
"""Text of every `Reason` in fleet.status."""


@dataclass(frozen=True)
class HeartbeatConfig:
    """`phi`, `phi_late`: -log10 of the accepted chance of a false offline, a false late, a beat.

    `default_interval_s`: for an agent that declares none, until its second beat; `least_interval_s`: no shorter one is
    learned of it, while what agents declare may be shorter. `start_grace_s`: added to the deadlines of the first
    `start_beats` beats, `beat_grace_s` to all others. `stalled_intervals`: beats without progress for so many intervals
    mean degraded, promised pauses not counted. `clock_reset_s`: a beat older than the newest by more means that the
    agent's clock was set, not that it came late. `most_missed`: upper bound of K. `margin_deviations`: margin for beats
    that are late, in sqrt(J). The initial values of p and rho stand in `FIELDS`.
    """

    phi: float = 4.8
    phi_late: float = 2.0
    default_interval_s: float = 30.0
    least_interval_s: float = 10.0
    start_grace_s: float = 5.0
    start_beats: int = 2
    beat_grace_s: float = 0.0
    stalled_intervals: float = 10.0
    clock_reset_s: float = 600.0
    most_missed: int = 12
    margin_deviations: float = 2.0


FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "last_s": Field("f8", (), np.nan, "arrival of the newest beat, s since the epoch; NaN = never"),
        "late_at_s": Field("f8", (), np.inf, "when the agent counts as late without another beat, s; inf = never"),
        "offline_at_s": Field("f8", (), np.inf, "when the agent counts as offline without another, s; inf = never"),
        "promise_s": Field("f8", (), -np.inf, "no beat is due to arrive before, s since the epoch; -inf = no promise"),
        "progress_s": Field("f8", (), np.nan, "arrival of the last progress, plus pauses, s; NaN = never reported"),
        "progress": Field("f8", (), np.nan, "newest progress counter, count; NaN = never reported"),
        "interval_s": Field("f4", (), np.nan, "learned interval I, s; NaN = never a beat"),
        "declared_s": Field("f4", (), np.nan, "interval that the agent declared last, s; NaN = none"),
        "jitter_s2": Field("f4", (), 0.0, "mean squared deviation of gaps J, s squared"),
        "loss": Field("f4", (), 0.005, "probability p that a beat is missed, 1e-4 to 0.5"),
        "burst": Field("f4", (), 0.1, "probability rho that a beat is missed after a missed one, 0.05 to 0.9"),
        "beats": Field("u4", (), 0, "beats taken in since the agent (re)started, count"),
        "event_s": Field("f8", (), np.nan, "the agent's own time of its newest beat, s; NaN = as last_s"),
        "skew_s": Field("f4", (), np.nan, "arrival minus the agent's own time, the least lately, s; NaN = not known"),
        "session": Field("i8", (), 0, "hash of the session of the newest beat; 0 = not known"),
        "status": Field("u1", (), Status.UNKNOWN, "what the agent is, a Status; 0 = unknown, never a beat"),
    }
)


@dataclass(frozen=True, slots=True)
class Transitions:
    """Changes of status; all arrays have one entry a change, in batch order (update) or slot order (scan).

    `slots` i4; `row` i8: row of the batch, -1 from a scan; `previous`, `status` u1: `Status`; `reason` u1: `Reason`;
    `at_s` f8: time of the change (arrival of the beat, or deadline); `last_beat_s` f8: arrival of the newest beat;
    `deadline_s` f8: when the agent counts as offline; `event_s` f8: the agent's own time of its newest beat; all s
    since the epoch. `interval_s` f8: learned, s; `loss` f8: 0 to 1; `clock_skew_s` f8: s, positive where the agent's
    clock is behind the broker's, NaN = not known.
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
    event_s: Doubles
    clock_skew_s: Doubles

    def __len__(self) -> int:
        return int(self.slots.size)


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
    arrived_s: Doubles | None = None,
    session: Rows | None = None,
) -> Transitions:
    """Take in beats: `slots` i4[n]; `event_time_s` f8[n] by the agents' clocks; `interval_s` declared (NaN = not),
    `next_beat_by_s` promised, by the agents' clocks (NaN = not), `progress` counter (NaN = none), all f8[n];
    `status_code` u1[n] (`Said`); `arrived_s` f8[n], finite: when the broker took each (None = at its event time);
    `session` i8[n]: a hash of the session of each (None, 0 = not known).

    Beats of one slot count in batch order; `_counts` says which are left out. `arrays` has `FIELDS` and room for the
    slots. `missed` f8[n], if given, is set to the beats that were missed before each one, where its gap was not planned
    and begins no session; it is left as it is for the others.
    """
    arrived_s = event_time_s if arrived_s is None else arrived_s
    session = np.zeros(slots.size, np.int64) if session is None else session
    beats = Beats(event_time_s, interval_s, next_beat_by_s, progress, status_code, arrived_s, session)
    rounds = rounds_of(slots, event_time_s)
    return _in_batch_order([_step(config, arrays, rows, slots[rows], beats.at(rows), missed) for rows in rounds])


def _in_batch_order(found: list[Transitions]) -> Transitions:
    if not found:
        return _no_transitions()
    names = Transitions.__dataclass_fields__
    columns = [np.concatenate([getattr(part, name) for part in found]) for name in names]
    order = np.argsort(columns[1], kind="stable")
    return Transitions(*(column[order] for column in columns))


def _no_transitions() -> Transitions:
    f8, u1 = np.empty(0), np.empty(0, np.uint8)
    return Transitions(np.empty(0, np.int32), np.empty(0, np.int64), u1, u1, u1, *(f8 for _ in range(7)))


def _step(
    config: HeartbeatConfig, arrays: SlotArrays, rows: Rows, slots: Slots, beats: Beats, missed: Doubles | None
) -> Transitions:
    """One beat for each of different slots."""
    counts = _counts(config, arrays, slots, beats)
    if not counts.all():
        rows, slots, beats = rows[counts], slots[counts], beats.at(counts)
    now_s, last_s = beats.arrived_s, arrays["last_s"][slots]
    previous = arrays["status"][slots]
    fresh = ~(now_s >= last_s) | (previous == Status.STOPPED)
    gap_s = np.where(fresh, np.nan, now_s - last_s)
    event_gap_s = np.where(fresh, np.nan, beats.event_time_s - _seen_event_s(arrays, slots))
    bunched = gap_s < 0.25 * event_gap_s  # a spool that was sent at once tells nothing of the network
    begin_s = np.where(bunched, event_gap_s, gap_s)
    least_s = least_gaps(config.least_interval_s, arrays, slots, beats.interval_s)
    unclear = too_early(arrays, slots, gap_s, least_s)
    restated = learn_interval(config.default_interval_s, arrays, slots, begin_s, beats.interval_s, least_s)
    teaches = np.isfinite(gap_s) & ~restated & ~bunched & ~(arrays["promise_s"][slots] > last_s) & ~unclear
    found = learn_loss(arrays, slots[teaches], gap_s[teaches], least_s[teaches])
    if missed is not None:
        missed[rows[teaches]] = found
    learn_skew(arrays, slots, gap_s, now_s - beats.event_time_s)
    stalled = _note_progress(config, arrays, slots, beats, fresh)
    _note_beat(arrays, slots, beats, fresh)
    status, reason = _judge(previous, beats.said, stalled)
    arrays["status"][slots] = status
    _set_deadlines(config, arrays, slots, waiting=(status == Status.ONLINE) | (status == Status.DEGRADED))
    changed = status != previous
    return _transitions(arrays, slots[changed], rows[changed], previous[changed], reason[changed], now_s[changed])


def _seen_event_s(arrays: SlotArrays, slots: Slots) -> Doubles:
    """The agent's own time of its newest beat; state of older programs has one time for both."""
    event_s: Doubles = arrays["event_s"][slots]
    return np.where(np.isnan(event_s), arrays["last_s"][slots], event_s)


def _counts(config: HeartbeatConfig, arrays: SlotArrays, slots: Slots, beats: Beats) -> npt.NDArray[np.bool_]:
    """Which beats are no doubles and not out of order.

    One that is older by the agent's clock counts if that clock was set: by so much that nothing is that late, or
    because it arrived when a next beat is due. What was sent before an agent stopped does not bring it back; another
    session than the one that stopped does.
    """
    seen_s, event_s = _seen_event_s(arrays, slots), beats.event_time_s
    in_order = ~(event_s <= seen_s) | (event_s <= seen_s - config.clock_reset_s)
    due = beats.arrived_s - arrays["last_s"][slots] >= 0.5 * arrays["interval_s"][slots]
    known = arrays["session"][slots]
    another = (beats.session != known) & (beats.session != 0) & (known != 0)
    may_come = another | (arrays["status"][slots] != Status.STOPPED)
    set_back: npt.NDArray[np.bool_] = due & (event_s != seen_s) & may_come
    return in_order | set_back


def _note_beat(arrays: SlotArrays, slots: Slots, beats: Beats, fresh: npt.NDArray[np.bool_]) -> None:
    now_s, event_s = beats.arrived_s, beats.event_time_s
    promised_s = beats.next_beat_by_s - event_s
    arrays["last_s"][slots] = now_s
    arrays["event_s"][slots] = event_s
    arrays["session"][slots] = beats.session
    arrays["promise_s"][slots] = np.where(promised_s > 0, now_s + promised_s, -np.inf)
    arrays["beats"][slots] = np.where(fresh, 1, arrays["beats"][slots] + 1)


def _note_progress(
    config: HeartbeatConfig,
    arrays: SlotArrays,
    slots: Slots,
    beats: Beats,
    fresh: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Keep the counter and when it changed; True where it has stood still for too many intervals.

    Time in which the agent had promised to be away is no time in which it stood still.
    """
    now_s, progress = beats.arrived_s, beats.progress
    away_s = np.fmax(np.minimum(now_s, arrays["promise_s"][slots]) - arrays["last_s"][slots], 0)
    reported = np.isfinite(progress)
    moved = reported & (fresh | (progress != arrays["progress"][slots]))
    arrays["progress"][slots] = np.where(reported, progress, arrays["progress"][slots])
    since_s = np.where(moved, now_s, arrays["progress_s"][slots] + away_s)
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
    base += np.where(arrays["beats"][slots] <= config.start_beats, config.start_grace_s, config.beat_grace_s)
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
        event_s=_seen_event_s(arrays, slots),
        clock_skew_s=arrays["skew_s"][slots].astype(np.float64),
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
