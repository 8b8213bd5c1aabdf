"""The report of a run for people: the same view after `fleetpulse up` and of `fleetpulse report`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.runtime.narrow import Narrowable, wide_console

Report = dict[str, Any]
"""What `fleetpulse report --json` prints."""


def print_report(found: Report, *, with_truth: bool = True, console: Console | None = None) -> None:
    """What a person wants to know of a run; `with_truth`: the truth of a simulator says which alarms are false."""
    console = console or wide_console()
    for line in (*_counts(found, with_truth), *_bars(found), *_latencies(found), *_apart(found, with_truth)):
        console.print(line, soft_wrap=True)
    if found["incidents"]:
        console.print(Narrowable(_incidents(found)))


def _counts(found: Report, with_truth: bool) -> Iterator[Text]:
    counts = {"published": found["published"]["total"], "landed": found["landed"]["total"]}
    counts |= {name: found[name] for name in ("missing", "duplicates", "dead_letters")}
    counts["false_alarms" if with_truth else "alerts"] = found["false_alarms"]
    yield Text("  ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items()))
    if not with_truth:
        yield Text("which of the alerts are false only --truth can tell")


def _bars(found: Report) -> Iterator[Text]:
    for name, bar in found["bars"].items():
        if bar["value"] is not None:
            verdict = "met" if bar["met"] else "NOT met"
            yield Text(f"{name.replace('_', ' '):<22} {bar['value']:.3g}   bar {bar['bar']:g}: {verdict}")


def _latencies(found: Report) -> Iterator[Text]:
    for name, quantiles in found["latency_s"].items():
        if quantiles.get("p50") is not None:
            yield Text(f"{name.replace('_', ' '):<22} p50 {quantiles['p50']:.3f} s  p99 {quantiles['p99']:.3f} s")


def _apart(found: Report, with_truth: bool) -> Iterator[Text]:
    if found["false_alarms_by_name"]:
        by_name = "  ".join(f"{name} {count}" for name, count in found["false_alarms_by_name"].items())
        yield Text(f"{'false alarms' if with_truth else 'alerts'} by name   {by_name}")
    if found["held_up_s"]:
        why = "its agents' beats were late indeed, and lateness then is no false alarm"
        yield Text(f"the simulator was held up for {found['held_up_s']:.0f} s: {why}", style="yellow")
    for name, used in found["processes"].items():
        if used.get("health") not in {None, "healthy"}:
            reason = used["health_reason"] or used["health"]
            yield Text(f"{name} was not well at the end: {reason}", style="yellow")


def _incidents(found: Report) -> Table:
    table = Table("incident", "injected", "found", "delay p50", "told", box=None, header_style="dim")
    for kind, row in sorted(found["incidents"].items()):
        delay = row.get("delay_p50_s")
        delay_s = "" if delay is None else f"{delay:.1f} s"
        table.add_row(kind, str(row["injected"]), str(row["found"]), delay_s, str(row["told"]))
    return table
