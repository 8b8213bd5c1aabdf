"""The picture in the terminal: what flows, who is there, what is wrong, whether all of it landed. Pure rendering."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from infra.runtime.text import printable
from schemas.catalogue import TOPICS

_SEVERITY = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
_HINT = 'Ctrl-C stops everything cleanly. In another terminal: fleetpulse sql "SELECT * FROM agents"'
_STOPS = "It stops along the flow, so that all that was published lands."
_DOORS = {"api": "dashboard and API"}
_STATUS = {"online": "green", "late": "yellow", "degraded": "yellow", "offline": "red"}


@dataclass
class Picture:
    """All that the view shows at one moment: rates in events/s, lags in records.

    `elapsed_s` and `ledger_counted_s` in seconds since the start of the run.
    """

    broker: str = ""
    lake: str = ""
    elapsed_s: float = 0.0
    totals: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    lags: Mapping[str, int] = field(default_factory=dict)
    status: Mapping[str, int] = field(default_factory=dict)
    lowest_trust: Sequence[tuple[str, float]] = ()
    alerts: Sequence[Mapping[str, Any]] = ()
    firing: int = 0
    suppressed: int = 0
    ledger: Mapping[str, int] = field(default_factory=dict)
    ledger_counted_s: float | None = None
    processes: Mapping[str, str] = field(default_factory=dict)
    doors: Mapping[str, str] = field(default_factory=dict)
    admin_key: str = ""
    message: str = ""
    stopping: bool = False


def _flow(picture: Picture) -> Table:
    table = Table(title="Topics", title_justify="left", expand=True, box=None, header_style="dim")
    table.add_column("topic")
    table.add_column("events", justify="right")
    table.add_column("events/s", justify="right")
    for topic in TOPICS:
        total, rate = picture.totals.get(topic, 0), picture.rates.get(topic, 0.0)
        table.add_row(topic, f"{total:,}", f"{rate:,.0f}" if rate else Text("·", "dim"), style="" if total else "dim")
    table.add_row("all", f"{sum(picture.totals.values()):,}", f"{sum(picture.rates.values()):,.0f}", style="bold")
    return table


def _fleet(picture: Picture) -> Table:
    table = Table(title="Fleet", title_justify="left", expand=True, box=None, show_header=False)
    counts = Text()
    for status, style in _STATUS.items():
        counts.append(f"{picture.status.get(status, 0):,} {status}  ", style if picture.status.get(status) else "dim")
    table.add_row(counts)
    table.add_row(Text("lowest trust", "dim"))
    for agent, trust in picture.lowest_trust:
        style = "red" if trust < 0.5 else "yellow" if trust < 0.7 else "green"
        table.add_row(Text.assemble((f"{trust:6.3f} ", style), printable(agent)))
    return table


def _alerts(picture: Picture) -> Table:
    more = f", {picture.suppressed} more within incidents or silenced" if picture.suppressed else ""
    title = f"Alerts ({picture.firing} firing{more})"
    table = Table(title=title, title_justify="left", expand=True, box=None, show_header=False)
    for alert in picture.alerts:
        style = _SEVERITY.get(str(alert["severity"]), "") if alert["state"] == "firing" else "dim"
        # Text, not markup: what an agent says is shown, never interpreted.
        told = f"{alert['state']:<9}{alert['severity']:<9}{alert['name']:<22}{alert['summary']}"
        table.add_row(Text(printable(told), style, overflow="ellipsis", no_wrap=True))
    if not picture.alerts:
        table.add_row(Text("none yet", "dim"))
    return table


def _delivery(picture: Picture) -> Text:
    text = Text("Delivery  ", "bold")
    if not picture.ledger:
        return text.append("the ledger is counted every few seconds ...", "dim")
    ledger = picture.ledger
    text.append(f"published {ledger['published']:,}  landed {ledger['landed']:,}  ")
    on_the_way = ledger["published"] - ledger["landed"]
    text.append(f"on the way or missing {on_the_way:,}  ", "yellow" if on_the_way else "green")
    text.append(f"duplicates removed {ledger['duplicates']:,}  ")
    text.append(f"dead letters {ledger.get('dead_letters', 0):,}", "red" if ledger.get("dead_letters") else "")
    if picture.ledger_counted_s is not None:
        text.append(f"   ({max(picture.elapsed_s - picture.ledger_counted_s, 0):.0f} s ago)", "dim")
    return text


def _doors(picture: Picture) -> Text:
    text = Text("Doors     ", "bold")
    for name, url in picture.doors.items():
        text.append(f"{_DOORS.get(name, name)} {url}  ")
    return text.append(f"sign in with the key in {picture.admin_key}" if picture.doors else "none", "dim")


def render(picture: Picture) -> RenderableType:
    """The whole picture for Rich."""
    head = Text.assemble(
        ("fleetpulse ", "bold"),
        f"up {time.strftime('%H:%M:%S', time.gmtime(picture.elapsed_s))}  ",
        (f"{picture.broker}  lake {picture.lake}", "dim"),
    )
    lags = "  ".join(f"{name} {lag:,}" for name, lag in picture.lags.items()) or "…"
    processes = Text("Processes ", "bold")
    for name, state in picture.processes.items():
        processes.append(f"{name} ", "" if state == "running" else "yellow")
        if state != "running":
            processes.append(f"({printable(state)}) ", "yellow")
    return Panel(
        Group(
            head,
            Columns([_flow(picture), _fleet(picture)], equal=True, expand=True),
            _alerts(picture),
            Text.assemble(("Lag       ", "bold"), lags),
            _delivery(picture),
            _doors(picture),
            processes,
            Text(picture.message or (_STOPS if picture.stopping else _HINT), "dim"),
        ),
        border_style="dim",
    )


def plain_line(picture: Picture) -> str:
    """One line for logs and pipes."""
    status = picture.status
    ledger = picture.ledger
    landed = f"{ledger['landed']:,}/{ledger['published']:,} landed" if ledger else "ledger pending"
    lags = " ".join(f"{name}={lag}" for name, lag in picture.lags.items())
    return (
        f"{picture.elapsed_s:6.0f}s  {sum(picture.rates.values()):,.0f} events/s  "
        f"{status.get('online', 0)} online {status.get('late', 0)} late {status.get('offline', 0)} offline  "
        f"{picture.firing} alerts firing  lag {lags or '…'}  {landed}"
    )
