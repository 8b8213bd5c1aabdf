"""`fleetpulse retention`: how long each table is kept, shown and decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

if TYPE_CHECKING:
    from sinks.lake.keep import Decision


def retention(
    tables: Annotated[
        Optional[list[str]],  # noqa: UP045  # typer evaluates it
        typer.Argument(metavar="[TABLE=DURATION]...", help="metrics=30d; or =default for what the catalogue says."),
    ] = None,
    lake: Annotated[Optional[Path], typer.Option(help="Folder of the lake [FLEETPULSE_LAKE].")] = None,  # noqa: UP045  # typer evaluates it
    bootstrap: Annotated[
        Optional[str],  # noqa: UP045  # typer evaluates it
        typer.Option(help="HOST:PORT of the brokers, for the audit trail; default FLEETPULSE_BOOTSTRAP."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Say how long the lake keeps each table, or change it; the lake writer follows within half a minute.

    Example:  fleetpulse retention metrics=30d --dry-run
    """
    import getpass  # what the command needs waits until it runs
    import json  # as above
    import time  # as above

    from infra.runtime.settings import load_settings  # as above
    from sinks.lake.storage import open_lake  # as above

    folder, now_s = load_settings(lake=lake).lake_dir, time.time()
    open_lake(folder)
    wanted = dict(_wanted(text, f"local:{getpass.getuser()}", now_s) for text in tables or ())
    would_go = {table: _going(folder, table, each, now_s) for table, each in wanted.items()}
    if wanted and not dry_run:
        _decide(folder, wanted, bootstrap)
    told = {"tables": _lines(folder), "going": would_go, "changed": bool(wanted) and not dry_run}
    typer.echo(json.dumps(told, indent=2) if as_json else _text(told))


def _wanted(text: str, by: str, now_s: float) -> tuple[str, Decision | None]:
    from infra.runtime.durations import parse_duration_s
    from sinks.lake.keep import Decision, assert_fit
    from sinks.lake.retention import retention_s_by_table

    table, _, duration = text.partition("=")
    if duration == "default":
        assert_fit(table, retention_s_by_table().get(table, 0), "TABLE")
        return table, None
    keep_s = int(parse_duration_s(duration, "TABLE=DURATION"))
    assert_fit(table, keep_s, "TABLE=DURATION")
    return table, Decision(keep_s, by, now_s)


def _going(folder: Path, table: str, wanted: Decision | None, now_s: float) -> dict[str, Any]:
    from dataclasses import asdict

    from sinks.lake.keep import going
    from sinks.lake.retention import retention_s_by_table

    keep_s = retention_s_by_table()[table] if wanted is None else wanted.keep_s
    return asdict(going(folder, table, keep_s, now_s))


def _decide(folder: Path, wanted: dict[str, Decision | None], bootstrap: str | None) -> None:
    """The audit trail first: nothing is changed that it does not tell."""
    import socket

    from infra.access import AuditEvent, Principal
    from infra.access.trail import write_down
    from infra.runtime.asked import run_asked
    from infra.runtime.which_broker import bootstrap_of
    from sinks.lake.keep import decide

    by = next((each.by for each in wanted.values() if each is not None), "local")
    who = Principal(by, by, None, (), "admin", False, "local")
    said = ", ".join(f"{table}={'default' if each is None else f'{each.keep_s}s'}" for table, each in wanted.items())
    event = AuditEvent("settings.retention", who, detail=said)
    run_asked(write_down(bootstrap_of(bootstrap), f"fleetpulse:lake:{socket.gethostname()}", [event]))
    for table, each in wanted.items():
        decide(folder, table, each)


def _lines(folder: Path) -> dict[str, dict[str, Any]]:
    from sinks.lake.keep import decisions, in_force
    from sinks.lake.retention import retention_s_by_table

    decided = decisions(folder)
    keep_s = in_force(decided)
    return {
        table: {
            "keep_s": keep_s[table],
            "default_s": default_s,
            "by": decided[table].by if table in decided else None,
        }
        for table, default_s in retention_s_by_table().items()
    }


def _text(told: dict[str, Any]) -> str:
    from infra.runtime.text import printable

    lines = [f"{table:<16} {each['keep_s'] / 86_400:>7g} days{_by(each)}" for table, each in told["tables"].items()]
    for table, each in told["going"].items():
        goes = f"{each['hours']} hours with {each['files']} files, {each['stored_bytes'] / 1e6:.1f} MB"
        lines.append(f"{table}: {goes} {'go within a minute' if told['changed'] else 'would go'}")
    return "\n".join(map(printable, lines))


def _by(each: dict[str, Any]) -> str:
    return "" if each["by"] is None else f"   by {each['by']}; {each['default_s'] / 86_400:g} by default"
