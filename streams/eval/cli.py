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
