"""Detectors of absence under the same beats: the production operator and what it is compared with.

A watcher is told of one round of beats at a time and says up to when it waits for the next beat of every agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from streams.operators import heartbeat
from streams.operators.arrays import SlotArrays

Doubles = npt.NDArray[np.float64]
Slots = npt.NDArray[np.int32]


class Watcher(Protocol):
    """`name`; `deadline_s`: f8[agents], when each counts as gone without another beat, s; inf before its first."""

    name: str

    @property
    def deadline_s(self) -> Doubles:
        """See the class."""

    def beat(self, slots: Slots, at_s: Doubles) -> None:
        """A beat of each of different agents: `slots` i4[k], arrivals `at_s` f8[k]."""


class Production:
    """The operator that workers run, with the settings that they have."""

    name = "fleetpulse"

    def __init__(self, config: heartbeat.HeartbeatConfig, agents: int, interval_s: float) -> None:
        self.config, self.interval_s = config, interval_s
        self.arrays = SlotArrays(heartbeat.FIELDS, agents)

    @property
    def deadline_s(self) -> Doubles:
        """When each agent counts as offline."""
        deadline: Doubles = self.arrays["offline_at_s"]
        return deadline

    def beat(self, slots: Slots, at_s: Doubles) -> None:
        """As `Watcher`."""
        nothing, healthy = np.full(slots.size, np.nan), np.zeros(slots.size, np.uint8)
        declared = np.full(slots.size, self.interval_s)
        heartbeat.update(self.config, self.arrays, slots, at_s, declared, nothing, nothing, healthy)


class FixedTimeout:
    """So many intervals for everybody."""

    def __init__(self, intervals: float, agents: int, interval_s: float) -> None:
        self.name = f"fixed {intervals:g}"
        self.deadline_s = np.full(agents, np.inf)
        self._timeout_s = intervals * interval_s

    def beat(self, slots: Slots, at_s: Doubles) -> None:
        """As `Watcher`."""
        self.deadline_s[slots] = at_s + self._timeout_s


@dataclass(frozen=True)
class PhiAccrualConfig:
    """As in Akka: `deviations` of the normal distribution whose upper tail is 10**-8 (phi 8), the newest 1,000 gaps
    (here as exponential weights of the same mean age, `rate`), no deviation below `least_s`."""

    deviations: float = 5.612
    rate: float = 1 / 500
    least_s: float = 0.1


class PhiAccrual:
    """Phi-accrual of Hayashibara et al. (2004) with the usual normal model of gaps, which knows nothing of loss."""

    name = "phi-accrual, normal"

    def __init__(self, config: PhiAccrualConfig, agents: int, interval_s: float) -> None:
        self.config = config
        self.deadline_s = np.full(agents, np.inf)
        self._last_s = np.full(agents, np.nan)
        self._mean_s = np.full(agents, interval_s)
        self._square_s2 = np.full(agents, (interval_s / 4) ** 2)

    def beat(self, slots: Slots, at_s: Doubles) -> None:
        """As `Watcher`."""
        gap_s = at_s - self._last_s[slots]
        off_s = np.where(np.isnan(gap_s), 0.0, gap_s - self._mean_s[slots])
        self._mean_s[slots] += self.config.rate * off_s
        self._square_s2[slots] += self.config.rate * (off_s * off_s - self._square_s2[slots])
        deviation_s = np.maximum(np.sqrt(self._square_s2[slots]), self.config.least_s)
        self.deadline_s[slots] = at_s + self._mean_s[slots] + self.config.deviations * deviation_s
        self._last_s[slots] = at_s


class StartingPoint:
    """The loss-aware phi that fleetpulse began with, as published: phi 5, a margin of four deviations.

    Learns as `streams.operators.heartbeat` says, in code of its own; deadline = last + I*K + 4*sqrt(J) + .05*I.
    """

    name = "loss-aware phi as published"
    phi, deviations = 5.0, 4.0

    def __init__(self, agents: int, interval_s: float) -> None:
        self.deadline_s = np.full(agents, np.inf)
        self._last_s = np.full(agents, np.nan)
        self._interval_s = np.full(agents, interval_s)
        self._jitter_s2 = np.full(agents, 0.0025 * interval_s**2)
        self._loss = np.full(agents, 0.005)
        self._burst = np.full(agents, 0.1)

    def beat(self, slots: Slots, at_s: Doubles) -> None:
        """As `Watcher`."""
        known = np.isfinite(self._last_s[slots])
        self._learn(slots[known], at_s[known] - self._last_s[slots[known]])
        interval_s, spread_s = self._interval_s[slots], np.sqrt(self._jitter_s2[slots])
        missed = np.ceil((self.phi + np.log10(self._loss[slots])) / -np.log10(self._burst[slots]))
        wait_s = interval_s * (np.clip(1 + missed, 2, 12) + 0.05) + self.deviations * spread_s
        self.deadline_s[slots], self._last_s[slots] = at_s + wait_s, at_s

    def _learn(self, slots: Slots, gap_s: Doubles) -> None:
        interval_s = self._interval_s[slots]
        beats = np.maximum(1.0, np.rint(gap_s / interval_s))
        off_s = np.clip(gap_s - beats * interval_s, -interval_s / 2, interval_s / 2)
        self._interval_s[slots] += 0.01 * off_s / beats
        self._jitter_s2[slots] = 0.99 * (self._jitter_s2[slots] + 0.01 * off_s**2)
        self._loss[slots] = np.clip(self._loss[slots] + 0.002 * ((beats > 1) - self._loss[slots]), 1e-4, 0.5)
        lossy, run = slots[beats > 1], np.minimum(beats[beats > 1] - 1, 6)
        burst = self._burst[lossy]
        self._burst[lossy] = np.clip(burst + (1 - 0.98**run) * ((run - 1) / run - burst), 0.05, 0.9)
