"""What the example agent can do. Every tool can fail, and says so by `ToolError`."""

from __future__ import annotations

import random
from pathlib import Path

from producers.example.corpus import text_files
from producers.example.retrieval import Index

BUSY_SHARE = 0.25
MAX_LINES = 40


class ToolError(Exception):
    """A tool could not do its work. `code` is a short stable word."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class Toolbox:
    """The tools over one project's files. Paths never leave the project's folder."""

    def __init__(self, root: Path, index: Index, rng: random.Random) -> None:
        self._root = root.resolve()
        self._index = index
        self._rng = rng

    def search_files(self, question: str) -> str:
        """`path:line` of the passages nearest to a question, best first, one a line."""
        found = self._index.rank(question, 3)
        if not found:
            raise ToolError("nothing_found", "no passage has any of the words")
        return "\n".join(f"{passage.path}:{passage.line}" for passage in found)

    def read_file(self, place: str) -> str:
        """The passage at `path:line`, or the beginning of `path`."""
        name, _, line = place.partition(":")
        known = [p.text for p in self._index.passages if p.path == name and str(p.line) == line]
        return known[0] if known else "\n".join(self._lines(name)[:MAX_LINES])

    def count_lines(self, suffix: str) -> str:
        """How many lines the project's files with a suffix have."""
        files = [path for path in text_files(self._root) if path.name.endswith(suffix)]
        if not files:
            raise ToolError("nothing_found", f"no file ends with {suffix}")
        return str(sum(len(path.read_text(encoding="utf-8", errors="replace").splitlines()) for path in files))

    def glossary(self, word: str) -> str:
        """How often a word stands in the project. Stands for a service that is often busy."""
        if self._rng.random() < BUSY_SHARE:
            raise ToolError("busy", "the glossary has no free connection")
        count = sum(passage.text.lower().count(word.lower()) for passage in self._index.passages)
        return f"“{word}” stands {count} times in the project"

    def _lines(self, name: str) -> list[str]:
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root):
            raise ToolError("forbidden", f"{name} is outside the project")
        try:
            return path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise ToolError("not_found", f"cannot read {name}: {error.strerror}") from error
