"""`fleetpulse report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from infra.runtime.settings import load_settings


def report(
    lake: Annotated[
        Path | None, typer.Option(help="folder of the lake; default FLEETPULSE_LAKE or DATA_DIR/lake")
    ] = None,
    truth: Annotated[list[Path] | None, typer.Option(help="ground truth of a simulator; may be given again")] = None,
    accounts: Annotated[Path | None, typer.Option(help="folder of the producers' accounts")] = None,
    processes: Annotated[Path | None, typer.Option(help="JSON with what each process used, passed through")] = None,
    broker: Annotated[str | None, typer.Option(help="name of the broker that was used")] = None,
    grace: Annotated[float, typer.Option(min=0, help="seconds after its end in which an incident may be found")] = 15.0,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
    output: Annotated[Path | None, typer.Option(help="write the report as JSON to this file")] = None,
) -> None:
    """What a run delivered and found: counts from the lake against what producers and the simulator say.

    Example:  fleetpulse report --lake ./lake --accounts ./accounts --truth truth.json
    """
    import json  # --help stays quick

    from infra.runtime.run_view import print_report  # --help stays quick
    from sinks.lake.query_cli import open_output  # --help stays quick
    from sinks.report.build import ReportInputs, build_report  # --help stays quick

    folder = load_settings(lake=lake).lake_dir
    found = build_report(ReportInputs(folder, tuple(truth or ()), accounts, processes, broker, grace))
    text = json.dumps(found, indent=2) + "\n"
    if output is not None:
        with open_output(output) as sink:
            sink.write(text.encode())
    if as_json:
        sys.stdout.write(text)
    else:
        print_report(found, with_truth=bool(truth))
