"""`fleetpulse lake ...`: write, compact, retain, check; and, of the query side, `fleetpulse sql` and `ledger`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Annotated, Optional

import typer

from infra.runtime.durations import parse_duration_s
from infra.runtime.errors import SettingError
from infra.runtime.settings import Settings, load_settings
from infra.runtime.which_broker import require_named

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Write the lake, keep it small, check it.")

LakeOption = Annotated[Optional[Path], typer.Option(help="Folder of the lake [FLEETPULSE_LAKE].")]  # noqa: UP045  # typer evaluates it


def _settings(lake: Path | None, bootstrap: str | None = None) -> Settings:
    return load_settings(lake=lake, bootstrap=bootstrap)


@app.command()
def write(
    lake: LakeOption = None,
    bootstrap: Annotated[Optional[str], typer.Option(help="HOST:PORT of the brokers [FLEETPULSE_BOOTSTRAP].")] = None,  # noqa: UP045  # typer evaluates it
    group: Annotated[
        str, typer.Option(help="Consumer group; writers of one group share the partitions.")
    ] = "fleetpulse-lake",
    flush_interval: Annotated[str, typer.Option(help="Longest time that a record waits for its file.")] = "1s",
    flush_rows: Annotated[int, typer.Option(min=1, help="Rows of a partition that are written at once.")] = 10_000,
    flush_bytes: Annotated[int, typer.Option(min=1, help="The same in bytes of messages.")] = 32 * 1024 * 1024,
    topics: Annotated[
        list[str] | None, typer.Option(help="Topics to write; all of the catalogue by default.")
    ] = None,  # typer evaluates it
    compact: Annotated[bool, typer.Option(help="Compact and retain in the background.")] = True,
) -> None:
    """Write every topic into the lake until asked to stop.

    Example:  fleetpulse lake write --lake ./lake
    """
    from infra.runtime.logs import configure_logs  # heavy imports wait until the command runs
    from schemas.catalogue import TOPICS  # as above

    settings = _settings(lake, bootstrap)
    require_named(settings)
    chosen = tuple(name for given in topics or () for name in given.split(",")) or tuple(TOPICS)
    unknown = sorted(set(chosen) - set(TOPICS))
    if unknown:
        raise SettingError(
            f"the catalogue has no topic {', '.join(unknown)}",
            setting="--topics",
            way_out=f"Choose from {', '.join(TOPICS)}",
        )
    interval_s = parse_duration_s(flush_interval, "--flush-interval")
    configure_logs(settings.log_level, settings.log_format, "lake")
    from sinks.lake.options import LakeOptions  # as above

    options = LakeOptions(
        lake=settings.lake_dir, bootstrap=settings.bootstrap, group=group, topics=chosen, flush_interval_s=interval_s,
        flush_rows=flush_rows, flush_bytes=flush_bytes, compact=compact,
    )  # fmt: skip
    asyncio.run(_write(options))


async def _write(options: object) -> None:
    from infra.health import publishing  # heavy imports wait until the command runs
    from infra.runtime.lifecycle import stop_on_signals  # as above
    from sinks.lake.health import LakeHealth  # as above
    from sinks.lake.options import LakeOptions  # as above
    from sinks.lake.service import LakeService  # as above

    assert isinstance(options, LakeOptions)

    def ready(partitions: int) -> None:
        _print({"event": "ready", "component": "lake", "lake": str(options.lake), "partitions": partitions})

    service = LakeService(options)
    with stop_on_signals() as stop:
        async with publishing(LakeHealth(service), options.bootstrap, process="lake-writer"):
            await service.run(stop, ready)


def _print(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


@app.command()
def compact(
    lake: LakeOption = None,
    closed_after: Annotated[str, typer.Option(help="How long after its end an hour counts as closed.")] = "5m",
    grace: Annotated[str, typer.Option(help="How long replaced files stay for running queries.")] = "10s",
    everything: Annotated[bool, typer.Option("--all", help="Open hours too, and replaced files go at once.")] = False,
) -> None:
    """Merge the small files of closed hours into few large ones; prints what it did as JSON.

    Example:  fleetpulse lake compact --lake ./lake
    """
    from sinks.lake.compaction import CompactionOptions, Compactor  # heavy imports wait until the command runs
    from sinks.lake.storage import open_lake  # as above

    folder = _settings(lake).lake_dir
    open_lake(folder)
    grace_s = 0.0 if everything else parse_duration_s(grace, "--grace", or_zero=True)
    closed_after_s = parse_duration_s(closed_after, "--closed-after", or_zero=True)
    options = CompactionOptions(closed_after_s=closed_after_s, grace_s=grace_s)
    compactor = Compactor(folder, options)
    report = compactor.run(time.time(), everything=everything)
    if grace_s == 0.0:
        report.files_removed += compactor.run(time.time(), everything=everything).files_removed
    _print(vars(report))


@app.command()
def retain(
    lake: LakeOption = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="TABLE=DURATION, for example metrics=30d; may be repeated.")
    ] = None,  # typer evaluates it
) -> None:
    """Remove hours that are older than their table keeps; prints the removed folders as JSON.

    Example:  fleetpulse lake retain --lake ./lake
    """
    from sinks.lake.keep import keep_s_by_table  # heavy imports wait until the command runs
    from sinks.lake.retention import retain as remove_expired  # as above
    from sinks.lake.retention import retention_s_by_table  # as above
    from sinks.lake.storage import open_lake  # as above

    overrides = {}
    for text in keep or ():
        table, _, duration = text.partition("=")
        if table not in retention_s_by_table():
            raise SettingError(
                f"the lake has no table {table!r}", setting="--keep", way_out="Write it like metrics=30d"
            )
        overrides[table] = int(parse_duration_s(duration, "--keep", or_zero=True))
    folder = _settings(lake).lake_dir
    open_lake(folder)
    _print({"removed": remove_expired(folder, time.time(), keep_s_by_table(folder) | overrides)})


@app.command()
def check(
    lake: LakeOption = None, as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False
) -> None:
    """Check names and ranges: what each partition has, what overlaps or is torn. Exit code 1 when something is.

    Example:  fleetpulse lake check --lake ./lake
    """
    from infra.runtime.errors import LakeError  # heavy imports wait until the command runs
    from sinks.lake.check import check_lake  # as above
    from sinks.lake.check_view import print_check  # as above

    folder = _settings(lake).lake_dir
    if not folder.is_dir():
        raise LakeError(f"there is no lake at {folder}", setting="--lake or FLEETPULSE_LAKE", way_out="Name its folder")
    report = check_lake(folder)
    if as_json:
        _print(report)
    else:
        print_check(folder, report)
    if report["problems"]:
        raise typer.Exit(1)


from sinks.lake.query_cli import ledger, sql  # noqa: E402  # the query side; both are entry points of this module

__all__ = ["app", "ledger", "sql"]
