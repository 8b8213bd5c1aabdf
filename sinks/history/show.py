"""History as a table for a terminal, and as JSON. Texts come from agents: they are shown as text."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from infra.runtime.narrow import Narrowable
from infra.runtime.text import printable
from sinks.history.read import CHANGE, Entry, History

_LONGEST = 300
_SHORT, _TABLE_FROM = 8, 110
_OTHER_ALERTS = frozenset({"inhibited", "incident"})
_DIM = frozenset({"suppressed"})


def _safe(text: object) -> str:
    shown = printable("" if text is None else str(text))
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def history_table(history: History) -> RenderableType:
    """One line a change or attempt, the newest at the end."""
    if not history.entries:
        return Text("No alert began, changed or ended in that time. --since 30d looks further back.")
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("written (UTC)", "id", "alert", "what", "more"):
        table.add_column(name, overflow="fold", no_wrap=name in {"written (UTC)", "id"})
    for entry in history.entries:
        _add_row(table, entry)
    left = history.found - len(history.entries)
    more = [Text(f"{left:,} older ones are not shown: --top shows more")] if left else []
    return Group(Narrowable(table, _TABLE_FROM), *more)


def _add_row(table: Table, entry: Entry) -> None:
    values = entry.values
    what, more = _change(values) if entry.kind == CHANGE else _attempt(values)
    quiet = values.get("suppressed_by") is not None or values.get("outcome") in _DIM
    table.add_row(
        entry.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"), Text(_safe(values["fingerprint"])[:_SHORT]),
        Text(f"{_safe(values['name'])}  {_safe(values['agent_id'])}"), Text(what), Text(more),
        style="dim" if quiet else "",
    )  # fmt: skip


def _change(values: dict[str, Any]) -> tuple[str, str]:
    what = f"{_safe(values['cause'] or values['state'])} ({_safe(values['state'])}, {_safe(values['severity'])})"
    who = f"by {_safe(values['actor'])}" if values["actor"] else ""
    said = _safe(values["comment"])
    if values["suppressed_by"] is not None:
        told = f"nobody is told: {_reason(values['suppressed_by'])}"
    else:
        told = (
            f"tell {', '.join(map(_safe, values['receivers']))}" if values["receivers"] else "tell the default channels"
        )
    return what, "; ".join(filter(None, (_safe(values["summary"]), who, said, told)))


def _reason(suppressed_by: str) -> str:
    """Another alert by as much of its fingerprint as commands take."""
    kind, colon, name = suppressed_by.partition(":")
    return _safe(kind + colon + (name[:_SHORT] if kind in _OTHER_ALERTS else name))


def _attempt(values: dict[str, Any]) -> tuple[str, str]:
    status = f"status {values['status_code']}" if values["status_code"] is not None else ""
    spent = f"attempt {values['attempt']}, {values['duration_s']:.3f} s"
    return f"{_safe(values['channel'])}: {_safe(values['outcome'])}", "; ".join(
        filter(None, (f"told: {_safe(values['state'])}", spent, status, _safe(values["error"])))
    )


def history_json(history: History) -> dict[str, Any]:
    """`found`: how many there are, `entries`: the newest of them in their order; times in ISO 8601."""
    entries = [
        {"kind": entry.kind, "at": entry.at.astimezone(UTC).isoformat().replace("+00:00", "Z")}
        | {name: value for name, value in entry.values.items() if name != "kafka_timestamp"}
        for entry in history.entries
    ]
    return {"found": history.found, "entries": entries}
