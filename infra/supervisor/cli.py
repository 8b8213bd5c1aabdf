"""`fleetpulse up`. What is heavy is imported when the command is called."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from infra.runtime.settings import Settings
    from infra.supervisor.plan import RunPlan
    from infra.supervisor.running import Run


def up(
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
    rules: Annotated[
        Path | None,
        typer.Option(envvar="FLEETPULSE_RULES", help="pack of rules, read again when it changes; else the default"),
    ] = None,
    channels: Annotated[
        Path | None, typer.Option(envvar="FLEETPULSE_CHANNELS", help="where alerts go, YAML; else the notifier's log")
    ] = None,
    gateway: Annotated[bool, typer.Option(help="take events in over HTTP")] = True,
    gateway_port: Annotated[int, typer.Option(min=0, max=65535, help="its port on 127.0.0.1; 0: any")] = 8000,
    api: Annotated[bool, typer.Option(help="answer questions over HTTP")] = True,
    api_port: Annotated[int, typer.Option(min=0, max=65535, help="its port on 127.0.0.1; 0: any")] = 8080,
    plain: Annotated[
        bool, typer.Option(help="lines instead of a live picture (also when output is not a terminal)")
    ] = False,
) -> None:
    """Run the whole system: broker, streams, lake, gateway, API, a probe of this machine, an agent, a simulated fleet.

    Example:  fleetpulse up --for 30s --agents 500 --rate 5000 --report run.json
    """
    import asyncio

    from infra.runtime.durations import parse_duration_s
    from infra.runtime.errors import SettingError
    from infra.runtime.logs import configure_logs
    from infra.runtime.run_view import print_report
    from infra.runtime.settings import load_settings
    from infra.runtime.whole_file import write_whole
    from infra.supervisor.files import CHANNELS_SETTING, RULES_SETTING, readable
    from infra.supervisor.plan import RunPlan

    settings = load_settings(data_dir=data_dir)
    configure_logs("warning" if settings.log_level == "info" else settings.log_level, settings.log_format, "up")
    run_for_s = parse_duration_s(run_for, "--for") if run_for is not None else None
    if report is not None and run_for_s is None:
        raise SettingError("--report needs the length of the run", setting="--for", way_out="Add for example --for 30s")
    folder = settings.data_dir
    if report is not None and data_dir is None and "data_dir" not in settings.model_fields_set:
        folder = settings.data_dir / "runs" / _stamp()
    lake = settings.lake if settings.lake is not None and folder == settings.data_dir else folder / "lake"
    plan = RunPlan(
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
        rules=readable(rules, RULES_SETTING),
        channels=readable(channels, CHANNELS_SETTING),
        gateway_port=gateway_port if gateway else None,
        api_port=api_port if api else None,
    )
    if report is not None:
        _require_writable(report)
    found = asyncio.run(_show(plan, settings, broker, with_report=report is not None, plain=plain))
    if found is not None and report is not None:
        write_whole(report, json.dumps(found, indent=2) + "\n")
        print_report(found, with_truth=plan.truth.exists())
        typer.echo(f"report: {report}")
        typer.echo(
            f"ask it: FLEETPULSE_DATA_DIR={shlex.quote(str(folder))} fleetpulse ledger   (or sql, trust, backtest, ...)"
        )


def _require_writable(report: Path) -> None:
    """Fail before the run rather than after it, and leave no empty report. Raises `SettingError`."""
    from infra.runtime.errors import SettingError
    from infra.runtime.whole_file import write_whole

    try:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.open("a").close()
        if report.is_file() and not report.stat().st_size:
            write_whole(report, "")  # that takes more than writing to it: the folder has to be writable
            report.resolve().unlink()
    except OSError as error:
        raise SettingError(
            f"cannot write {report}: {error.strerror}", setting="--report", way_out="Name a file that you may write"
        ) from error


def _stamp() -> str:
    import datetime

    return datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")


async def _show(
    plan: RunPlan, settings: Settings, broker: str, *, with_report: bool, plain: bool
) -> dict[str, Any] | None:
    import asyncio

    from rich.console import Console
    from rich.live import Live

    from infra.supervisor.run import run_system
    from infra.supervisor.view import plain_line, render

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
        return await run_system(plan, settings, broker_choice=broker, with_report=with_report, say=say, on_run=on_run)
    finally:
        for task in painter:
            task.cancel()
        await asyncio.gather(*painter, return_exceptions=True)
        if live is not None and live.is_started:
            live.stop()
