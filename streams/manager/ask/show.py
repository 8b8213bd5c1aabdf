"""Alerts and silences as tables for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from infra.runtime.measured import measured
from infra.runtime.narrow import Narrowable
from streams.manager.ask.choose import Chosen, short_length
from streams.manager.ask.picture import Picture
from streams.manager.ask.trail import Trail
from streams.manager.ask.words import matchers_text, moment, people_text, reason_text, safe, span
from streams.manager.matchers import fits
from streams.manager.model import ACKNOWLEDGED, ROOTS, Alert

_COLOURS = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
_MOST_MEMBERS_SHOWN = 20
_TABLE_FROM = 110
"""Characters a line from which sentences have room in columns."""
_APART = ("metric", "horizon")
"""Labels that tell alerts of one rule and agent apart."""
_WHY_HIDDEN = {
    "incident": "part of an outage or incident",
    "silence": "silenced",
    "inhibited": "inhibited",
    "maintenance": "in maintenance",
    "resolved": "over of late",
    "watchdog": "the watchdog, as it should",
}


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name in {"id", "severity", "since"})
    return table


def list_table(picture: Picture, chosen: Chosen, most: int = 200) -> RenderableType:
    """One row an alert, `most` of them; members of outages and incidents are a line in the row of their root."""
    parts: list[RenderableType] = []
    if chosen.shown:
        table = _table("id", "severity", "since", "alert", "people")
        length = short_length(list(picture.state.alerts))
        for alert in chosen.shown[:most]:
            _add_row(table, picture, alert, length)
        parts.append(Narrowable(table, _TABLE_FROM))
    left = len(chosen.shown) - most
    parts += [Text(f"and {left:,} more: --top shows them, filters choose")] if left > 0 else []
    parts.append(Text(_footer(picture, chosen)))
    return Group(*parts)


def _add_row(table: Table, picture: Picture, alert: Alert, length: int) -> None:
    since = span(picture.read_s - alert.starts_us / 1e6)
    over = "" if alert.ends_us is None else f"\nover {span(picture.read_s - alert.ends_us / 1e6)}"
    table.add_row(
        Text(safe(alert.fingerprint[:length]), style="" if alert.active else "dim"),
        Text(safe(alert.severity), style=_COLOURS.get(alert.severity, "") if alert.active else "dim"),
        Text(since + over),
        Text("\n".join(_what(alert))),
        Text(people_text(picture, alert), style="dim" if alert.suppressed_by is not None else ""),
    )


def _what(alert: Alert) -> list[str]:
    again = f" (firing {alert.epoch})" if 1 < alert.epoch < 1_000_000 else ""
    lines = [f"{safe(alert.name)}{again}  {safe(alert.agent_id)}"]
    if alert.summary:
        lines.append(safe(alert.summary))
    if alert.member_count:
        lines.append(f"{alert.member_count:,} alerts of it, {alert.open_members:,} still open")
    return lines


def _footer(picture: Picture, chosen: Chosen) -> str:
    if not picture.state.now_s:
        return "No alert is known."
    active = [alert for alert in chosen.shown if alert.active]
    acknowledged = sum(alert.status == ACKNOWLEDGED for alert in active)
    found = "1 alert" if len(active) == 1 else f"{len(active):,} alerts" if active else "No alert fires"
    found += f", {acknowledged:,} acknowledged" if acknowledged else ""
    if chosen.hidden:
        told = ", ".join(f"{count:,} {_WHY_HIDDEN.get(why, why)}" for why, count in chosen.hidden.items())
        found += f"; not shown: {told} (--all shows them)"
    return f"{found}. The alert manager last wrote {span(picture.age_s)} ago."


def silences_table(picture: Picture) -> RenderableType:
    """The silences in force, and how many alerts they keep quiet."""
    if not picture.silences:
        return Text("No silence is in force.")
    table = _table("id", "matchers", "ends in", "until (UTC)", "by", "comment", "alerts")
    active = [picture.state.alerts[name] for name in picture.state.active]
    for each in picture.silences:
        count = sum(fits(each.matchers, alert.values()) for alert in active)
        left = span(each.until_s - picture.read_s)
        table.add_row(
            Text(safe(each.id)), Text(safe(matchers_text(each.matchers))), left, moment(each.until_s),
            Text(safe(each.actor)), Text(safe(each.comment)), f"{count:,}",
        )  # fmt: skip
    return Narrowable(table)


def details(picture: Picture, alert: Alert, trail: Trail) -> RenderableType:
    """Everything of one alert: what, why, who knows, members, and its course."""
    head = Text.assemble(
        (safe(alert.name), "bold"), "  ", (safe(alert.severity), _COLOURS.get(alert.severity, "")), f"  {alert.status}"
        + ("  flapping" if alert.flapping else ""),
    )  # fmt: skip
    parts: list[RenderableType] = [head, Text(safe(alert.summary, 2_000)), Text(), _facts(picture, alert)]
    for title, values in (("labels", alert.labels), ("annotations", alert.annotations), ("evidence", alert.evidence)):
        parts += _named(title, values)
    parts += _members(picture, alert)
    parts += _course(picture, trail)
    if alert.active:
        parts += [Text(), Text(f"To keep it quiet:  {silence_command(alert)}", style="dim")]
    return Group(*parts)


def silence_command(alert: Alert) -> str:
    """A command, as a shell takes it, that silences this alert and hardly another."""
    names = {"name": alert.name, "agent_id": alert.agent_id}
    names |= {label: alert.labels[label] for label in _APART if label in alert.labels}
    matchers = " ".join(shlex.quote(f"{name}={value}") for name, value in names.items())
    return f"fleetpulse alerts silence {safe(matchers)} --for 2h"


def _facts(picture: Picture, alert: Alert) -> Table:
    table = Table.grid(padding=(0, 2))
    began_s = alert.starts_us / 1e6
    for name, value in (
        ("fingerprint", safe(alert.fingerprint)),
        ("firing", f"number {alert.epoch}" if alert.epoch < 1_000_000 else None),
        ("agent", safe(alert.agent_id)),
        ("tenant", safe(alert.user_id) or None),
        ("deployment", safe(alert.deployment_id) or None),
        ("rule", f"{safe(alert.name)} ({safe(alert.rule_kind) or 'unknown kind'})"),
        ("value", safe(measured(alert.rule_kind, alert.value, alert.threshold, alert.evidence)) or None),
        ("began", f"{moment(began_s)} UTC, {span(picture.read_s - began_s)} ago"),
        ("ended", _ended(picture, alert)),
        ("people", people_text(picture, alert)),
        ("part of", reason_text(picture, f"incident:{alert.root}").removeprefix("part of ") if alert.root else None),
    ):
        if value is not None:
            table.add_row(Text(name, style="dim"), Text(value))
    return table


def _ended(picture: Picture, alert: Alert) -> str | None:
    if alert.ends_us is None:
        return None
    ended_s = alert.ends_us / 1e6
    lasted = span(ended_s - alert.starts_us / 1e6)
    return f"{moment(ended_s)} UTC, {span(picture.read_s - ended_s)} ago, after {lasted}"


def _named(title: str, values: Mapping[str, str]) -> list[RenderableType]:
    if not values:
        return []
    table = Table.grid(padding=(0, 2))
    for name, value in sorted(values.items()):
        table.add_row(Text(f"  {safe(name)}", style="dim"), Text(safe(value, 2_000)))
    return [Text(), Text(title, style="bold"), table]


def _members(picture: Picture, alert: Alert) -> list[RenderableType]:
    if alert.rule_kind not in ROOTS:
        return []
    known = [found for name in alert.members if (found := picture.state.alerts.get(name)) is not None]
    table = Table.grid(padding=(0, 2))
    for each in known[-_MOST_MEMBERS_SHOWN:]:
        table.add_row(
            Text(f"  {safe(each.fingerprint[:8])}"), each.status, Text(safe(each.name)), Text(safe(each.agent_id))
        )
    left = alert.member_count - min(len(known), _MOST_MEMBERS_SHOWN)
    more = [Text(f"  and {left:,} more")] if left > 0 else []
    title = Text(f"members: {alert.member_count:,}, {alert.open_members:,} still open", style="bold")
    return [Text(), title, table, *more]


def _course(picture: Picture, trail: Trail) -> list[RenderableType]:
    rows = sorted([*_changes(picture, trail.changes), *_attempts(trail.deliveries)], key=lambda row: row[0])
    if not rows:
        return [Text(), Text("course: nothing of it is in the topics any more")]
    table = Table.grid(padding=(0, 2))
    for at_s, what, more in rows:
        table.add_row(Text(f"  {moment(at_s)}", style="dim"), Text(what), Text(more))
    cut = [] if trail.complete else [Text("  (the topics were not read to their end: too much has come since)")]
    return [Text(), Text("course (UTC)", style="bold"), table, *cut]


_Row = tuple[float, str, str]


def _changes(picture: Picture, changes: Sequence[Mapping[str, Any]]) -> Iterable[_Row]:
    for row in changes:
        who = (
            f"by {safe(row['actor'])}" + (f": {safe(row['comment'])}" if row["comment"] else "") if row["actor"] else ""
        )
        quiet = "" if row["suppressed_by"] is None else f"nobody is told: {reason_text(picture, row['suppressed_by'])}"
        yield (
            row["timestamp"].timestamp(),
            f"{safe(row['cause'])} ({safe(row['state'])}, {safe(row['severity'])})",
            "; ".join(filter(None, (who, quiet))),
        )


def _attempts(deliveries: Sequence[Mapping[str, Any]]) -> Iterable[_Row]:
    for row in deliveries:
        status = f", status {row['status_code']}" if row["status_code"] is not None else ""
        error = f": {safe(row['error'])}" if row["error"] else ""
        more = f"attempt {row['attempt']}, {row['duration_s']:.3f} s{status}{error}"
        yield (
            row["timestamp"].timestamp(),
            f"  {safe(row['channel'])}: {safe(row['outcome'])} ({safe(row['state'])})",
            more,
        )
