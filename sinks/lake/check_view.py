"""What `fleetpulse lake check` found, for people."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table
from rich.text import Text

from infra.runtime.narrow import Narrowable, wide_console
from infra.runtime.text import printable
from sinks.lake.check import CheckReport

_MEGABYTE = 1e6


def print_check(lake: Path, report: CheckReport) -> None:
    """Tables that have something, the highest offset of each partition by topic, and the problems."""
    console = wide_console()
    console.print(Narrowable(_tables(report)))
    console.print(Narrowable(_partitions(report)))
    for problem in report["problems"]:
        console.print(Text(printable(problem), style="yellow"), soft_wrap=True)
    count = len(report["problems"])
    verdict = "no problems" if not count else f"{count:,} problem{'' if count == 1 else 's'}"
    console.print(Text(f"{lake}: {verdict}"), soft_wrap=True)


def _tables(report: CheckReport) -> Table:
    table = Table("table", box=None, header_style="dim")
    for name in ("files", "replaced", "MB"):
        table.add_column(name, justify="right")
    for name, has in report["tables"].items():
        if has["files"] or has["replaced"]:
            table.add_row(name, f"{has['files']:,}", f"{has['replaced']:,}", f"{has['bytes'] / _MEGABYTE:,.2f}")
    return table


def _partitions(report: CheckReport) -> Table:
    table = Table("partition", box=None, header_style="dim")
    table.add_column("highest offset", justify="right")
    for label, offset in report["partitions"].items():
        table.add_row(Text(printable(label)), f"{offset:,}")
    return table
