"""`fleetpulse schemas`: check that the schemas may evolve as they do, list them, release a version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="The Avro schemas and their released versions.", no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@dataclass(frozen=True)
class Standing:
    """One schema: its released versions, and what is wrong with the current file (empty: nothing)."""

    name: str
    versions: tuple[int, ...]
    problems: tuple[str, ...]
    unreleased: bool


def avsc_folder() -> Path:
    """The folder of the current schemas."""
    from importlib import resources

    return Path(str(resources.files("schemas").joinpath("avsc")))


def read_schema(folder: Path, name: str) -> dict[str, Any]:
    """The current schema `name` of `folder`. Raises `SettingError` when there is none or it is not JSON."""
    from infra.runtime.errors import SettingError

    path = folder / f"{name}.avsc"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(sorted(p.stem for p in folder.glob("*.avsc")))
        raise SettingError(f"there is no schema {name}", setting="NAME", way_out=f"There are: {known}") from error
    except ValueError as error:
        raise SettingError(f"{path.name} is not JSON: {error}", way_out="Correct the file") from error
    return found


def read_released(folder: Path, name: str) -> dict[int, dict[str, Any]]:
    """The released versions of schema `name` by number, oldest first."""
    paths = {int(p.name.split(".")[-2][1:]): p for p in (folder / "released").glob(f"{name}.v*.avsc")}
    return {number: json.loads(paths[number].read_text(encoding="utf-8")) for number in sorted(paths)}


def standing(folder: Path, name: str) -> Standing:
    """How schema `name` stands. Raises `SettingError` when it is not there."""
    from schemas.compatibility import house_problems, incompatibilities

    current, released = read_schema(folder, name), read_released(folder, name)
    named = {f"{name}.v{number}": schema for number, schema in released.items()}
    found = [str(p) for p in (*house_problems(current), *incompatibilities(current, named))]
    found += _envelope_problems(current)
    latest = list(released.values())[-1:]
    unreleased = not latest or _crc64(latest[0]) != _crc64(current)
    return Standing(name, tuple(released), tuple(found), unreleased)


def _envelope_problems(current: Mapping[str, Any]) -> list[str]:
    from schemas.catalogue import ENVELOPE
    from schemas.compatibility import envelope_problems
    from schemas.registry import load_schema

    return envelope_problems(current, ENVELOPE, load_schema("heartbeat").raw)


def _crc64(schema: Mapping[str, Any]) -> int:
    from schemas.registry import make_schema

    return make_schema(schema).crc64


def all_standings(folder: Path) -> list[Standing]:
    """How every schema of `folder` stands, by name."""
    return [standing(folder, path.stem) for path in sorted(folder.glob("*.avsc"))]


def release_schema(folder: Path, name: str) -> Path:
    """Write the current schema as its next version; returns the new file.

    Raises `SettingError` when it breaks a rule, or is what was released last.
    """
    from infra.runtime.errors import SettingError

    found = standing(folder, name)
    if found.problems:
        raise SettingError(f"{name} cannot be released: {'; '.join(found.problems)}", way_out="Correct the schema")
    if not found.unreleased:
        raise SettingError(f"{name} is what version {found.versions[-1]} already is", setting="NAME")
    path = folder / "released" / f"{name}.v{max(found.versions, default=0) + 1}.avsc"
    path.parent.mkdir(exist_ok=True)
    with path.open("x", encoding="utf-8") as file:  # a released version is never written again
        file.write((folder / f"{name}.avsc").read_text(encoding="utf-8"))
    return path


@app.command()
def check(as_json: AsJson = False) -> None:
    """Exit code 1 when a schema breaks a rule, cannot be read with a released version, or was not released.

    Example:  fleetpulse schemas check
    """
    found = all_standings(avsc_folder())
    told = [problem for s in found for problem in s.problems]
    told += [f"{s.name}: changed, release it with: fleetpulse schemas release {s.name}" for s in found if s.unreleased]
    if as_json:
        typer.echo(json.dumps({"schemas": len(found), "problems": told}))
    else:
        for line in told:
            typer.echo(line)
        typer.echo(
            f"{len(found)} schemas, {sum(len(s.versions) for s in found)} released versions, {len(told)} problems"
        )
    if told:
        raise typer.Exit(1)


@app.command(name="list")
def list_all(as_json: AsJson = False) -> None:
    """List the schemas: topic, number of fields, fingerprint, released versions.

    Example:  fleetpulse schemas list --json
    """
    from schemas.catalogue import TOPICS

    folder = avsc_folder()
    topics = {topic.schema: topic.name for topic in TOPICS.values()}
    rows = [_row(folder, s, topics) for s in all_standings(folder)]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        versions = ",".join(f"v{n}" for n in row["versions"])
        typer.echo(f"{row['name']:12s} {row['topic']:18s} {row['fields']:3d} fields  {row['crc64']}  {versions}")


def _row(folder: Path, found: Standing, topics: Mapping[str, str]) -> dict[str, Any]:
    schema = read_schema(folder, found.name)
    return {
        "name": found.name,
        "topic": topics.get(found.name, ""),
        "fields": len(schema["fields"]),
        "crc64": f"{_crc64(schema):016x}",
        "versions": list(found.versions),
        "unreleased": found.unreleased,
    }


@app.command()
def release(name: Annotated[str, typer.Argument(help="name of the schema, for example heartbeat")]) -> None:
    """Write the next version file of a schema, once it breaks no rule.

    Example:  fleetpulse schemas release heartbeat
    """
    path = release_schema(avsc_folder(), name)
    typer.echo(f"released {path.name}")
