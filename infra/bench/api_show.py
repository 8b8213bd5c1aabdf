"""The bars of the doors: which were met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table


class Bar(NamedTuple):
    """A figure and its limit; `at_least` or at most (below)."""

    what: str
    path: tuple[str, ...]
    limit: float
    unit: str
    at_least: bool = False


BARS = (
    Bar("heartbeat p99", ("routes", "heartbeat", "p99_ms"), 20, "ms"),
    Bar("heartbeats", ("routes", "heartbeat", "requests_per_s"), 2_000, "/s", at_least=True),
    Bar("metrics p99", ("routes", "metrics", "p99_ms"), 30, "ms"),
    Bar("violations p99", ("routes", "violations", "p99_ms"), 25, "ms"),
    Bar("status p99", ("routes", "status", "p99_ms"), 10, "ms"),
    Bar("NDJSON batches", ("routes", "batch", "events_per_s"), 50_000, "events/s", at_least=True),
    Bar("policies p99", ("policies", "p99_ms"), 1, "ms"),
    Bar("SDK memory by Kafka", ("sdk", "transports", "kafka", "rss_mb"), 30, "MB"),
    Bar("SDK memory by HTTP", ("sdk", "transports", "http", "rss_mb"), 30, "MB"),
    Bar("SDK CPU by Kafka, 10 events/s", ("sdk", "transports", "kafka", "cpu_percent"), 1, "%"),
    Bar("SDK CPU by HTTP, 10 events/s", ("sdk", "transports", "http", "cpu_percent"), 1, "%"),
    Bar("SDK import", ("sdk", "import", "ms"), 150, "ms"),
)


def _at(found: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return float(found)  # type: ignore[arg-type]  # the last one is a number


def judge(found: Mapping[str, Any], bars: Sequence[Bar] = BARS) -> list[dict[str, Any]]:
    """Each bar with the figure and whether it was met; no figure, not met."""
    return [_judged(bar, _at(found, bar.path)) for bar in bars]


def _judged(bar: Bar, figure: float | None) -> dict[str, Any]:
    met = figure is not None and (figure >= bar.limit if bar.at_least else figure < bar.limit)
    limit = f"{'>=' if bar.at_least else '<'} {bar.limit:,g} {bar.unit}"
    return {"what": bar.what, "figure": figure, "limit": limit, "met": met}


def show(found: Mapping[str, Any]) -> None:
    """Two tables: routes beside the peer, bars; then what the servers say of themselves."""
    terminal = Console()
    terminal.print(_routes(found["routes"]))
    terminal.print(bars_table(found["bars"]))
    for name, own in found["processes"].items():
        means = ", ".join(f"{route} {ms:.2f}" for route, ms in sorted(own["mean_ms"].items()))
        terminal.print(
            f"{name} of itself: {own['cpu_s']} s CPU, {own['resident_bytes'] / 1e6:.0f} MB; mean ms: {means}",
            highlight=False,
        )
    terminal.print(
        f"broker {found['broker']}; {found['rounds']} rounds of {found['round_s']} s, medians; closed loop",
        highlight=False,
    )


def _routes(routes: Mapping[str, Any]) -> Table:
    heads = ("route", "conns", "requests/s", "p50 ms", "p99 ms", "CPU us", "bad", "peer/s", "p99 ms", "CPU us")
    table = Table(*heads, box=None, header_style="dim")
    for name, row in routes.items():
        peer = row["peer"]
        table.add_row(
            name,
            f"{row['connections']}",
            f"{row['requests_per_s']:,.0f}",
            f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            f"{row['cpu_us_per_request']:,.0f}",
            f"{row['refused'] + row['failed']}",
            f"{peer['requests_per_s']:,.0f}",
            f"{peer['p99_ms']:.1f}",
            f"{peer['cpu_us_per_request']:,.0f}",
        )
    return table


def bars_table(bars: list[dict[str, Any]]) -> Table:
    """The bars, and whether each was met."""
    table = Table("bar", "limit", "figure", "", box=None, header_style="dim")
    for bar in bars:
        figure = "not measured" if bar["figure"] is None else f"{bar['figure']:,.2f}"
        table.add_row(bar["what"], bar["limit"], figure, "met" if bar["met"] else "missed")
    return table
