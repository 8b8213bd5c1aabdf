"""What agents are filtered, grouped and sorted by, each as a number by slot: a status, a host, a label of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sinks.api.live.memory import Mask, Memory
from sinks.api.live.wordbook import NONE, Codes, WordBook, WordColumn
from sinks.api.live.words import UNKNOWN

LABEL: Final = "label:"
"""What stands before the name of a label."""
SHORT: Final = ("department", "owner", "tier")
"""Labels that need no `label:` before their name."""
FACETS: Final = ("deployment", "gateway", "host", "platform", "runtime_version", "status", "tenant", "version", *SHORT)
NAME_PATTERN: Final = f"^-?({'|'.join(FACETS)}|{LABEL}[^\\x00]{{1,100}})$"


@dataclass(frozen=True, slots=True)
class Facet:
    """`codes`: i4[len(memory)], numbers in `book`; 0: the agent has none."""

    codes: Codes
    book: WordBook

    def having(self, text: str) -> Mask:
        """bool[len]: whose text this is; the empty one: who has none."""
        mask: Mask = self.codes == self.book.find(text)
        return mask


def facet(memory: Memory, name: str) -> Facet:
    """The facet of a name of `FACETS`, or of `label:` and the name of a label. A label that nobody has is empty."""
    size = len(memory)
    if name.startswith(LABEL) or name in SHORT:
        return _cut(memory.labels.column(name.removeprefix(LABEL)), size)
    if name == "deployment":
        return Facet(memory.deployments(), memory.words)
    if name == "status":
        codes = memory.status.words["status"].codes[:size]
        return Facet(np.where(codes == NONE, np.int32(memory.words.code(UNKNOWN)), codes), memory.words)
    return _cut(_columns(memory)[name], size)


def _columns(memory: Memory) -> dict[str, WordColumn]:
    status, recent = memory.status.words, memory.recent.words
    return {
        "tenant": memory.tenants,
        "host": status["host"],
        "gateway": status["gateway"],
        "version": recent["version"],
        "platform": recent["platform"],
        "runtime_version": recent["runtime_version"],
    }


def _cut(column: WordColumn, size: int) -> Facet:
    return Facet(column.codes[:size], column.book)


def facets_of(memory: Memory, mask: Mask) -> list[str]:
    """Names of the facets that say anything of the agents in `mask`, labels last."""
    short = [name for name in SHORT if name in memory.labels.names()]
    others = [LABEL + name for name in memory.labels.names() if name not in SHORT]
    names = [*(name for name in FACETS if name not in SHORT), *short, *others]
    return [name for name in names if facet(memory, name).codes[mask].any()]
