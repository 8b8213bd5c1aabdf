"""A YAML document that knows where each value stands; the subset that settings need, and nothing that can blow up.

Refused, each with line and column: keys that stand twice (YAML would take the last without a word), aliases and merge
keys (a short text could otherwise stand for a huge document), tags, keys that are not plain words, several documents,
more than `MOST_BYTES`, more than `DEEPEST` levels, an empty file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.runtime.errors import FleetpulseError

MOST_BYTES = 1_000_000
DEEPEST = 30
_PLAIN = frozenset({"map", "seq", "str", "int", "float", "bool", "null", "timestamp"})
Way = tuple[str | int, ...]
"""Keys and indices from the root to a value."""
Fill = Callable[[str], str]
"""What becomes of each text value once it is parsed. Raises `ValueError` with what is wrong."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """`line` and `column` count from 1; `where`: the way to the value, as `rules[0].for`, empty at the root."""

    line: int
    column: int
    where: str
    problem: str


class YamlMistakeError(FleetpulseError):
    """What is wrong in a document, at least one mistake; `value`: as much of it as could be read, None: nothing."""

    def __init__(self, mistakes: list[Mistake], value: Any = None) -> None:  # noqa: ANN401  # whatever it holds
        self.mistakes, self.value = tuple(mistakes), value
        first = mistakes[0]
        super().__init__(f"line {first.line}, column {first.column}: {first.problem}")


@dataclass(frozen=True)
class Document:
    """`value` as plain lists, dicts and scalars; `places` and `keys`: line and column of each value and of its key."""

    value: Any
    places: Mapping[Way, tuple[int, int]]
    keys: Mapping[Way, tuple[int, int]]

    def place(self, way: Way) -> tuple[int, int]:
        """Where the value of a way stands, or of as much of the way as is there."""
        while way and way not in self.places:
            way = way[:-1]
        return self.places.get(way, (1, 1))

    def key_place(self, way: Way) -> tuple[int, int]:
        """Where the key stands that leads to a value; the value itself where it has no key."""
        return self.keys.get(way) or self.place(way)


def spelled(way: Way) -> str:
    """A way for people: `rules[0].for`."""
    text = ""
    for step in way:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read_document(path: Path, fill: Fill | None = None) -> Document:
    """The document of a file. Raises `YamlMistakeError`, and `OSError` where it cannot be read."""
    with path.open("rb") as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise YamlMistakeError([Mistake(1, 1, "", f"larger than {MOST_BYTES} bytes")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise YamlMistakeError([Mistake(line, column, "", f"not UTF-8: {error.reason}")]) from error
    return parse_document(text, fill)


def parse_document(text: str, fill: Fill | None = None) -> Document:
    """The document of a text. Raises `YamlMistakeError`."""
    if len(text.encode(errors="surrogatepass")) > MOST_BYTES:
        raise YamlMistakeError([Mistake(1, 1, "", f"larger than {MOST_BYTES} bytes")])
    try:
        root = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        # The cause would quote the line, which may hold a secret.
        raise YamlMistakeError([Mistake(line, column, "", _said(error))]) from None
    except yaml.YAMLError as error:
        raise YamlMistakeError([_unreadable(text)]) from error
    if root is None or root.tag == "tag:yaml.org,2002:null":
        raise YamlMistakeError([Mistake(1, 1, "", "is empty: begin it with `version: 1`")])
    reader = _Reader(fill or str)
    value = reader.read(root, ())
    if reader.mistakes:
        raise YamlMistakeError(reader.mistakes, value)
    return Document(value, reader.places, reader.keys)


def _said(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem or "not YAML")
    return "a tab: YAML is indented with blanks" if "'\\t'" in problem else problem


def _unreadable(text: str) -> Mistake:
    """Where the character stands that YAML's reader refuses (it tells an index alone, and not of the text)."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    before = text[: found.start()] if found else ""
    line = before.count("\n") + 1
    return Mistake(line, len(before) - before.rfind("\n"), "", "a character that YAML does not allow")


class _Loader(yaml.SafeLoader):
    """Refuses aliases and depth while composing, before they cost anything."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # its stub has no types
        mark: Any = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not read", mark)
        if self._depth > DEEPEST:
            raise yaml.composer.ComposerError(None, None, "nested too deeply", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Reader:
    """Nodes to values, in one walk that notes places and gathers mistakes."""

    def __init__(self, fill: Fill) -> None:
        self.places: dict[Way, tuple[int, int]] = {}
        self.keys: dict[Way, tuple[int, int]] = {}
        self.mistakes: list[Mistake] = []
        self._fill = fill
        self._scalars = yaml.SafeLoader("")

    def read(self, node: yaml.Node, way: Way) -> Any:  # noqa: ANN401  # whatever the document holds
        """The value of a node; None where a mistake was noted."""
        self.places[way] = _place(node)
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _PLAIN:
            return self._wrong(node, way, "tags are not allowed")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, way)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*way, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, way)

    def _mapping(self, node: yaml.MappingNode, way: Way) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                self._wrong(key, way, "a key has to be a plain word")
                continue
            inside = (*way, str(key.value))
            if key.value in found:
                self._wrong(key, inside, "stands here twice")
            self.keys[inside] = _place(key)
            found[key.value] = self.read(child, inside)
        return found

    def _scalar(self, node: yaml.Node, way: Way) -> Any:  # noqa: ANN401  # text, number, bool, date or None
        try:
            value = self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            return self._wrong(node, way, "not a value that can be read")
        if not isinstance(value, str):
            return value
        try:
            return self._fill(value)
        except ValueError as error:
            return self._wrong(node, way, str(error))

    def _wrong(self, node: yaml.Node, way: Way, problem: str) -> None:
        self.mistakes.append(Mistake(*_place(node), spelled(way), problem))


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
