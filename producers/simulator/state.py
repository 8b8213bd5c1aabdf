"""The agents' state that both the columns and the incidents act on, as arrays over agents."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from producers.simulator.config import FleetConfig, Shares, agents_of_a_host
from producers.simulator.metrics import MetricModel
from producers.simulator.rows import F64, I64, Session


class Agents:
    """N agents.

    `beat_due`, `metrics_due`, `started_s` f8[agents]: fleet seconds; `down` bool: says nothing at all; `mute` bool: no
    beats; `loss` f8: share of its beats that is lost; `wedged_s` f8: uptime at which it stopped all but beating,
    inf: it works; `clock_us` i8: its clock less the true time; `cpu` f8: last reported percent; `next_seq` i8;
    `session_of` i8: index into `sessions`; `tool_ms`: usual latency of a tool call; `violated`: policies violated since
    the last report; `hosts`: where each one runs.
    """

    def __init__(self, config: FleetConfig, shares: Shares, rng: np.random.Generator) -> None:
        n = config.agents
        self._config = config
        self._metrics_interval_s = shares.metrics_interval_s
        self.ids = [f"{config.prefix}-{i:06d}" for i in range(n)]
        self.users = [f"user-{i % config.users:03d}" for i in range(n)]
        self.deployments = [f"deployment-{i % (3 * config.users):03d}" for i in range(n)]
        per_host = agents_of_a_host(n)
        self.hosts = [f"{config.prefix}-host-{i // per_host:03d}" for i in range(n)]
        self.model = MetricModel(n, rng, config.day_s, config.start_us / 1e6 % config.day_s)
        self.sessions: list[Session] = []
        self.session_of: I64 = np.array([self._open_session(i) for i in range(n)], np.int64)
        self.next_seq: I64 = np.zeros(n, np.int64)
        self._issued_before: dict[int, int] = {}
        self.beat_due: F64 = rng.uniform(0, min(shares.beat_interval_s, 1.0), n)
        self.started_s: F64 = self.beat_due.copy()
        self.metrics_due: F64 = self.beat_due + 1e-3 + rng.uniform(0, shares.metrics_interval_s, n)
        self.down: NDArray[np.bool_] = np.zeros(n, np.bool_)
        self.mute: NDArray[np.bool_] = np.zeros(n, np.bool_)
        self.loss: F64 = np.zeros(n)
        self.wedged_s: F64 = np.full(n, np.inf)
        self.clock_us: I64 = np.zeros(n, np.int64)
        self.cpu: F64 = rng.uniform(20, 50, n).round(1)
        self.tool_ms: list[float] = rng.uniform(80, 250, n).round(1).tolist()
        self.violated: dict[int, list[str]] = {}

    def _open_session(self, agent: int) -> int:
        # The start time is in it: the same seed a second time is another run, not the same events twice.
        cause = f"{self._config.seed}/{self._config.start_us}/{self._config.prefix}/{agent}/{len(self.sessions)}"
        digest = hashlib.blake2b(cause.encode(), digest_size=16).digest()
        self.sessions.append(Session(digest[:10].hex(), agent, int.from_bytes(digest[12:], "big") >> 2))
        return len(self.sessions) - 1

    def works(self, agent: int) -> bool:
        """Whether it does anything but beat."""
        return not self.down[agent] and bool(np.isinf(self.wedged_s[agent]))

    def agents_by_host(self) -> list[list[int]]:
        """The agents of each host."""
        per_host, n = agents_of_a_host(len(self.ids)), len(self.ids)
        return [list(range(first, min(first + per_host, n))) for first in range(0, n, per_host)]

    def session(self, agent: int) -> Session:
        """The session that the agent is in."""
        return self.sessions[int(self.session_of[agent])]

    def restart(self, agent: int, at_s: float) -> None:
        """The agent's process comes back as a new session, with a beat first."""
        self._issued_before[int(self.session_of[agent])] = int(self.next_seq[agent])
        self.session_of[agent] = self._open_session(agent)
        self.next_seq[agent] = 0
        self.down[agent] = False
        self.started_s[agent] = at_s
        self.model.handled[agent] = 0
        self.beat_due[agent] = at_s
        self.metrics_due[agent] = at_s + 1e-3 + self._metrics_interval_s

    def violate(self, agent: int, policy_id: str) -> None:
        """Count a violation towards the agent's next report."""
        self.model.violations[agent] += 1
        self.violated.setdefault(agent, []).append(policy_id)

    def take_seqs(self, agents: I64, timestamps_us: I64) -> I64:
        """The next numbers of events that happen together: consecutive by (agent, time, position), i8[events]."""
        order = np.lexsort((timestamps_us, agents))
        in_order = agents[order]
        first = np.ones(in_order.size, np.bool_)
        first[1:] = in_order[1:] != in_order[:-1]
        starts = np.nonzero(first)[0]
        counts = np.diff(np.append(starts, in_order.size))
        rank = np.arange(in_order.size) - np.repeat(starts, counts)
        seqs = np.empty(agents.size, np.int64)
        seqs[order] = self.next_seq[in_order] + rank
        self.next_seq[in_order[starts]] += counts
        return seqs

    def issued_of_sessions(self) -> I64:
        """How many events each session has issued so far, i8[sessions]."""
        issued = np.zeros(len(self.sessions), np.int64)
        issued[self.session_of] = self.next_seq
        for session, count in self._issued_before.items():
            issued[session] = count
        return issued
