"""`fleetpulse rules`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Check and show packs of rules.")
RulesFile = Annotated[
    Path | None, typer.Option(envvar="FLEETPULSE_RULES", help="pack of rules; the default pack without")
]


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="the pack, YAML")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    parsed: Annotated[bool, typer.Option("--parsed", help="with --json, also the pack, defaults filled in")] = False,
) -> None:
    """Say whether a pack can be used; errors as FILE:LINE:COLUMN, exit code 2.

    Example:  fleetpulse rules check my-rules.yaml
    """
    import json
    from dataclasses import asdict

    from streams.rules.load import RulesError, load_pack

    try:
        pack = load_pack(file)
    except RulesError as error:
        if as_json:
            found = {"valid": False, "file": str(file), "errors": [asdict(place) for place in error.places]}
            typer.echo(json.dumps(found))
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    found = {"valid": True, "file": str(file), "rules": len(pack.rules)}
    if parsed:
        found["pack"] = pack.model_dump(mode="json", by_alias=True, exclude_none=True)
    typer.echo(json.dumps(found) if as_json else f"{file}: {len(pack.rules)} rules, no errors")


@app.command()
def show(
    *,
    rules: RulesFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    written: Annotated[bool, typer.Option("--written", help="as it is written, with its comments")] = False,
) -> None:
    """The pack in force, defaults filled in.

    Example:  fleetpulse rules show --rules my-rules.yaml
    """
    import yaml

    from streams.rules.load import pack_of, text_of

    if written:
        typer.echo(text_of(rules), nl=False)
        return
    pack = pack_of(rules)
    if as_json:
        typer.echo(pack.model_dump_json(by_alias=True, exclude_none=True))
        return
    typer.echo(yaml.safe_dump(pack.model_dump(mode="json", by_alias=True, exclude_none=True), sort_keys=False))
