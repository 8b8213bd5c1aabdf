"""`fleetpulse`: finds its commands by entry point, loads one when it is called, turns our errors into one line.

A command is an entry point of group `fleetpulse.commands` that names a Typer app (a group of commands) or a function
(one command). Modules with commands import what is heavy inside the function, so that `--help` is quick.
"""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points

import click
import typer
from typer.core import TyperGroup

from infra.runtime.errors import EXIT_USER_ERROR, FleetpulseError

GROUP = "fleetpulse.commands"


def _to_click(entry: EntryPoint) -> click.Command:
    loaded = entry.load()
    if not isinstance(loaded, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command(name=entry.name)(loaded)
        loaded = app
    command = typer.main.get_command(loaded)
    command.name = entry.name
    return command


class EntryPointGroup(TyperGroup):
    """A group whose members are entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(entry.name for entry in entry_points(group=GROUP))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        for entry in entry_points(group=GROUP):
            if entry.name == cmd_name:
                try:
                    return _to_click(entry)
                except ModuleNotFoundError as error:
                    return _missing(cmd_name, error)
        return None


def _missing(name: str, error: ModuleNotFoundError) -> click.Command:
    """A command that says which part is not installed, in place of one that cannot be loaded."""

    def complain() -> None:
        raise FleetpulseError(
            f"`fleetpulse {name}` needs the module {error.name}, which is not installed",
            way_out="Install the extra that has it: pip install 'fleetpulse[all]'",
        )

    return click.Command(name, callback=complain, help=f"(not installed: {error.name})", add_help_option=False)


app = typer.Typer(cls=EntryPointGroup, add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def _root() -> None:
    """Watch fleets of AI agents: events in, trust, anomalies and heartbeats out, Parquet and SQL at the end.

    Begin with:  fleetpulse up
    """


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except FleetpulseError as error:
        sys.stderr.write(f"fleetpulse: {error}\n")
        sys.exit(EXIT_USER_ERROR)
