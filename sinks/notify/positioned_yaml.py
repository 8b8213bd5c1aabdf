"""A YAML document that knows where each value stands, and takes secrets from the environment.

`${NAME}` in a value is the environment variable NAME; `$${` is a plain `${`. It is put in after parsing, so that what a
variable holds can never become YAML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]
_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DEEPEST = 30


class YamlMistakeError(Exception):
    """What is wrong and where; `line` and `column` count from 1."""

    def __init__(self, text: str, line: int, column: int) -> None:
        self.text, self.line, self.column = text, line, column
        super().__init__(f"line {line}, column {column}: {text}")


@dataclass(frozen=True)
class Document:
    """`value` as plain lists, dicts and scalars; `places` gives line and column, from 1, of every path in it."""

    value: Any
    places: Mapping[Path, tuple[int, int]]

    def place(self, path: Path) -> tuple[int, int]:
        """Where a path stands, or the nearest value around it; keys that a validator made up are skipped."""
        known: Path = ()
        for part in path:
            known = (*known, part) if (*known, part) in self.places else known
        return self.places.get(known, (1, 1))


def parse(text: str, environment: Mapping[str, str]) -> Document:
    """Parse YAML 1.1's safe subset. Raises `YamlMistakeError`: syntax, double keys, aliases, missing variables."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise YamlMistakeError(str(error.problem or "not YAML"), line, column) from error
    except yaml.YAMLError as error:
        raise YamlMistakeError("not YAML: a character that YAML does not allow", 1, 1) from error
    reader = _Reader(environment)
    return Document(None if node is None else reader.read(node, ()), reader.places)


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.places: dict[Path, tuple[int, int]] = {}
        self._environment = environment
        self._scalars = yaml.SafeLoader("")

    def read(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401  # whatever the document holds
        """The value of a node."""
        if len(path) > _DEEPEST:
            raise _mistake("nested too deeply", node)
        self.places[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise _mistake("a key has to be a plain word", key)
            if key.value in found:
                raise _mistake(f"{key.value} stands here twice", key)
            found[key.value] = self.read(child, (*path, key.value))
        return found

    def _scalar(self, node: yaml.Node) -> Any:  # noqa: ANN401  # text, number, bool or None
        if not node.tag.startswith("tag:yaml.org,2002:"):
            raise _mistake("tags are not allowed", node)
        try:
            value = self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise _mistake("not a value that can be read", node) from error
        return self._filled(value, node) if isinstance(value, str) else value

    def _filled(self, text: str, node: yaml.Node) -> str:
        def fill(match: re.Match[str]) -> str:
            name = match[1]
            if name is None:
                return "${"
            if not self._environment.get(name):
                raise _mistake(f"the environment variable {name} is not set", node)
            return self._environment[name]

        return _VARIABLE.sub(fill, text)


def _mistake(text: str, node: yaml.Node) -> YamlMistakeError:
    return YamlMistakeError(text, node.start_mark.line + 1, node.start_mark.column + 1)
