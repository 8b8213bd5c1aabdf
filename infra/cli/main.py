"""`fleetpulse`: finds its commands by entry point, loads one when it is called, turns our errors into one line.

A command is an entry point of group `fleetpulse.commands` that names a Typer app (a group of commands) or a function
(one command). A group NAME may have further commands, of other parts of the house: entry points of group
`fleetpulse.commands.NAME`, functions all. Modules with commands import what is heavy inside the function, so that
`--help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from infra.runtime.errors import EXIT_USER_ERROR, FleetpulseError

GROUP = "fleetpulse.commands"


def _command(name: str, function: Callable[..., None], **more: Any) -> typer.Typer:  # noqa: ANN401  # Typer's own options
    """One function as an app."""
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    single.command(name=name, **more)(function)
    return single


def load(entry: EntryPoint) -> typer.Typer:
    """The app of a command, with what other parts add to its group. Raises `ModuleNotFoundError`."""
    loaded: Any = entry.load()
    if not isinstance(loaded, typer.Typer):
        return _command(entry.name, loaded)
    known = {command.name for command in loaded.registered_commands}
    for added in entry_points(group=f"{GROUP}.{entry.name}"):
        if added.name not in known:
            loaded.command(added.name)(added.load())
    return loaded


class EntryPointGroup(TyperGroup):
    """A group whose members are entry points."""

    # Typer brings a Click of its own under a private name, so its types are left open here.

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401  # see above
        del ctx
        return sorted(entry.name for entry in entry_points(group=GROUP))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401  # see above
        del ctx
        for entry in entry_points(group=GROUP):
            if entry.name == cmd_name:
                try:
                    loaded = load(entry)
                except ModuleNotFoundError as error:
                    loaded = _missing(cmd_name, error)
                command = typer.main.get_command(loaded)
                command.name = cmd_name
                return command
        return None


def _not_installed(error: ModuleNotFoundError, who: str) -> FleetpulseError:
    """What to say of a module that is not there."""
    return FleetpulseError(
        f"{who} needs the module {error.name}, which is not installed",
        way_out="Install the extra that has it: pip install 'fleetpulse[all]'",
    )


def _missing(name: str, error: ModuleNotFoundError) -> typer.Typer:
    """A command that says which part is not installed, in place of one that cannot be loaded."""

    def complain() -> None:
        raise _not_installed(error, f"`fleetpulse {name}`")

    takes_anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    return _command(
        name,
        complain,
        help=f"(not installed: {error.name})",
        add_help_option=False,
        context_settings=takes_anything,
    )


app = typer.Typer(
    cls=EntryPointGroup,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Watch fleets of AI agents: events in, trust, anomalies and heartbeats out, Parquet and SQL at the end.

    Begin with:  fleetpulse up
    """


_OURS = frozenset({"infra", "producers", "schemas", "sinks", "streams"})


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except FleetpulseError as error:
        _end(error)
    except ModuleNotFoundError as error:
        # Commands import what is heavy when they are called, so a part that is not installed shows here too.
        if error.name is None or error.name.split(".")[0] in _OURS:
            raise
        _end(_not_installed(error, "this command"))


def _end(error: FleetpulseError) -> NoReturn:
    sys.stderr.write(f"fleetpulse: {error}\n")
    sys.exit(EXIT_USER_ERROR)
