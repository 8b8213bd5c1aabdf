"""A pack from YAML: every error says file, line and column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from infra.runtime.errors import FleetpulseError
from streams.rules.model import Pack

DEFAULT = "default.yaml"
_MOST_BYTES = 1_000_000
Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One error: 1-based line and column, the way to the value in the document, what is wrong."""

    line: int
    column: int
    where: str
    problem: str


class RulesError(FleetpulseError):
    """A pack that cannot be used; `places` says why, `str` is one line for each."""

    def __init__(self, name: str, places: list[Place]) -> None:
        self.name, self.places = name, places
        lines = [f"{name}:{p.line}:{p.column}: {p.where + ': ' if p.where else ''}{p.problem}" for p in places]
        super().__init__("\n".join(lines))


def load_pack(path: Path) -> Pack:
    """The pack in a file. Raises `RulesError`."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise RulesError(str(path), [Place(1, 1, "", f"larger than {_MOST_BYTES} bytes")])
        return parse_pack(raw.decode(), str(path))
    except OSError as error:
        raise RulesError(str(path), [Place(1, 1, "", error.strerror or str(error))]) from error
    except UnicodeDecodeError as error:
        raise RulesError(str(path), [Place(1, 1, "", f"not UTF-8: {error.reason} at byte {error.start}")]) from error


@cache
def default_pack() -> Pack:
    """The pack that comes with the program."""
    return parse_pack(files("streams.rules").joinpath(DEFAULT).read_text(), DEFAULT)


def pack_of(path: Path | None) -> Pack:
    """The pack in a file, or the one that comes with the program. Raises `RulesError`."""
    return default_pack() if path is None else load_pack(path)


def parse_pack(text: str, name: str) -> Pack:
    """The pack in a text; `name` stands in errors. Raises `RulesError`."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        doubles = list(_doubles(root))
        value = None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise RulesError(name, [Place(line, column, "", error.problem or str(error))]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RulesError(name, [Place(1, 1, "", f"not YAML: {error}")]) from error
    if doubles:
        raise RulesError(name, doubles)
    try:
        return Pack.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False)
        within = [item["loc"] for item in found]
        own = [item for item in found if not any(_inside(other, item["loc"]) for other in within)]
        places = [_place(root, item["loc"], item["msg"]) for item in own]
        raise RulesError(name, places) from error


class _Loader(yaml.SafeLoader):
    """Without aliases: a short text could otherwise stand for a huge document."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # its stub has no types
            raise yaml.composer.ComposerError(None, None, "aliases are not read", event.start_mark)
        return super().compose_node(parent, index)


def _doubles(node: yaml.Node | None) -> Iterator[Place]:
    """Keys that stand twice in one mapping: YAML would take the last without a word."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                yield Place(key.start_mark.line + 1, key.start_mark.column + 1, name, "stands here twice")
            seen.add(name)
            yield from _doubles(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _doubles(item)


def _inside(one: Path_, other: Path_) -> bool:
    """Whether one location lies within another: what is wrong inside explains what is wrong around it."""
    return len(one) > len(other) and one[: len(other)] == other


def _place(root: yaml.Node | None, path: Path_, problem: str) -> Place:
    """Where the value of a pydantic location begins; the nearest that is there for one that is missing."""
    where, node, key = "", root, root
    if path[:1] == ("rules",):
        path = path[:2] + path[3:]  # pydantic names the kind of the rule, the document does not
    for step in path:
        found, at = _step(node, step)
        where += f"[{step}]" if isinstance(step, int) else f".{step}" if where else str(step)
        if found is None:
            break
        node, key = found, at
    mark: Any = key.start_mark if key is not None else None
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    return Place(line, column, where, problem.removeprefix("Value error, "))


def _step(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return value, key
    return None, None
