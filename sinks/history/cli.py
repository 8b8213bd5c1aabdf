"""`fleetpulse alerts history`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PIPE_WIDTH = 200


def history(
    fingerprint: Annotated[
        str, typer.Argument(help="of one alert: its fingerprint, or how it begins", show_default=False)
    ] = "",
    since: Annotated[str, typer.Option(help="how far back: 2h, 7d, 90d")] = "7d",
    agent: Annotated[str | None, typer.Option(help="an agent, or a pattern such as 'web-*'")] = None,
    name: Annotated[str | None, typer.Option(help="an alert's name, or a pattern")] = None,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="also what channels recorded of alerts that nobody was to be told of")
    ] = False,
    top: Annotated[int, typer.Option(min=1, max=100_000, help="so many lines, the newest")] = 200,
    lake: Annotated[
        Path | None, typer.Option(help="folder of the lake; default FLEETPULSE_LAKE or DATA_DIR/lake")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table")] = False,
) -> None:
    """Every change of alerts and every attempt to tell somebody, from the lake.

    Example:  fleetpulse alerts history --since 2h --name cpu_high
    """
    import json
    import sys
    from datetime import UTC, datetime, timedelta

    from rich.console import Console

    from infra.runtime.durations import parse_duration_s
    from infra.runtime.settings import load_settings
    from sinks.history.read import Asked, read_history
    from sinks.history.show import history_json, history_table

    since_s = min(parse_duration_s(since, "--since"), 36_500 * 86_400.0)
    asked = Asked(datetime.now(UTC) - timedelta(seconds=since_s), fingerprint, agent, name, everything, top)
    found = read_history(load_settings(lake=lake).lake_dir, asked)
    if as_json:
        sys.stdout.write(json.dumps(history_json(found), indent=2) + "\n")
        return
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False).print(history_table(found))
