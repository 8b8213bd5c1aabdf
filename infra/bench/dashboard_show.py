"""The bars of the dashboard: which were met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.bench.api_show import Bar, bars_table, judge

BARS = (
    Bar("first paint with data, cold", ("first_paint", "cold", "median_ms"), 2_000, "ms"),
    Bar("first paint with data, warm", ("first_paint", "warm", "median_ms"), 1_000, "ms"),
    Bar("first rows of 100,000 agents", ("first_paint", "list", "median_ms"), 1_000, "ms"),
    Bar("page change, the slowest page", ("page_change", "slowest_median_ms"), 300, "ms"),
    Bar("broker to screen p95, 1,000 events/s", ("one_viewer", "worst_p95_ms"), 500, "ms"),
    Bar("events/s while that was measured", ("one_viewer", "events_per_s"), 990, "/s", at_least=True),
    Bar("100 viewers: update p95, the slowest", ("viewers", "worst_p95_ms"), 1_000, "ms"),
    Bar("100 viewers: events/s meanwhile", ("viewers", "events_per_s"), 990, "/s", at_least=True),
    Bar("100 viewers: memory of the process", ("viewers", "peak_bytes", "process"), 1e9, "bytes"),
)


def judge_dashboard(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each bar with the figure and whether it was met."""
    return judge(found, BARS)


def show(found: Mapping[str, Any]) -> None:
    """The bars, each page, and what they were measured beside."""
    terminal = Console()
    terminal.print(bars_table(found["bars"]))
    terminal.print(_pages(found["page_change"]))
    peer = found["first_paint"]["peer_cold"]["median_ms"]
    ours = found["first_paint"]["cold"]["median_ms"]
    terminal.print(f"cold: {ours:,.0f} ms; a bare page of NiceGUI in the same run: {peer:,.0f} ms", highlight=False)
    for name in ("one_viewer", "viewers"):
        terminal.print(_stream(name, found[name]), highlight=False)
    terminal.print(
        f"{found['agents']:,} agents; broker {found['broker']}; {found['rounds']} rounds, medians", highlight=False
    )


def _pages(change: Mapping[str, Any]) -> Table:
    table = Table("page", "shown ms", "data ms", "first visit ms", box=None, header_style="dim")
    for path, data_ms in change["data_ms"].items():
        table.add_row(
            path, f"{change['shown_ms'][path]:.0f}", f"{data_ms:.0f}", f"{change['first_visit_ms'][path]:.0f}"
        )
    return table


def _stream(name: str, row: Mapping[str, Any]) -> str:
    screens = ", ".join(f"p50 {each['p50_ms']} p95 {each['p95_ms']} max {each['max_ms']} ms" for each in row["screens"])
    streams = row["streams"]
    told = (
        f"; {streams['count']} streams p95 {streams['p95_ms']} ms, {streams['lost']} lost" if streams["count"] else ""
    )
    peak = row["peak_bytes"]
    memory = f"{peak['process'] / 1e6:.0f} MB, with its children {peak['with_children'] / 1e6:.0f} MB at most"
    return f"{name}: screens {screens}{told}; API {row['cpu_percent']} % of a core, {memory}"
