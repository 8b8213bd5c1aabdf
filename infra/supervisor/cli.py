"""`fleetpulse up`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from infra.supervisor.run import Run


def up(  # noqa: PLR0917  # every option is one; Typer passes them by name
    run_for: Annotated[
        str | None, typer.Option("--for", help="stop after this time, for example 30s or 5m; default: Ctrl-C")
    ] = None,
    agents: Annotated[int, typer.Option(min=0, max=100_000, help="simulated agents; 0 for none")] = 200,
    rate: Annotated[float, typer.Option(min=1, help="events/s that the simulated fleet publishes")] = 1000.0,
    seed: Annotated[int, typer.Option(help="seed of the simulated fleet")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=64, help="stream workers")] = 1,
    broker: Annotated[str, typer.Option(help="auto, kafka, tansu, or HOST:PORT of a broker of yours")] = "auto",
    data_dir: Annotated[
        Path | None, typer.Option(help="folder of the run; with --report default: a new one each time")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="write the report of the run, JSON, to this file (needs --for)")
    ] = None,
    incidents: Annotated[bool, typer.Option(help="let the simulated fleet have incidents")] = True,
    probe: Annotated[bool, typer.Option(help="watch this very machine")] = True,
    example: Annotated[bool, typer.Option(help="run the example agent")] = True,
    plain: Annotated[
        bool, typer.Option(help="lines instead of a live picture (also when output is not a terminal)")
    ] = False,
) -> None:
    """Run the whole system: broker, streams, lake, a probe of this machine, an example agent, a simulated fleet.

    Example:  fleetpulse up --for 30s --agents 500 --rate 5000 --report run.json
    """
    import asyncio  # noqa: PLC0415  # commands load what is heavy when they are called

    from infra.runtime.errors import SettingError  # noqa: PLC0415
    from infra.runtime.logs import configure_logs  # noqa: PLC0415
    from infra.runtime.settings import load_settings  # noqa: PLC0415
    from infra.supervisor import plan as plans  # noqa: PLC0415

    settings = load_settings(data_dir=data_dir)
    configure_logs("warning" if settings.log_level == "info" else settings.log_level, settings.log_format, "up")
    try:
        run_for_s = plans.parse_duration_s(run_for) if run_for else None
    except ValueError as error:
        raise SettingError(f"--for: {error}", way_out="Write for example 30s, 5m or 2h") from error
    if report is not None and run_for_s is None:
        raise SettingError("--report needs the length of the run", setting="--for", way_out="Add for example --for 30s")
    folder = settings.data_dir
    if report is not None and data_dir is None and "data_dir" not in settings.model_fields_set:
        folder = settings.data_dir / "runs" / _stamp()
    lake = settings.lake if settings.lake is not None and folder == settings.data_dir else folder / "lake"
    plan = plans.RunPlan(
        bootstrap="",
        data_dir=folder.absolute(),
        lake=lake.absolute(),
        agents=agents,
        rate=rate,
        seed=seed,
        run_for_s=run_for_s,
        workers=workers,
        incidents=incidents,
        probe=probe,
        example=example,
    )
    found = asyncio.run(_show(plan, settings, broker, report, plain=plain))
    if found is not None:
        _summary(found, report)


def _stamp() -> str:
    import datetime  # noqa: PLC0415

    return datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")


async def _show(plan: Any, settings: Any, broker: str, report: Path | None, *, plain: bool) -> dict[str, Any] | None:  # noqa: ANN401  # types of modules that load late
    import asyncio  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    from infra.supervisor.run import run_system  # noqa: PLC0415
    from infra.supervisor.view import plain_line, render  # noqa: PLC0415

    console = Console(stderr=False)
    live = (
        None
        if plain or not console.is_terminal
        else Live(console=console, refresh_per_second=2, screen=False, auto_refresh=False)
    )
    painter: list[asyncio.Task[None]] = []

    async def paint(run: Run) -> None:
        while True:
            if live is not None:
                live.update(render(run.picture), refresh=True)
                await asyncio.sleep(0.5)
            else:
                console.print(plain_line(run.picture), highlight=False, soft_wrap=True)
                await asyncio.sleep(5.0)

    def on_run(run: Run) -> None:
        if live is not None:
            live.start()
        painter.append(asyncio.create_task(paint(run)))

    def say(line: str) -> None:
        console.print(f"fleetpulse: {line}", style="dim", highlight=False, markup=False, soft_wrap=True)

    try:
        return await run_system(plan, settings, broker_choice=broker, report=report, say=say, on_run=on_run)
    finally:
        for task in painter:
            task.cancel()
        await asyncio.gather(*painter, return_exceptions=True)
        if live is not None and live.is_started:
            live.stop()


def _summary(found: dict[str, Any], report: Path | None) -> None:
    """What a person wants to know of a finished run."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    console = Console()
    latency = found["latency_s"]
    console.print(
        f"published {found['published']['total']:,}  landed {found['landed']['total']:,}  missing {found['missing']:,}  "
        f"duplicates {found['duplicates']:,}  dead letters {found['dead_letters']:,}  false alarms {found['false_alarms']:,}",
        highlight=False,
        soft_wrap=True,
    )
    for name, quantiles in latency.items():
        if quantiles.get("p50") is not None:
            console.print(
                f"{name.replace('_', ' '):<20} p50 {quantiles['p50']:.3f} s  p99 {quantiles['p99']:.3f} s",
                highlight=False,
            )
    table = Table("incident", "injected", "found", "delay p50", box=None, header_style="dim")
    for kind, row in sorted(found["incidents"].items()):
        delay = row.get("delay_p50_s")
        table.add_row(kind, str(row["injected"]), str(row["found"]), "" if delay is None else f"{delay:.1f} s")
    console.print(table)
    console.print(f"report: {report}", style="dim", highlight=False)
