"""A synthetic fleet for forecasts: memory use in percent, every five minutes for weeks, with known leaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
START_S = 1_790_035_200.0
STEP_S, DAY_STEPS, DAYS = 300.0, 288, 21
THRESHOLD = 85.0
EACH = 12


@dataclass(frozen=True)
class Member:
    """One series of the fleet: `value` f8[steps]; `leaks`: whether it grows until it crosses the threshold."""

    name: str
    value: Doubles
    leaks: bool


def _noise(rng: np.random.Generator, days: Doubles) -> Doubles:
    """Autocorrelated: 3 percentage points, forgotten in an hour or two."""
    drawn, value = rng.normal(0, 1.0, days.size), np.zeros(days.size)
    for i in range(1, days.size):
        value[i] = 0.94 * value[i - 1] + drawn[i]
    return value


def _cycle(rng: np.random.Generator, days: Doubles) -> Doubles:
    return rng.uniform(4, 14) * np.sin(2 * np.pi * (days + rng.random())) + rng.uniform(55, 75)


def _calm(rng: np.random.Generator, days: Doubles) -> Doubles:
    return np.full(days.size, rng.uniform(40, 80))


def _shift(rng: np.random.Generator, days: Doubles) -> Doubles:
    jump: Doubles = rng.uniform(5, 25) * (days > rng.uniform(6, 18)).astype(np.float64)
    return rng.uniform(45, 70) + jump


def _restarts(rng: np.random.Generator, days: Doubles) -> Doubles:
    """Grows all day, and is restarted at the same time each night."""
    return rng.uniform(30, 45) + rng.uniform(20, 45) * ((days + rng.random()) % 1.0)


def _leak(rng: np.random.Generator, days: Doubles) -> Doubles:
    """2 to 6 points a day on a daily cycle, from a time that still lets it cross."""
    rate, begins = rng.uniform(2, 6), rng.uniform(3, 7)
    cycle = rng.uniform(0, 6) * np.sin(2 * np.pi * (days + rng.random()))
    grown: Doubles = rng.uniform(45, 60) + cycle + rate * np.maximum(days - begins, 0.0)
    return grown


_KINDS: dict[str, Callable[[np.random.Generator, Doubles], Doubles]] = {
    "cycle": _cycle,
    "calm": _calm,
    "shift": _shift,
    "restarts": _restarts,
    "leak": _leak,
}


def fleet(seed: int) -> list[Member]:
    """`EACH` series of each kind, the same for the same seed."""
    rng = np.random.default_rng(seed)
    days = np.arange(DAYS * DAY_STEPS) / DAY_STEPS
    return [
        Member(f"{kind}-{i}", np.clip(shape(rng, days) + _noise(rng, days), 0.0, 100.0), kind == "leak")
        for kind, shape in _KINDS.items()
        for i in range(EACH)
    ]
