"""`fleetpulse eval ...`: how good the production operators are, on labelled series and simulated fleets.

Each command imports what it needs when it is called and has its work in a module of its own beside this one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    as_json: AsJson = False,
) -> None:
    """Score the shipped anomaly detector as the Numenta Anomaly Benchmark (v1.1) does.

    Example:  fleetpulse eval nab --data ../shared/nab --json
    """
    from streams.eval.nab import main

    main(data, as_json=as_json)


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
    as_json: AsJson = False,
) -> None:
    """Look for silent failures in a clean trace (none may be found) and in a failing one (all must be).

    One in a hundred events arrives out of order.  Example:  fleetpulse eval silent --events 200000
    """
    from infra.runtime.errors import SettingError
    from streams.eval.silent import main
    from streams.operators.silent import KINDS

    if agents < len(KINDS) * each:
        raise SettingError(
            f"{agents} agents cannot have {len(KINDS) * each} failures",
            setting="--agents",
            way_out="An agent fails once: give more agents or a smaller --each",
        )
    main(events, agents=agents, each=each, seed=seed, as_json=as_json)


@app.command()
def heartbeats(
    years: Annotated[float, typer.Option(min=0.1, help="Agent-years to simulate for every fleet.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Same seed, same beats.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Simulate fleets whose beats get lost: how long the shipped detector waits, and how often it is wrong.

    Example:  fleetpulse eval heartbeats --years 5 --json
    """
    from streams.eval.heartbeats import main

    main(years, seed, as_json=as_json)


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
