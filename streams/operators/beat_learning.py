"""What the gaps between an agent's beats teach: its interval, its jitter, how beats get lost, how wrong its clock is.

Formulas in `streams.operators.heartbeat`; each function takes one beat of each of different slots: `slots` i4[k].
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.operators.arrays import SlotArrays
from streams.operators.slots import Slots

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_EARLY_BEATS = 4
"""Among so many a gap may be the first that says how often an agent beats; before it there were only quick ones."""


def least_gaps(least_s: float, arrays: SlotArrays, slots: Slots, declared_s: Doubles) -> Doubles:
    """What the shortest gap is that teaches something, f8[k], s: `least_s` of agents whose interval is learned, since
    they declare none, with this beat (`declared_s` f8[k], NaN = none) or before; 0 of the others."""
    return np.where(np.isnan(arrays["declared_s"][slots]) & ~_usable(declared_s), least_s, 0.0)


def too_early(arrays: SlotArrays, slots: Slots, gap_s: Doubles, least_s: Doubles) -> Flags:
    """Which short gaps say nothing at all: too few are known to tell an agent that beats that often from one whose
    beat was sent twice."""
    early: Flags = (gap_s < least_s) & (arrays["beats"][slots] <= _EARLY_BEATS)
    return early


def _usable(declared_s: Doubles) -> Flags:
    return np.isfinite(declared_s) & (declared_s > 0)


def learn_interval(
    default_s: float, arrays: SlotArrays, slots: Slots, gap_s: Doubles, declared_s: Doubles, least_s: Doubles
) -> Flags:
    """Start from what the agent declares, anew when it declares something else (True there), or from its first gap
    that is not below `least_s` f8[k] (`least_gaps`): two beats within a moment are one that was sent twice."""
    said_before = arrays["declared_s"][slots]
    usable = _usable(declared_s)
    declared = np.where(usable, declared_s, np.nan).astype(np.float32)
    restated: Flags = usable & (declared != said_before)
    interval = arrays["interval_s"][slots].astype(np.float64)
    # Below the floor: what programs before it learned.
    interval = np.where(np.isnan(interval) | (interval < np.float32(least_s)), default_s, interval)
    first = np.isnan(said_before) & ~usable & (gap_s > 0) & (gap_s >= least_s)
    first &= _not_learned(default_s, arrays, slots, interval)
    interval = np.where(restated, declared, np.where(first, gap_s, interval))
    jitter = np.where(restated | first, 0.0025 * interval * interval, arrays["jitter_s2"][slots])
    arrays["interval_s"][slots] = interval
    arrays["jitter_s2"][slots] = np.where(jitter > 0, jitter, 0.0025 * interval * interval)
    arrays["declared_s"][slots] = np.where(usable, declared, said_before)
    return restated


def _not_learned(default_s: float, arrays: SlotArrays, slots: Slots, interval_s: Doubles) -> Flags:
    beats = arrays["beats"][slots]
    early: Flags = (beats == 1) | ((beats <= _EARLY_BEATS) & (interval_s == default_s))
    return early


def learn_loss(arrays: SlotArrays, slots: Slots, gap_s: Doubles, least_s: Doubles) -> Doubles:
    """The formula of the module; gaps that were planned or that begin a session are not among them. A gap counts as
    `least_s` f8[k] (`least_gaps`) at least, and no interval below is learned.

    Returns how many beats each gap lacks.
    """
    interval = arrays["interval_s"][slots].astype(np.float64)
    gap_s = np.maximum(gap_s, least_s)
    beats = np.maximum(1.0, np.rint(gap_s / interval))
    missed: Doubles = beats - 1
    off = np.clip(gap_s - beats * interval, -interval / 2, interval / 2)
    arrays["interval_s"][slots] = np.maximum(interval + 0.01 * off / beats, least_s)
    arrays["jitter_s2"][slots] = 0.99 * (arrays["jitter_s2"][slots] + 0.01 * off * off)
    loss = arrays["loss"][slots].astype(np.float64)
    arrays["loss"][slots] = np.clip(loss + 0.002 * ((missed > 0) - loss), 1e-4, 0.5)
    some = missed > 0
    run = np.minimum(missed[some], 6)
    burst = arrays["burst"][slots[some]].astype(np.float64)
    burst += (1 - 0.98**run) * ((run - 1) / run - burst)
    arrays["burst"][slots[some]] = np.clip(burst, 0.05, 0.9)
    return missed


def learn_skew(arrays: SlotArrays, slots: Slots, gap_s: Doubles, now_s: Doubles) -> None:
    """Follow the least of `now_s`, arrival minus the agent's own time, f8[k]; `gap_s` f8[k], NaN = begins a session.

    What is less counts at once, what is more with time: slowly up to 10 s, which may be a slower way; faster beyond,
    where the clock was set.
    """
    skew_s = arrays["skew_s"][slots].astype(np.float64)
    rate = np.clip(gap_s / arrays["interval_s"][slots], 0, 1) * np.where(now_s - skew_s <= 10, 0.02, 0.34)
    known = np.isfinite(rate) & (now_s > skew_s)
    arrays["skew_s"][slots] = np.where(known, skew_s + rate * (now_s - skew_s), now_s)
