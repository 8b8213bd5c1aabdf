"""`fleetpulse simulate`."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Annotated

import typer

from infra.runtime.errors import SettingError

_UNITS_S = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0}


def parse_duration_s(text: str, setting: str) -> float:
    """Seconds of `30s`, `5m`, `1h`, `12.5`. Raises `SettingError`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise SettingError(f"not a duration: {text!r}", setting=setting, way_out="Write it like 30s, 5m or 1h")
    return float(match[1]) * _UNITS_S[match[2]]


def simulate(
    agents: Annotated[int, typer.Option(min=1, max=10_000_000, help="Number of agents.")] = 200,
    rate: Annotated[float, typer.Option(min=1, help="Events a second over all topics.")] = 1_000.0,
    run_for: Annotated[str, typer.Option("--for", help="Length of the run (30s, 5m, 1h); empty: until stopped.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="The same seed and start give the same fleet and incidents.")] = 1,
    bootstrap: Annotated[str, typer.Option(help="HOST:PORT of the broker.", envvar="FLEETPULSE_BOOTSTRAP")] = "",
    incidents: Annotated[bool, typer.Option(help="Inject incidents.")] = True,
    truth: Annotated[Path | None, typer.Option(help="Write the incidents here as JSON.")] = None,
    beat_interval: Annotated[float, typer.Option(min=0.05, help="Seconds between beats of an agent; stretched so that beats are at most a quarter of the rate.")] = 1.0,
    users: Annotated[int, typer.Option(min=1, help="Number of tenants.")] = 20,
    prefix: Annotated[str, typer.Option(help="Agents are called PREFIX-000000 and so on.")] = "agent",
    day: Annotated[str, typer.Option(help="Length of the daily cycle; shorter than 24h to see it sooner.")] = "24h",
    data_dir: Annotated[Path | None, typer.Option(help="Folder for the account (accounts/simulator-PID.json).")] = None,
    fill: Annotated[str, typer.Option(help="fleet.metrics: write --events metrics events as fast as possible instead, and end.")] = "",
    events: Annotated[int, typer.Option(min=1, help="With --fill: how many.")] = 500_000,
    topic: Annotated[str, typer.Option(help="With --fill: write to this topic (default: the one named by --fill).")] = "",
    interval: Annotated[float, typer.Option(min=0.001, help="With --fill: seconds between an agent's reports.")] = 1.0,
) -> None:
    """Publish a fleet of simulated agents, with incidents whose truth is written down."""
    from infra.runtime.clock import SystemClock  # noqa: PLC0415  # heavy imports only when the command runs
    from infra.runtime.logs import configure_logs  # noqa: PLC0415
    from infra.runtime.settings import load_settings  # noqa: PLC0415
    from producers.simulator.config import FleetConfig  # noqa: PLC0415
    from producers.simulator.fill import fill as fill_topic  # noqa: PLC0415
    from producers.simulator.live import RunFiles, run_fleet, say  # noqa: PLC0415

    settings = load_settings(bootstrap=bootstrap or None, data_dir=data_dir)
    configure_logs(settings.log_level, settings.log_format, "simulator")
    if not settings.bootstrap:
        raise SettingError("no broker is named", setting="--bootstrap or FLEETPULSE_BOOTSTRAP", way_out="Name it as HOST:PORT, or start everything with `fleetpulse up`")
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
