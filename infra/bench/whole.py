"""`fleetpulse bench whole`: all of it on this machine, broker and simulator included, and whether it kept up.

Two runs: `SECONDS` s at `RATE` events/s asked for (a little above the bar, for the first second is a ramp), and as long
at 1,000 events/s for the latency of alerts. Figures come from the reports of the runs, which are counted from the
lake and the ground truth.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.runtime import console

SECONDS, RATE, AGENTS = 60, 31_000, 1_000
ALERT_SECONDS, ALERT_RATE, ALERT_AGENTS = 60, 1_000, 200


def _run(name: str, seconds: int, rate: int, agents: int, folder: Path) -> dict[str, Any]:
    report = folder / f"{name}.json"
    arguments = ["--for", f"{seconds}s", "--rate", str(rate), "--agents", str(agents), "--plain"]
    console.run("up", *arguments, "--report", str(report), "--data-dir", str(folder / name))
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def measure() -> dict[str, Any]:
    """Both runs, and the figures that have bars."""
    with tempfile.TemporaryDirectory(prefix="fleetpulse-bench-") as name:
        full = _run("full", SECONDS, RATE, AGENTS, Path(name))
        calm = _run("calm", ALERT_SECONDS, ALERT_RATE, ALERT_AGENTS, Path(name))
    keys = ("missing", "duplicates", "dead_letters", "false_alarms", "events_per_s", "latency_s", "broker", "processes")
    return {
        "full": {key: full[key] for key in keys} | {"published": full["published"]["total"]},
        "calm": {key: calm[key] for key in keys} | {"published": calm["published"]["total"]},
        "metric_values_per_s": round(full["published"]["fleet.metrics"] / SECONDS * 16),
    }


def main(json_output: bool) -> None:
    """Print both runs as a table, or as one JSON object."""
    found = measure()
    if json_output:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    full, calm = found["full"], found["calm"]
    table = Table("", f"{RATE:,} events/s asked", f"{ALERT_RATE:,} events/s asked", "bar", box=None, header_style="dim")

    def row(name: str, read: Any, bar: str) -> None:  # noqa: ANN401  # a function of a report
        table.add_row(name, read(full), read(calm), bar)

    row("events/s sustained", lambda r: f"{r['events_per_s']:,.0f}", "30,000")
    row("published", lambda r: f"{r['published']:,}", "")
    row("missing / double", lambda r: f"{r['missing']} / {r['duplicates']}", "0 / 0")
    row("event to score p99", lambda r: f"{r['latency_s']['event_to_score']['p99']:.3f} s", "1 s at full rate")
    row("event to score p99, after 10 s", lambda r: f"{r['latency_s']['event_to_score_settled']['p99']:.3f} s", "")
    row("event to alert p99", lambda r: f"{r['latency_s']['event_to_alert']['p99']:.3f} s", "1 s at 1,000 events/s")
    row("event to queryable p99", lambda r: f"{r['latency_s']['event_to_queryable']['p99']:.3f} s", "")
    for name in full["processes"]:
        row(
            f"{name}, CPU s / peak MB",
            lambda r, name=name: (
                f"{r['processes'][name]['cpu_s']:.1f} / {r['processes'][name]['peak_rss_bytes'] / 1e6:.0f}"
            ),
            "",
        )
    terminal = Console()
    terminal.print(table)
    terminal.print(f"{found['metric_values_per_s']:,} metric values/s; broker {full['broker']}", highlight=False)
