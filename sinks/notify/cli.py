"""`fleetpulse notify`."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from infra.runtime.errors import SettingError
from infra.runtime.settings import load_settings

if TYPE_CHECKING:
    from sinks.notify.notifier import Notifier, NotifierConfig

STOP_WITHIN_S = 8.0


class Start(StrEnum):
    """Where a group that has no offsets begins."""

    LATEST = "latest"
    EARLIEST = "earliest"


def notify(
    bootstrap: Annotated[
        str | None, typer.Option(help="HOST:PORT of the brokers; default FLEETPULSE_BOOTSTRAP")
    ] = None,
    group: Annotated[
        str, typer.Option(help="consumer group: notifiers of one group share the alerts")
    ] = "fleetpulse-notify",
    start: Annotated[Start, typer.Option("--from", help="where a new group begins")] = Start.LATEST,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line an alert")] = False,
) -> None:
    """Deliver alerts as they come, each at least once; now to this terminal. Runs until Ctrl-C.

    Example:  fleetpulse notify --bootstrap 127.0.0.1:9092
    """
    import asyncio  # --help stays quick

    from infra.runtime.clock import SystemClock  # --help stays quick
    from infra.runtime.logs import configure_logs  # --help stays quick
    from sinks.notify.channel import ConsoleChannel, JsonChannel  # --help stays quick
    from sinks.notify.notifier import Notifier, NotifierConfig  # --help stays quick

    settings = load_settings(bootstrap=bootstrap)
    if not settings.bootstrap:
        raise SettingError(
            "no broker is named",
            setting="--bootstrap or FLEETPULSE_BOOTSTRAP",
            way_out="Give HOST:PORT; `fleetpulse up` runs everything with a broker of its own",
        )
    configure_logs(settings.log_level, settings.log_format, "notify")
    clock = SystemClock()
    channel = (JsonChannel if as_json else ConsoleChannel)(sys.stdout, clock)
    config = NotifierConfig(settings.bootstrap, group, start.value)
    asyncio.run(_serve(Notifier(config, channel, clock), config))


async def _serve(notifier: Notifier, config: NotifierConfig) -> None:
    from infra.runtime.lifecycle import CleanUps, stop_on_signals  # --help stays quick

    clean_ups = CleanUps()
    with stop_on_signals() as asked:
        clean_ups.add("notifier", notifier.stop)
        try:
            await notifier.start()
            sys.stdout.write(json.dumps({"event": "ready", "process": "notify", "group": config.group}) + "\n")
            sys.stdout.flush()
            await notifier.run(asked)
        finally:
            await clean_ups.run(STOP_WITHIN_S)
