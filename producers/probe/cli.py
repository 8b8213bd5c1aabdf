"""`fleetpulse probe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def probe(
    bootstrap: Annotated[
        str | None, typer.Option(help="brokers, for example 127.0.0.1:9092; default FLEETPULSE_BOOTSTRAP")
    ] = None,
    interval: Annotated[str, typer.Option(help="time between readings, for example 2s or 500ms")] = "2s",
    agent_id: Annotated[
        str | None, typer.Option(help="id of this host, for example host:db-1; default host:<its name>")
    ] = None,
    run_for: Annotated[str | None, typer.Option("--for", help="stop after this time, for example 30s")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="folder for spool and account, for example /var/lib/fleetpulse")
    ] = None,
) -> None:
    """Report this host: CPU, memory, disk, network, processes, GPU, and a heartbeat with every reading.

    Example:  fleetpulse probe --bootstrap 127.0.0.1:9092 --interval 2s
    """
    import asyncio  # commands load what is heavy when they are called
    import os

    from infra.runtime.durations import parse_duration_s
    from infra.runtime.logs import configure_logs
    from infra.runtime.settings import load_settings
    from producers.probe.service import ProbeOptions, run_probe

    settings = load_settings(bootstrap=bootstrap, data_dir=data_dir)
    configure_logs(settings.log_level, settings.log_format, "probe")
    options = ProbeOptions(
        bootstrap=settings.bootstrap,
        data_dir=settings.data_dir,
        interval_s=parse_duration_s(interval, "--interval"),
        agent_id=agent_id,
        run_for_s=parse_duration_s(run_for, "--for") if run_for is not None else None,
        account=settings.data_dir / "accounts" / f"probe-{os.getpid()}.json",
    )
    asyncio.run(run_probe(options))
