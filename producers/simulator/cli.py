"""`fleetpulse simulate`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from infra.runtime.durations import parse_duration_s
from infra.runtime.errors import SettingError


def simulate(
    agents: Annotated[int, typer.Option(min=1, max=10_000_000, help="Number of agents.")] = 200,
    rate: Annotated[float, typer.Option(min=1, help="Events a second over all topics.")] = 1_000.0,
    run_for: Annotated[str, typer.Option("--for", help="Length of the run (30s, 5m, 1h); empty: until stopped.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="The same seed and start give the same fleet and incidents.")] = 1,
    bootstrap: Annotated[str, typer.Option(help="HOST:PORT of the broker.", envvar="FLEETPULSE_BOOTSTRAP")] = "",
    incidents: Annotated[bool, typer.Option(help="Inject incidents.")] = True,
    truth: Annotated[Path | None, typer.Option(help="Write the incidents here as JSON.")] = None,
    beat_interval: Annotated[
        float,
        typer.Option(
            min=0.05, help="Seconds between beats; stretched so that beats are at most a quarter of the rate."
        ),
    ] = 1.0,
    users: Annotated[int, typer.Option(min=1, help="Number of tenants.")] = 20,
    prefix: Annotated[str, typer.Option(help="Agents are called PREFIX-000000 and so on.")] = "agent",
    day: Annotated[str, typer.Option(help="Length of the daily cycle; shorter than 24h to see it sooner.")] = "24h",
    data_dir: Annotated[Path | None, typer.Option(help="Folder for the account (accounts/simulator-PID.json).")] = None,
    fill: Annotated[
        str, typer.Option(help="Instead: write --events events to fleet.metrics as fast as possible.")
    ] = "",
    events: Annotated[int, typer.Option(min=1, help="With --fill: how many.")] = 500_000,
    topic: Annotated[
        str, typer.Option(help="With --fill: write to this topic (default: the one named by --fill).")
    ] = "",
    interval: Annotated[float, typer.Option(min=0.001, help="With --fill: seconds between an agent's reports.")] = 1.0,
) -> None:
    """Publish a fleet of simulated agents, with incidents whose truth is written down.

    Example:  fleetpulse simulate --agents 500 --rate 5000 --for 30s --truth truth.json
    """
    # Imported here so that --help need not load Numba.
    from infra.runtime.clock import SystemClock
    from infra.runtime.logs import configure_logs
    from infra.runtime.settings import load_settings
    from infra.runtime.which_broker import require_named
    from producers.simulator.config import FleetConfig
    from producers.simulator.fill import fill as fill_topic
    from producers.simulator.live import RunFiles, run_fleet, say

    settings = load_settings(bootstrap=bootstrap or None, data_dir=data_dir)
    configure_logs(settings.log_level, settings.log_format, "simulator")
    require_named(settings)
    if fill not in ("", "fleet.metrics"):
        raise SettingError(f"cannot fill {fill!r}", setting="--fill", way_out="Only fleet.metrics can be filled")
    config = FleetConfig(
        agents=agents,
        rate=rate,
        seed=seed,
        start_us=0,
        run_s=parse_duration_s(run_for, "--for") if run_for else None,
        beat_interval_s=beat_interval,
        incidents=incidents and not fill,
        day_s=parse_duration_s(day, "--day"),
        users=users,
        prefix=prefix,
    )
    if fill:
        say(**asyncio.run(fill_topic(config, settings.bootstrap, topic or fill, events, interval, SystemClock())))
        return
    files = RunFiles(truth, settings.data_dir / "accounts" / f"simulator-{os.getpid()}.json")
    paper = asyncio.run(run_fleet(config, settings.bootstrap, files, SystemClock()))
    say(event="done", published=paper["published"], rate_achieved=paper["rate_achieved"], seconds=paper["seconds"])
