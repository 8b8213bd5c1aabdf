"""What a runner measures of itself: from the first record to the last, without the start of the process."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import dataclass


@dataclass
class Stopwatch:
    """Starts with the first record; `cpu_s` counts this process, all threads."""

    expected: int
    seen: int = 0
    began_s: float = 0.0
    began_cpu_s: float = 0.0

    def count(self, records: int) -> bool:
        """Count records that are done with; True once all expected ones are."""
        self.seen += records
        return self.seen >= self.expected

    def start(self) -> None:
        """Begin to measure, once."""
        if not self.began_s:
            self.began_s, self.began_cpu_s = time.perf_counter(), time.process_time()

    def report(self) -> None:
        """Print the result as one JSON line."""
        seconds = time.perf_counter() - self.began_s
        result = {
            "events": self.seen,
            "seconds": round(seconds, 4),
            "events_per_s": round(self.seen / seconds),
            "cpu_s": round(time.process_time() - self.began_cpu_s, 3),
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
