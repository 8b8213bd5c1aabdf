"""`fleetpulse topics`: create the catalogue's topics, list what is there, check the one against the other."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from infra.provisioning.compare import Finding

app = typer.Typer(help="The topics on the broker.", no_args_is_help=True, add_completion=False)

Bootstrap = Annotated[
    str | None, typer.Option("--broker", help="HOST:PORT[,HOST:PORT]; default FLEETPULSE_BOOTSTRAP, else the local one")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Partitions = Annotated[int | None, typer.Option(min=1, max=1024, help="default FLEETPULSE_PARTITIONS")]
Replication = Annotated[int | None, typer.Option(min=1, max=9, help="default FLEETPULSE_REPLICATION")]


def _bootstrap(named: str | None) -> str:
    """The address to talk to. Raises `BrokerUnreachableError` when none is named and no local broker serves."""
    from infra.broker.record import serving
    from infra.runtime.errors import BrokerUnreachableError
    from infra.runtime.settings import load_settings

    settings = load_settings(bootstrap=named)
    if settings.bootstrap:
        return settings.bootstrap
    local = serving(settings.data_dir)
    if local is None:
        raise BrokerUnreachableError(
            f"no broker is named, and none serves {settings.data_dir}",
            setting="--broker or FLEETPULSE_BOOTSTRAP",
            way_out="Start one with `fleetpulse broker start`, or name its address",
        )
    return local.bootstrap


@app.command()
def create(
    broker: Bootstrap = None,
    partitions: Partitions = None,
    replication: Replication = None,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing; refuses when one that exists has another number of partitions.

    Example:  fleetpulse topics create --broker 127.0.0.1:9092 --partitions 12
    """
    from infra.provisioning.plan import plan_topics
    from infra.provisioning.topics import provision
    from infra.runtime.settings import load_settings

    plans = plan_topics(load_settings(partitions=partitions, replication=replication))
    created = asyncio.run(provision(_bootstrap(broker), plans))
    if as_json:
        typer.echo(json.dumps({"created": created, "already_there": len(plans) - len(created)}))
        return
    for name in created:
        typer.echo(f"created {name}")
    typer.echo(f"{len(created)} created, {len(plans) - len(created)} were there")


@app.command(name="list")
def list_all(broker: Bootstrap = None, as_json: AsJson = False) -> None:
    """List every topic on the broker with its number of partitions.

    Example:  fleetpulse topics list
    """
    from infra.provisioning.topics import list_topics

    found = asyncio.run(list_topics(_bootstrap(broker)))
    if as_json:
        typer.echo(json.dumps([{"topic": name, "partitions": count} for name, count in sorted(found.items())]))
        return
    for name, count in sorted(found.items()):
        typer.echo(f"{count:5d}  {name}")


@app.command()
def check(broker: Bootstrap = None, partitions: Partitions = None, as_json: AsJson = False) -> None:
    """Compare the topics with the catalogue; exit code 1 when one is missing, 2 when partitions differ.

    Example:  fleetpulse topics check
    """
    from infra.provisioning.compare import require_no_mismatch
    from infra.provisioning.plan import plan_topics
    from infra.provisioning.topics import inspect
    from infra.runtime.settings import load_settings

    findings = asyncio.run(inspect(_bootstrap(broker), plan_topics(load_settings(partitions=partitions))))
    _tell(findings, as_json)
    require_no_mismatch(findings)
    if any(f.state == "missing" for f in findings):
        raise typer.Exit(1)


def _tell(findings: list[Finding], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([{**asdict(f), "state": f.state} for f in findings]))
        return
    for f in findings:
        there = "not there" if f.found is None else f"{f.found} partitions"
        typer.echo(f"{f.state:8s}  {f.name}: {there}, expected {f.expected}")


@app.command()
def docs(
    output: Annotated[Path | None, typer.Option(help="write to this file; default: standard output")] = None,
) -> None:
    """Write the reference of the topics: fields, types, units, meaning; in Markdown.

    Example:  fleetpulse topics docs --output docs/topics.md
    """
    from infra.provisioning.document import topics_page

    if output is None:
        typer.echo(topics_page(), nl=False)
    else:
        output.write_text(topics_page(), encoding="utf-8")
