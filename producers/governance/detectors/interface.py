"""What a detector is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Hit(NamedTuple):
    """`text[start:end]` of the text that the detector was given."""

    start: int
    end: int
    kind: str


class Detector(Protocol):
    """Finds values of some kinds. Time at most linear in the length of the text; never raises for any text."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that it can find."""

    def find(self, text: str) -> Iterator[Hit]:
        """Values in `text`, which `producers.governance.folding.folded` made; in any order; they may overlap."""
