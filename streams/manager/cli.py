"""`fleetpulse alert-manager`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streams.manager.reload import RulesFile
    from streams.manager.service import AlertManager

STOP_WITHIN_S = 8.0


def alert_manager(
    bootstrap: Annotated[
        str | None, typer.Option(help="HOST:PORT of the brokers; default FLEETPULSE_BOOTSTRAP")
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(envvar="FLEETPULSE_RULES", help="YAML file of rules; default: those that come with it"),
    ] = None,
) -> None:
    """Decide who is to hear of what rules found: one works, others that you start stand by. Runs until Ctrl-C.

    Example:  fleetpulse alert-manager --bootstrap 127.0.0.1:9092
    """
    import asyncio

    from infra.runtime.clock import SystemClock
    from infra.runtime.logs import configure_logs
    from infra.runtime.settings import load_settings
    from infra.runtime.which_broker import require_named
    from streams.manager.reload import RulesFile
    from streams.manager.service import AlertManager

    settings = load_settings(bootstrap=bootstrap)
    require_named(settings)
    configure_logs(settings.log_level, settings.log_format, "alert-manager")
    clock = SystemClock()
    source = RulesFile(rules, clock)
    manager = AlertManager(settings.bootstrap, source.current, clock)
    asyncio.run(_serve(manager, source, settings.bootstrap))


async def _serve(manager: AlertManager, rules: RulesFile, bootstrap: str) -> None:
    import asyncio

    from infra.health import publishing
    from infra.runtime.lifecycle import CleanUps, stop_on_signals
    from streams.manager.health import ManagerHealth

    clean_ups = CleanUps()
    with stop_on_signals() as asked:
        clean_ups.add("alert manager", manager.stop)
        try:
            await manager.start()
            announcing = asyncio.create_task(_announce(manager))
            try:
                async with publishing(ManagerHealth(manager, rules), bootstrap, process="alert-manager"):
                    await manager.run(asked)
            finally:
                announcing.cancel()
        finally:
            await clean_ups.run(STOP_WITHIN_S)


async def _announce(manager: AlertManager) -> None:
    """The ready line, once the group was joined and what is owned is restored."""
    await manager.settled.wait()
    works = manager.state is not None
    sys.stdout.write(json.dumps({"event": "ready", "process": "alert-manager", "works": works}) + "\n")
    sys.stdout.flush()
