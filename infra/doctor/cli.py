"""`fleetpulse doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """Say what is here, what is missing and how to mend it; exit code 1 when the pipeline cannot run.

    Example:  fleetpulse doctor --json
    """
    from infra.doctor.examine import can_run, examine
    from infra.runtime.settings import load_settings

    findings = examine(load_settings())
    if as_json:
        typer.echo(json.dumps({"can_run": can_run(findings), "findings": [asdict(f) for f in findings]}))
    else:
        for f in findings:
            typer.echo(f"{f.state:8s} {f.name:20s} {f.detail}{f'  -> {f.mend}' if f.mend else ''}")
    if not can_run(findings):
        raise typer.Exit(1)
