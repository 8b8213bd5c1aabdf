"""Sixteen correlated metrics of every agent: baselines, a daily cycle, autocorrelated noise, rounded as agents round.

Six latent factors of an agent (load, latency, errors, CPU, memory, traffic) are AR(1) per report and start in their
stationary distribution, so that a clean series has no drift within minutes beyond the daily cycle. What shows
of a factor is bounded (1.5 tanh(z / 1.5)), as real utilisations are: a clean series has no outliers of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.catalogue import METRICS

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

LATENTS = 6
_LOAD, _LATENCY, _ERRORS, _CPU, _MEMORY, _TRAFFIC = range(LATENTS)
_PHI = np.array([0.6, 0.5, 0.9, 0.5, 0.95, 0.5])
_KICK = np.sqrt(1 - _PHI**2)
_BOUND = 1.5
_COLUMN = {name: position for position, name in enumerate(METRICS)}

SPIKES: dict[str, float] = {
    "response_time": 8.0,
    "throughput": 6.0,
    "request_count": 6.0,
    "network_io": 10.0,
    "user_interactions": 8.0,
    "revenue": 10.0,
}
"""Metrics that an injected anomaly may multiply, with the factor."""


class MetricModel:
    """State of all agents' metrics. Not thread-safe; deterministic for a generator and a sequence of calls.

    `latent` f8[agents, 6]: standard normal factors; `violations` i8[agents]: violations since the agent's last
    report; `spike_column` i8[agents]: metric that is multiplied now, -1 none; `spike_factor` f8[agents];
    `compliance` f8[agents]: compliance rate during a collapse, NaN otherwise; `handled` f8[agents]: requests so far.
    """

    def __init__(self, agents: int, rng: np.random.Generator, day_s: float, day_offset_s: float) -> None:
        self._rng = rng
        self._day_s = day_s
        self._phase = 2 * np.pi * (day_offset_s / day_s + rng.uniform(-0.08, 0.08, agents))
        self._swing = rng.uniform(0.1, 0.4, agents)
        self._response_ms = np.exp(rng.normal(np.log(180.0), 0.5, agents))
        self._throughput = np.exp(rng.normal(np.log(40.0), 0.4, agents))
        self._errors = rng.uniform(0.0, 0.003, agents)
        self._cpu = rng.uniform(20.0, 55.0, agents)
        self._memory = rng.uniform(30.0, 75.0, agents)
        self._disk = rng.uniform(20.0, 80.0, agents)
        self._disk_per_s = rng.uniform(0.0, 1e-5, agents)
        self._bytes_per_request = np.exp(rng.normal(np.log(4_000.0), 0.5, agents))
        self._price = rng.uniform(0.002, 0.05, agents)
        self._trust = rng.uniform(0.9, 0.99, agents)
        self._lapses = rng.uniform(0.0, 0.004, agents)
        self.latent = rng.standard_normal((agents, LATENTS)).clip(-2.5, 2.5)
        self.violations = np.zeros(agents, np.int64)
        self.spike_column = np.full(agents, -1, np.int64)
        self.spike_factor = np.ones(agents)
        self.compliance = np.full(agents, np.nan)
        self.handled = np.zeros(agents)

    def spike(self, agent: int, metric: str | None, factor: float = 1.0) -> None:
        """Multiply one metric of an agent from now on; None ends it."""
        self.spike_column[agent] = -1 if metric is None else _COLUMN[metric]
        self.spike_factor[agent] = factor

    def report(self, agents: I64, fleet_s: F64, uptime_s: F64, interval_s: float) -> F64:
        """Metric values f8[rows, 16] of one report each of distinct `agents`, at `fleet_s`, since their last report."""
        rows = agents.size
        kicks = self._rng.standard_normal((rows, LATENTS)).clip(-2.5, 2.5)
        z = self.latent[agents] * _PHI + kicks * _KICK
        self.latent[agents] = z
        z = _BOUND * np.tanh(z / _BOUND)
        day = np.sin(2 * np.pi * fleet_s / self._day_s + self._phase[agents])
        load = (1 + self._swing[agents] * day) * (1 + 0.03 * z[:, _LOAD])
        throughput = self._throughput[agents] * load
        requests = np.rint(throughput * interval_s)
        self.handled[agents] += requests
        errors = np.maximum(self._errors[agents] + 0.001 * z[:, _ERRORS], 0.0).round(3)
        collapsed = self.compliance[agents]
        compliance = (1 - np.maximum(self._lapses[agents] + 0.001 * z[:, _ERRORS], 0.0)).round(3)
        compliance = np.where(np.isnan(collapsed), compliance, (collapsed + 0.01 * z[:, _LOAD]).clip(0, 1).round(3))
        values = np.empty((rows, len(METRICS)))
        values[:, 0] = (self._trust[agents] + 0.002 * z[:, _MEMORY]).round(3)
        values[:, 1] = compliance
        values[:, 2] = self.violations[agents]
        values[:, 3] = np.maximum(np.rint(0.1 * requests), 1.0)
        values[:, 4] = (self._response_ms[agents] * (0.8 + 0.2 * load) * (1 + 0.06 * z[:, _LATENCY])).round(1)
        values[:, 5] = throughput.round(1)
        values[:, 6] = errors
        values[:, 7] = np.floor(uptime_s)
        values[:, 8] = (self._cpu[agents] * load * (1 + 0.04 * z[:, _CPU])).clip(0, 100).round(1)
        values[:, 9] = (self._memory[agents] + 0.8 * z[:, _MEMORY]).clip(0, 100).round(1)
        values[:, 10] = (self._disk[agents] + self._disk_per_s[agents] * fleet_s).clip(0, 100).round(1)
        values[:, 11] = np.rint(throughput * self._bytes_per_request[agents] * (1 + 0.05 * z[:, _TRAFFIC]))
        values[:, 12] = requests
        values[:, 13] = np.rint(0.3 * requests)
        values[:, 14] = (100 * (1 - errors)).round(1)
        values[:, 15] = (requests * self._price[agents]).round(2)
        self._apply_spikes(agents, values)
        self.violations[agents] = 0
        return values

    def _apply_spikes(self, agents: I64, values: F64) -> None:
        hit = np.nonzero(self.spike_column[agents] >= 0)[0]
        columns, factors = self.spike_column[agents[hit]], self.spike_factor[agents[hit]]
        # One more than zero, so that a count that happens to be zero jumps too.
        values[hit, columns] = np.rint(10 * factors * np.maximum(values[hit, columns], 1.0)) / 10
