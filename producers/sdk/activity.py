"""What an agent did since the last report, and what its process uses: the numbers of the periodic metrics."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from producers.sdk.events import MetricValues

_STATM = Path("/proc/self/statm")


class Activity:
    """Counts requests, policy checks and messages from any thread; `take` gives the metrics and begins anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started_s = time.monotonic()
        self._use = ProcessUse()
        self._begin()

    def _begin(self) -> None:
        self._since_s = time.monotonic()
        self._requests = self._failed = self._checks = self._violations = self._messages = 0
        self._latency_ms = 0.0
        self._violated: dict[str, None] = {}

    def request(self, latency_ms: float, *, ok: bool) -> None:
        """Count something that was asked of the agent, answered or not."""
        with self._lock:
            self._requests += 1
            self._failed += not ok
            self._latency_ms += latency_ms

    def checked(self, checks: int, violated: Iterable[str]) -> None:
        """Count policy checks and the ids of those that did not pass."""
        ids = list(violated)
        with self._lock:
            self._checks += checks
            self._violations += len(ids)
            self._violated.update(dict.fromkeys(ids))

    def message(self) -> None:
        """Count a message to a user."""
        with self._lock:
            self._messages += 1

    def take(self) -> MetricValues:
        """Metrics since the last call, in the units of fleet.metrics; without requests some have no value."""
        with self._lock:
            values = self._values(time.monotonic())
            self._begin()
        values["cpu_usage"] = self._use.cpu_percent()
        values["memory_usage"] = 100.0 * resident_bytes() / memory_total_bytes()
        return values

    def _values(self, now_s: float) -> MetricValues:
        values: MetricValues = {
            "uptime": now_s - self._started_s,
            "request_count": float(self._requests),
            "throughput": self._requests / max(now_s - self._since_s, 1e-6),
            "user_interactions": float(self._messages),
            "policy_checks": float(self._checks),
            "violation_count": float(self._violations),
            "policy_violations": list(self._violated),
        }
        if self._checks:
            values["compliance_rate"] = max(0.0, 1.0 - self._violations / self._checks)
        if self._requests:
            values["response_time"] = self._latency_ms / self._requests
            values["error_rate"] = self._failed / self._requests
            values["success_rate"] = 100.0 * (1.0 - self._failed / self._requests)
        return values


class ProcessUse:
    """Processor time of this process between calls."""

    def __init__(self) -> None:
        self._at_s, self._used_s = time.monotonic(), time.process_time()

    def cpu_percent(self) -> float:
        """Percent of one core since the last call."""
        at_s, used_s = time.monotonic(), time.process_time()
        percent = 100.0 * (used_s - self._used_s) / max(at_s - self._at_s, 1e-6)
        self._at_s, self._used_s = at_s, used_s
        return percent


def resident_bytes() -> int:
    """Memory that this process holds now; without /proc by psutil if installed, else the most so far."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    try:
        import psutil  # noqa: PLC0415  # optional, and only where /proc is not

        return int(psutil.Process().memory_info().rss)
    except ImportError:
        import resource  # noqa: PLC0415  # as above

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@cache
def memory_total_bytes() -> int:
    """Memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
