"""`fleetpulse eval ...`: how good the production operators are, on labelled series and simulated fleets.

Each command imports what it needs when it is called and has its work in a module of its own beside this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streams.eval.heartbeats import Bar

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Measure the production operators.  Example:  fleetpulse eval nab --data ../shared/nab",
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]


@app.callback()
def evaluate() -> None:
    """A group even while it has one command."""


@app.command()
def nab(
    data: Annotated[Path, typer.Option(help="Folder with data/CATEGORY/FILE.csv and windows.json.")],
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Add what thresholds score on files that they were not chosen on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score the shipped anomaly detector as the Numenta Anomaly Benchmark (v1.1) does.

    Example:  fleetpulse eval nab --data ../shared/nab --held-out --json
    """
    from streams.eval.nab import main

    main(data, hold_out=held_out, as_json=as_json)


@app.command()
def series(
    data: Annotated[Path, typer.Option(help="CSV file with columns timestamp and value.")],
    as_json: AsJson = False,
) -> None:
    """Score and flag of every value of one series, by the shipped anomaly detector.

    Example:  fleetpulse eval series --data measured.csv --json
    """
    from streams.eval.series import main

    main(data, as_json=as_json)


@app.command()
def silent(
    events: Annotated[int, typer.Option(min=1_000, help="Events of the clean trace.")] = 1_000_000,
    agents: Annotated[int, typer.Option(min=1, help="Agents; at least six times --each.")] = 500,
    each: Annotated[int, typer.Option(min=1, help="Injected failures of every kind.")] = 20,
    seed: Annotated[int, typer.Option(help="Same seed, same traces.")] = 1,
    seeds: Annotated[int, typer.Option(min=1, help="As many seeds, from --seed on; the sum is printed.")] = 1,
    spread: Annotated[
        float | None,
        typer.Option(min=0, max=2, help="Of latencies: standard deviation of the logarithm, not 0.1 to 0.3."),
    ] = None,
    tools_apart: Annotated[
        float, typer.Option(min=0, max=3, help="Of an agent's tools: standard deviation of the logarithm.")
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Look for silent failures in a clean trace (none may be found) and in a failing one (all must be).

    One in a hundred events arrives out of order.  Example:  fleetpulse eval silent --events 300000 --seeds 5
    """
    from infra.runtime.errors import SettingError
    from streams.eval.silent import main
    from streams.eval.traces import Latencies
    from streams.operators.silent import KINDS

    if agents < len(KINDS) * each:
        raise SettingError(
            f"{agents} agents cannot have {len(KINDS) * each} failures",
            setting="--agents",
            way_out="An agent fails once: give more agents or a smaller --each",
        )
    least, most = (Latencies.least_spread, Latencies.most_spread) if spread is None else (spread, spread)
    latencies = Latencies(least, most, tools_apart)
    main(events, agents=agents, each=each, seed=seed, seeds=seeds, as_json=as_json, latencies=latencies)


@app.command()
def heartbeats(
    years: Annotated[float, typer.Option(min=0.1, help="Agent-years to simulate for every fleet.")] = 20.0,
    agents: Annotated[int, typer.Option(min=1, help="Agents of a fleet; fewer beat for longer.")] = 4096,
    fleet: Annotated[Path | None, typer.Option(help="YAML file of fleets to judge instead of ours.")] = None,
    loss: Annotated[float | None, typer.Option(min=0, max=0.5, help="Share of beats lost, 0 to 0.5.")] = None,
    burst: Annotated[float | None, typer.Option(min=1, help="Beats that a loss takes at a time, mean.")] = None,
    jitter: Annotated[float | None, typer.Option(min=0, max=0.5, help="Of beats, share of the interval.")] = None,
    interval: Annotated[str, typer.Option(help="From beat to beat.")] = "30s",
    phi: Annotated[float | None, typer.Option(min=1, max=12, help="Other than the one shipped.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same beats.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Simulate fleets whose beats get lost: how long the shipped detector waits, and how often it is wrong.

    Ours, those of a file (docs/adr/0028 has its format), or one of a single kind of loss.

    Example:  fleetpulse eval heartbeats --loss 0.02 --burst 3 --jitter 0.05 --years 5 --json
    """
    from infra.runtime.durations import parse_duration_s
    from infra.runtime.errors import SettingError
    from streams.eval.fleet_file import load_fleets, one_fleet
    from streams.eval.heartbeats import BARS, SHIPPED, main

    asked = (loss, burst, jitter)
    if fleet is not None and any(given is not None for given in asked):
        raise SettingError("a fleet is described by a file or by options, not both", setting="--fleet")
    bars: Sequence[Bar] = BARS
    if fleet is not None:
        bars = load_fleets(fleet)
    elif any(given is not None for given in asked):
        bars = [one_fleet(loss or 0.0, burst, jitter or 0.0, parse_duration_s(interval, "--interval"))]
    config = SHIPPED if phi is None else replace(SHIPPED, phi=phi)
    main(years, seed, as_json=as_json, bars=bars, agents=agents, config=config)


@app.command()
def forecasts(
    data: Annotated[Path | None, typer.Option(help="Folder with data/CATEGORY/FILE.csv to judge on as well.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the made-up fleet.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Judge the forecasts of threshold crossings and leaks: Brier score, skill, AUC, reliability.

    Example:  fleetpulse eval forecasts --data ../shared/nab --json
    """
    from streams.eval.forecasts import main

    main(data, seed=seed, as_json=as_json)
