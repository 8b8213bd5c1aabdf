"""What the example agent knows: the texts of a project, cut into passages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = frozenset({".md", ".py", ".avsc", ".toml", ".txt"})
_SKIPPED = frozenset({"node_modules", "tests", "build", "dist", "__pycache__"})
_LEFT_OUT = frozenset({"questions.py"})
MAX_FILES = 2_000
MAX_FILE_BYTES = 200_000
PASSAGE_CHARS = 900


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a file: `path` relative to the root, `line` of its beginning, from 1."""

    path: str
    line: int
    text: str


def project_root() -> Path:
    """This project's folder where the agent runs from its sources, else the current folder."""
    here = Path(__file__).resolve().parents[2]
    return here if (here / "pyproject.toml").is_file() else Path.cwd()


def text_files(root: Path) -> Iterator[Path]:
    """The text files of a project, hidden and generated folders left out; at most `MAX_FILES`."""
    found = 0
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if n not in _SKIPPED and not n.startswith(".") and "egg-info" not in n)
        for name in sorted(files):
            path = Path(folder, name)
            if name not in _LEFT_OUT and path.suffix in SUFFIXES and path.stat().st_size <= MAX_FILE_BYTES:
                yield path
                found += 1
                if found == MAX_FILES:
                    return


def read_passages(root: Path) -> list[Passage]:
    """All passages of a project. Files that are not UTF-8 are read with replacement characters."""
    passages: list[Passage] = []
    for path in text_files(root):
        text = path.read_text(encoding="utf-8", errors="replace")
        passages += cut(str(path.relative_to(root)), text)
    return passages


def cut(path: str, text: str) -> Iterator[Passage]:
    """Passages of whole paragraphs, up to about `PASSAGE_CHARS`; a heading begins a new one."""
    block: list[str] = []
    first = 1
    size = 0
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        begins_anew = line.startswith(("#", "def ", "class ", "async def "))
        if block and (begins_anew or (not line.strip() and size > PASSAGE_CHARS / 2) or size > PASSAGE_CHARS):
            yield Passage(path, first, "\n".join(block).strip("\n"))
            block, size = [], 0
        if not block:
            first = number
        if line.strip() or block:
            block.append(line)
            size += len(line) + 1
    if any(line.strip() for line in block):
        yield Passage(path, first, "\n".join(block).strip("\n"))
