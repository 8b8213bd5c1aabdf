"""A pack from YAML: every error says file, line and column."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infra.runtime.errors import FleetpulseError
from infra.runtime.placed_errors import mistakes_of
from infra.runtime.positioned_yaml import (
    Document,
    Mistake,
    Way,
    YamlMistakeError,
    parse_document,
    read_document,
    spelled,
)
from streams.rules.model import Pack
from streams.rules.named import named

DEFAULT = "default.yaml"
_BEGIN = "`fleetpulse rules show > my-rules.yaml` writes the default pack, to begin with"


class RulesError(FleetpulseError):
    """A pack that cannot be used; `places` says why, `str` is one line for each, or one of a file that is not read.

    Where it is wrong is told with the names of `document`, as far as that was read.
    """

    def __init__(
        self,
        name: str,
        places: Sequence[Mistake],
        document: Any = None,  # noqa: ANN401  # whatever was written
        *,
        unread: bool = False,
    ) -> None:
        self.name, self.places = name, tuple(named(place, document) for place in places)
        if unread:
            super().__init__(f"cannot read {name}: {places[0].problem}", way_out=_BEGIN)
            return
        lines = [f"{name}:{p.line}:{p.column}: {p.where + ': ' if p.where else ''}{p.problem}" for p in self.places]
        super().__init__("\n".join(lines))


def load_pack(path: Path) -> Pack:
    """The pack in a file. Raises `RulesError`."""
    try:
        return _pack(read_document(path), str(path))
    except YamlMistakeError as error:
        raise RulesError(str(path), error.mistakes, error.value) from error
    except OSError as error:
        raise _unread(path, error) from error


def _unread(path: Path, error: OSError | UnicodeDecodeError) -> RulesError:
    said = error.strerror if isinstance(error, OSError) else None
    return RulesError(str(path), [Mistake(1, 1, "", said or str(error))], unread=True)


@cache
def default_pack() -> Pack:
    """The pack that comes with the program."""
    return parse_pack(text_of(None), DEFAULT)


def text_of(path: Path | None) -> str:
    """A pack as it is written, the one that comes with the program without `path`. Raises `RulesError`."""
    if path is None:
        return files("streams.rules").joinpath(DEFAULT).read_text(encoding="utf-8")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unread(path, error) from error


def pack_of(path: Path | None) -> Pack:
    """The pack in a file, or the one that comes with the program. Raises `RulesError`."""
    return default_pack() if path is None else load_pack(path)


def parse_pack(text: str, name: str) -> Pack:
    """The pack in a text; `name` stands in errors. Raises `RulesError`."""
    try:
        return _pack(parse_document(text), name)
    except YamlMistakeError as error:
        raise RulesError(name, error.mistakes, error.value) from error


def _pack(document: Document, name: str) -> Pack:
    """Names that stand twice are told beside whatever else is wrong. Raises `RulesError`."""
    twice = _names_twice(document)
    try:
        pack = Pack.model_validate(document.value)
    except ValidationError as error:
        mistakes = [*mistakes_of(error, Pack, document), *twice]
        mistakes.sort(key=lambda each: (each.line, each.column))
        raise RulesError(name, mistakes, document.value) from error
    if twice:
        raise RulesError(name, twice, document.value)
    return pack


def _names_twice(document: Document) -> list[Mistake]:
    """Rules whose name an earlier one has, also in a document that is not a pack yet."""
    rules = document.value.get("rules") if isinstance(document.value, dict) else None
    lines: dict[str, int] = {}
    found = []
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        name = rule.get("name") if isinstance(rule, dict) else None
        if not isinstance(name, str):
            continue
        way: Way = ("rules", index, "name")
        line, column = document.place(way)
        if name in lines:
            found.append(Mistake(line, column, spelled(way), f"the rule of line {lines[name]} is called so already"))
        lines.setdefault(name, line)
    return found
