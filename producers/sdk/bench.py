"""What a `Reporter` costs its host: a call, a chat turn, the import, the memory.

Calls are timed one by one on the caller's thread while the sender works against a real broker, in short bursts that
the sender catches up with, so that no event is dropped and the way of a full buffer is not what is measured.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from infra.runtime import console
from producers.sdk import FlushReport, Reporter
from producers.sdk.events import MetricValues
from schemas.catalogue import METRICS

_BURST = 500
_BURSTS = 20
_STARTS = 5
_START_S = 60.0
_METRICS = cast("MetricValues", dict.fromkeys(METRICS, 0.5))


@dataclass(frozen=True)
class Quantiles:
    """Microseconds of one call on the caller's thread, the clock's own cost taken off."""

    median: float
    p99: float


def _turn(reporter: Reporter) -> None:
    reporter.agent_started("run", "thread", claimed_health="healthy")
    reporter.agent_thinking("run", "thread")
    reporter.tool_executing("run", "thread", "search", tool_call_id="call", deadline_s=30.0)
    reporter.tool_completed("run", "thread", "search", tool_call_id="call", latency_ms=12.0)
    reporter.agent_completed("run", "thread", latency_ms=50.0)


_CALLS: dict[str, Callable[[Reporter], None]] = {
    "agent_thinking": lambda reporter: reporter.agent_thinking("run", "thread"),
    "heartbeat": lambda reporter: reporter.heartbeat(),
    "metrics_of_16": lambda reporter: reporter.metrics(**_METRICS),
    "log": lambda reporter: reporter.log("info", "a line", metadata={"k": "v"}),
    "violation": lambda reporter: reporter.violation("policy", "what happened", context={"k": "v"}),
}


def _clock_cost_ns() -> float:
    pairs = [(time.perf_counter_ns(), time.perf_counter_ns()) for _ in range(2_000)]
    return statistics.median(after - before for before, after in pairs)


def _measure(reporter: Reporter, call: Callable[[Reporter], None]) -> Quantiles:
    clock_ns, now, taken = _clock_cost_ns(), time.perf_counter_ns, []
    for _ in range(_BURSTS):
        for _ in range(_BURST):
            before = now()
            call(reporter)
            taken.append(now() - before)
        reporter.flush(10.0)
    cuts = statistics.quantiles(taken, n=100)
    return Quantiles(round((cuts[49] - clock_ns) / 1000, 3), round((cuts[98] - clock_ns) / 1000, 3))


_PROBE = """
import time; started = time.perf_counter()
{code}
took_ms = (time.perf_counter() - started) * 1000
print(took_ms, next(line for line in open('/proc/self/status') if line.startswith('VmRSS')).split()[1])
"""


def _fresh_interpreter(code: str) -> tuple[float, float]:
    """Median ms that `code` takes in a new interpreter, and KiB resident after it."""
    runs = []
    for _ in range(_STARTS):
        command = [sys.executable, "-c", _PROBE.format(code=code)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # our own code
        runs.append([float(word) for word in done.stdout.split()])
    return statistics.median(r[0] for r in runs), statistics.median(r[1] for r in runs)


def measure(bootstrap: str, folder: str) -> dict[str, Any]:
    """All figures against the broker at `bootstrap`, with the spool in `folder`.

    `call_us` and `turn_us` (median, p99), `calls_us` per kind of call, `import_ms`, `start_ms` (import, construction
    and start), `rss_over_bare_interpreter_bytes` after that, `events` and `complete` of the session measured.
    """
    bare_ms, bare_kib = _fresh_interpreter("pass")
    import_ms, _ = _fresh_interpreter("from producers.sdk import Reporter")
    code = (
        f"from producers.sdk import Reporter; Reporter('bench', bootstrap={bootstrap!r}, spool_dir={folder!r}).start()"
    )
    start_ms, started_kib = _fresh_interpreter(code)
    with Reporter("bench", bootstrap=bootstrap, spool_dir=Path(folder) / "spool") as reporter:
        reporter.heartbeat()
        reporter.flush(10.0)
        calls = {name: asdict(_measure(reporter, call)) for name, call in _CALLS.items()}
        turn = asdict(_measure(reporter, _turn))
        report: FlushReport = reporter.flush(10.0)
    worst = max(calls.values(), key=lambda quantiles: quantiles["median"])
    return {
        "call_us": worst,
        "turn_us": turn,
        "calls_us": calls,
        "import_ms": round(import_ms - bare_ms, 1),
        "start_ms": round(start_ms - bare_ms, 1),
        "rss_over_bare_interpreter_bytes": int((started_kib - bare_kib) * 1024),
        "events": report.issued,
        "complete": report.complete,
        "bars": {"call_us.median": 2.0, "turn_us.median": 10.0},
    }


def _print_table(figures: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415  # would count in what is measured
    from rich.table import Table  # noqa: PLC0415  # as above

    table = Table(title="What a Reporter costs its host", title_justify="left")
    for name in ("", "median", "p99", "bar"):
        table.add_column(name, justify="left" if not name else "right")
    for name, cost in figures["calls_us"].items():
        table.add_row(name, f"{cost['median']:.2f} us", f"{cost['p99']:.2f} us", "2 us")
    turn = figures["turn_us"]
    table.add_row("one chat turn, five events", f"{turn['median']:.2f} us", f"{turn['p99']:.2f} us", "10 us")
    table.add_row("import producers.sdk", f"{figures['import_ms']:.0f} ms")
    table.add_row("import, construct and start", f"{figures['start_ms']:.0f} ms")
    table.add_row("memory over a bare interpreter", f"{figures['rss_over_bare_interpreter_bytes'] / 1e6:.0f} MB")
    Console().print(table)


def main(json_output: bool) -> None:  # the interface of `fleetpulse.benches`
    """Measure and print; against FLEETPULSE_BOOTSTRAP if it is set, else a broker of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="fleetpulse-bench-") as folder,
        console.broker(Path(folder)) as (bootstrap, _),
    ):
        console.run("topics", "create", "--broker", bootstrap)
        figures = measure(bootstrap, folder)
    if json_output:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        _print_table(figures)
