"""What the example agent measures of itself between two reports."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from producers.sdk.events import MetricValues


def memory_percent() -> float:
    """Resident memory of this process, percent of the machine's; 0 where the system does not say."""
    try:
        resident_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return 100.0 * resident_pages / os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0.0


@dataclass
class Measurements:
    """Counts since the last report."""

    root: Path
    born_s: float = field(default_factory=time.monotonic)
    since_s: float = field(default_factory=time.monotonic)
    cpu_s: float = field(default_factory=time.process_time)
    latencies_ms: list[float] = field(default_factory=list)
    failed: int = 0
    violations: int = 0

    def answered(self, latency_ms: float, *, failed: bool, violations: int) -> None:
        """One question is done."""
        self.latencies_ms.append(latency_ms)
        self.failed += failed
        self.violations += violations

    def take(self) -> MetricValues:
        """The values of fleet.metrics for the time since the last call, which begins anew."""
        now_s, cpu_s = time.monotonic(), time.process_time()
        span_s, asked = max(now_s - self.since_s, 1e-6), len(self.latencies_ms)
        disk = shutil.disk_usage(self.root)
        values: MetricValues = {
            "policy_checks": asked,
            "violation_count": self.violations,
            "uptime": round(now_s - self.born_s, 1),
            "throughput": round(asked / span_s, 3),
            "cpu_usage": round(100 * (cpu_s - self.cpu_s) / span_s, 1),
            "memory_usage": round(memory_percent(), 2),
            "disk_usage": round(100 * disk.used / disk.total, 1),
            "request_count": asked,
        }
        if asked:
            values["response_time"] = round(sum(self.latencies_ms) / asked, 1)
            values["error_rate"] = round(self.failed / asked, 3)
            values["success_rate"] = round(100 * (1 - self.failed / asked), 1)
            values["compliance_rate"] = round(1 - min(self.violations, asked) / asked, 3)
        self.since_s, self.cpu_s, self.latencies_ms, self.failed, self.violations = now_s, cpu_s, [], 0, 0
        return values
