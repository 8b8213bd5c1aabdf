"""`fleetpulse notify`."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.runtime.settings import load_settings
from infra.runtime.which_broker import require_named

if TYPE_CHECKING:
    from sinks.notify.notifier import Notifier, NotifierConfig
    from sinks.notify.try_channel import Trial

STOP_WITHIN_S = 8.0
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
ChannelsFile = Annotated[
    Path | None, typer.Option("--channels", help="channels.yaml; default FLEETPULSE_CHANNELS, else the console")
]


class Start(StrEnum):
    """Where a group that has no offsets begins."""

    LATEST = "latest"
    EARLIEST = "earliest"


@app.callback(invoke_without_command=True)
def notify(
    context: typer.Context,
    bootstrap: Annotated[
        str | None, typer.Option(help="HOST:PORT of the brokers; default FLEETPULSE_BOOTSTRAP")
    ] = None,
    group: Annotated[
        str, typer.Option(help="consumer group: notifiers of one group share the alerts")
    ] = "fleetpulse-notify",
    start: Annotated[Start, typer.Option("--from", help="where a new group begins")] = Start.LATEST,
    as_json: Annotated[bool, typer.Option("--json", help="without a file: one JSON line an alert")] = False,
    channels: ChannelsFile = None,
) -> None:
    """Deliver alerts as they come to every channel, each at least once. Runs until Ctrl-C.

    Example:  fleetpulse notify --bootstrap 127.0.0.1:9092 --channels channels.yaml
    """
    if context.invoked_subcommand is not None:
        context.obj = channels
        return
    import asyncio

    from infra.runtime.clock import SystemClock
    from infra.runtime.logs import configure_logs
    from sinks.notify.build import build
    from sinks.notify.notifier import Notifier, NotifierConfig
    from sinks.notify.settings import load_channels

    settings = load_settings(bootstrap=bootstrap)
    require_named(settings)
    configure_logs(settings.log_level, settings.log_format, "notify")
    clock = SystemClock()
    known = load_channels(channels, as_json=as_json)
    built = [(each, build(each, clock, sys.stdout)) for each in known.channels]
    config = NotifierConfig(settings.bootstrap, group, start.value, old_after_s=known.old_after_s)
    asyncio.run(_serve(Notifier(config, built, clock), config))


async def _serve(notifier: Notifier, config: NotifierConfig) -> None:
    from infra.health import publishing
    from infra.runtime.lifecycle import CleanUps, stop_on_signals
    from sinks.notify.health import NotifyHealth

    clean_ups = CleanUps()
    with stop_on_signals() as asked:
        clean_ups.add("notifier", notifier.stop)
        try:
            await notifier.start()
            ready = {"event": "ready", "process": "notify", "group": config.group, "channels": list(notifier.lanes)}
            async with publishing(NotifyHealth(notifier), config.bootstrap, process="notify"):
                _print(ready)
                await notifier.run(asked)
        finally:
            await clean_ups.run(STOP_WITHIN_S)


def _print(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


@app.command("test")
def try_one(
    context: typer.Context,
    channel: Annotated[str, typer.Argument(help="name of the channel")],
    channels: ChannelsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Send a marked test alert through one channel, then its end; exit code 1 if it was not taken.

    Example:  fleetpulse notify test oncall --channels channels.yaml
    """
    import asyncio

    from infra.runtime.clock import SystemClock
    from sinks.notify.build import build
    from sinks.notify.settings import load_channels
    from sinks.notify.try_channel import give_test_alert

    clock = SystemClock()
    settings = load_channels(channels or context.obj).named(channel)
    built = build(settings, clock, sys.stderr if as_json else sys.stdout)
    trial = asyncio.run(give_test_alert(built, settings, clock))
    _show(trial, as_json)
    raise typer.Exit(0 if trial.outcome == "delivered" else 1)


def _show(trial: Trial, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        _print(asdict(trial))
        return
    status = f", status {trial.status_code}" if trial.status_code is not None else ""
    why = f": {trial.error}" if trial.error else ""
    typer.echo(f"{trial.channel} ({trial.kind}): {trial.outcome} in {trial.duration_s:.3f} s{status}{why}")


@app.command("check")
def check_file(
    file: Annotated[Path, typer.Argument(help="channels.yaml")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Say whether a file of channels can be used, with every channel as it would be made; exit code 2 if not.

    Example:  fleetpulse notify check channels.yaml
    """
    from infra.runtime.clock import SystemClock
    from infra.runtime.errors import FleetpulseError
    from sinks.notify.build import build
    from sinks.notify.settings import load_channels

    try:
        names = [build(each, SystemClock(), sys.stdout).name for each in load_channels(file).channels]
    except FleetpulseError as error:
        if not as_json:
            raise
        _print({"valid": False, "file": str(file), "error": str(error)})
        raise typer.Exit(2) from error
    count = f"{len(names)} channel{'' if len(names) == 1 else 's'}"
    typer.echo(json.dumps({"valid": True, "file": str(file), "channels": names}) if as_json else f"{file}: {count}")


@app.command("channels")
def list_channels(
    context: typer.Context,
    channels: ChannelsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """List the channels, without their secrets.

    Example:  fleetpulse notify channels --channels channels.yaml
    """
    from sinks.notify.settings import load_channels
    from sinks.notify.try_channel import describe

    found = [describe(each) for each in load_channels(channels or context.obj).channels]
    if as_json:
        _print({"channels": found})
        return
    for each in found:
        default = "default" if each["default"] else "by name"
        typer.echo(f"{each['name']:<20} {each['kind']:<13} {default:<8} from {each['min_severity']:<9} {each['to']}")
