"""What the gaps between an agent's beats teach: its interval, its jitter, how beats get lost, how wrong its clock is.

Formulas in `streams.operators.heartbeat`; each function takes one beat of each of different slots: `slots` i4[k].
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.operators.arrays import SlotArrays
from streams.operators.slots import Slots

Doubles = npt.NDArray[np.float64]


def learn_interval(
    default_s: float, arrays: SlotArrays, slots: Slots, gap_s: Doubles, declared_s: Doubles
) -> npt.NDArray[np.bool_]:
    """Start from what the agent declares, anew when it declares something else (True there), or from its first gap."""
    said_before = arrays["declared_s"][slots]
    usable = np.isfinite(declared_s) & (declared_s > 0)
    declared = np.where(usable, declared_s, np.nan).astype(np.float32)
    restated: npt.NDArray[np.bool_] = usable & (declared != said_before)
    interval = arrays["interval_s"][slots].astype(np.float64)
    second = np.isnan(said_before) & ~usable & (arrays["beats"][slots] == 1) & (gap_s > 0)
    interval = np.where(restated, declared, np.where(second, gap_s, interval))
    interval = np.where(np.isnan(interval), default_s, interval)
    jitter = np.where(restated | second, 0.0025 * interval * interval, arrays["jitter_s2"][slots])
    arrays["interval_s"][slots] = interval
    arrays["jitter_s2"][slots] = np.where(jitter > 0, jitter, 0.0025 * interval * interval)
    arrays["declared_s"][slots] = np.where(usable, declared, said_before)
    return restated


def learn_loss(arrays: SlotArrays, slots: Slots, gap_s: Doubles) -> Doubles:
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


def learn_skew(arrays: SlotArrays, slots: Slots, gap_s: Doubles, now_s: Doubles) -> None:
    """Follow the least of `now_s`, arrival minus the agent's own time, f8[k]; `gap_s` f8[k], NaN = begins a session.

    What is less counts at once, what is more with time: slowly up to 10 s, which may be a slower way; faster beyond,
    where the clock was set.
    """
    skew_s = arrays["skew_s"][slots].astype(np.float64)
    rate = np.clip(gap_s / arrays["interval_s"][slots], 0, 1) * np.where(now_s - skew_s <= 10, 0.02, 0.34)
    known = np.isfinite(rate) & (now_s > skew_s)
    arrays["skew_s"][slots] = np.where(known, skew_s + rate * (now_s - skew_s), now_s)
