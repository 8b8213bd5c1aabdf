"""`fleetpulse keys`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from infra.access.desk import KeyDesk, Made, Wanted
    from infra.access.directory import KeyDirectory
    from infra.access.keys import KeyRecord
    from infra.runtime.narrow import Narrowable

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Keys for gateway and API: who may write for which agents, who may read.  Example:  fleetpulse keys list",
)

Bootstrap = Annotated[
    str | None, typer.Option(help="HOST:PORT of the brokers; default FLEETPULSE_BOOTSTRAP, else that of DATA_DIR")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text")]
Which = Annotated[str, typer.Argument(metavar="KEY", help="its look-up part, its name, or its text")]
Name = Annotated[str, typer.Option(help="what it is for, for people")]
Role = Annotated[str, typer.Option(help="ingest (writes), viewer, operator (reads, acts on alerts) or admin")]
Tenant = Annotated[str | None, typer.Option(help="user_id that it is limited to; none: the whole fleet")]
Agents = Annotated[
    list[str] | None, typer.Option("--agent", help="agent that it writes for, or a pattern: crawler-*; may be repeated")
]
Expires = Annotated[str | None, typer.Option(help="how long it lives: 12h, 90d; default: until it is revoked")]
Sql = Annotated[bool, typer.Option("--sql", help="may ask in SQL, too, of what its tenant owns")]


@app.command()
def create(
    name: Name,
    role: Role,
    tenant: Tenant = None,
    agent: Agents = None,
    expires: Expires = None,
    sql: Sql = False,
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. Its text is shown this once and kept nowhere.

    Example:  fleetpulse keys create --name crawler --role ingest --tenant acme --agent 'crawler-*' --expires 90d
    """
    from infra.runtime.asked import run_asked

    _print_made(
        run_asked(_desk(bootstrap).create(_wanted(name, role, tenant, agent, expires, sql=sql))), as_json=as_json
    )


@app.command(name="list")
def list_keys(bootstrap: Bootstrap = None, as_json: AsJson = False) -> None:
    """Who has keys, what they may, when they were used last. No secrets.

    Example:  fleetpulse keys list
    """
    import time

    from infra.runtime.asked import run_asked

    directory, now_s = run_asked(_desk(bootstrap).directory()), time.time()
    rows = [_row(directory, record, now_s) for record in directory.records()]
    if as_json:
        _print_json({"keys": rows, "refused_records": directory.refused})
        return
    from infra.runtime.narrow import wide_console

    wide_console().print(_table(rows))
    if directory.refused:
        typer.echo(
            f"{directory.refused} records of the topic are not of this server's secret and do not count", err=True
        )


@app.command()
def rotate(
    key: Which,
    keep: Annotated[str, typer.Option(help="how long the old one lives beside the new one")] = "24h",
    expires: Expires = None,
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """Make a successor of a key; both live until the old one's time is over.

    Example:  fleetpulse keys rotate crawler --keep 24h
    """
    from infra.runtime.asked import run_asked
    from infra.runtime.durations import parse_duration_s

    keep_s = parse_duration_s(keep, "--keep", or_zero=True)
    lives_s = None if expires is None else parse_duration_s(expires, "--expires")
    _print_made(run_asked(_desk(bootstrap).rotate(key, keep_s, lives_s)), as_json=as_json)


@app.command()
def revoke(key: Which, bootstrap: Bootstrap = None, as_json: AsJson = False) -> None:
    """End a key now: gateways and APIs refuse it within a second.

    Example:  fleetpulse keys revoke crawler
    """
    from infra.runtime.asked import run_asked

    record = run_asked(_desk(bootstrap).revoke(key))
    if as_json:
        _print_json(_public(record))
        return
    typer.echo(f"revoked {record.lookup} ({_shown(record.name)})")


@app.command()
def ensure(
    file: Annotated[Path, typer.Option(help="where the key's text is kept, for its owner alone (0600)")],
    name: Name = "local admin",
    role: Role = "admin",
    tenant: Tenant = None,
    agent: Agents = None,
    expires: Expires = None,
    sql: Sql = False,
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """See that a file holds a key that lives, and make one where it does not; for scripts. The key is not printed.

    Example:  fleetpulse keys ensure --file .fleetpulse/admin.key
    """
    from infra.runtime.asked import run_asked

    wanted = _wanted(name, role, tenant, agent, expires, sql=sql)
    made = run_asked(_desk(bootstrap).ensure(wanted, file))
    if as_json:
        _print_json(
            {"file": str(file), "made": made is not None, "key": None if made is None else _public(made.record)}
        )
        return
    typer.echo(f"{file}: {'holds a key that lives' if made is None else f'made {made.record.lookup}'}")


def _desk(bootstrap: str | None) -> KeyDesk:
    import getpass

    from infra.access.desk import KeyDesk
    from infra.access.secret import server_secret
    from infra.runtime.logs import configure_logs
    from infra.runtime.settings import load_settings
    from infra.runtime.which_broker import bootstrap_of

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format, "keys")
    where = bootstrap_of(bootstrap)
    return KeyDesk(where, server_secret(settings.data_dir, where), f"local:{getpass.getuser()}")


def _wanted(
    name: str, role: str, tenant: str | None, agents: list[str] | None, expires: str | None, *, sql: bool
) -> Wanted:
    from infra.access.desk import Wanted
    from infra.access.keys import LETTERS
    from infra.runtime.durations import parse_duration_s
    from infra.runtime.errors import SettingError

    known = next((known for known in LETTERS if known == role), None)
    if known is None:
        raise SettingError(f"there is no role {role!r}", setting="--role", way_out=f"Choose from {', '.join(LETTERS)}")
    lives_s = None if expires is None else parse_duration_s(expires, "--expires")
    return Wanted(name, known, tenant, tuple(agents or ()), sql, lives_s)


def _public(record: KeyRecord) -> dict[str, Any]:
    return record.model_dump(mode="json", exclude={"hash", "seal", "secret_id"})


def _row(directory: KeyDirectory, record: KeyRecord, now_s: float) -> dict[str, Any]:
    from infra.access.desk import state_of
    from infra.access.keys import moment

    used_s = directory.last_used_s(record.lookup)
    used = None if used_s is None else moment(used_s).isoformat()
    return _public(record) | {"state": state_of(directory, record, now_s), "last_used": used}


def _print_made(made: Made, *, as_json: bool) -> None:
    if as_json:
        replaced = None if made.replaced is None else _public(made.replaced)
        _print_json({"key": made.text, **_public(made.record), "replaced": replaced})
        return
    typer.echo(made.text)
    typer.echo("This is shown once: keep it where only its user can read it.", err=True)
    if made.replaced is not None and made.replaced.expires is not None:
        typer.echo(f"{made.replaced.lookup} lives on until {made.replaced.expires:%Y-%m-%d %H:%M} UTC.", err=True)


def _print_json(document: object) -> None:
    import json

    typer.echo(json.dumps(document, indent=2))


def _shown(text: str) -> str:
    from infra.runtime.text import printable

    return printable(text)


def _table(rows: list[dict[str, Any]]) -> Narrowable:
    from rich.table import Table

    from infra.runtime.narrow import Narrowable

    table = Table(box=None, pad_edge=False)
    for heading in ("KEY", "NAME", "ROLE", "TENANT", "AGENTS", "STATE", "EXPIRES", "LAST USED"):
        table.add_column(heading)
    for row in rows:
        role = row["role"] + (" +sql" if row["sql"] else "")
        agents = ", ".join(row["agents"]) or "all"
        cells = (
            row["lookup"],
            row["name"],
            role,
            row["tenant"] or "whole fleet",
            agents if row["role"] == "ingest" else "",
        )
        times = (_minute(row["expires"]), _minute(row["last_used"]))
        table.add_row(*map(_shown, (*cells, row["state"], *times)))
    return Narrowable(table)


def _minute(iso: str | None) -> str:
    return "never" if iso is None else iso[:16].replace("T", " ")
