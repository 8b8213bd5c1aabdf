"""Texts as numbers: what a fleet repeats (statuses, hosts, versions) is compared, grouped and sorted as integers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, overload

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int32]
"""i4[n]: number of the text of every row in a `WordBook`, 0 = none."""
NONE: Final = 0
NEVER_SEEN: Final = -1


class WordBook:
    """Numbers of texts in the order in which they came. No text and the empty text are the same: `NONE`."""

    def __init__(self) -> None:
        self.texts: list[str | None] = [None]
        self._codes: dict[str | None, int] = {None: NONE, "": NONE}
        self._ranks = np.zeros(0)

    def __len__(self) -> int:
        return len(self.texts)

    def codes(self, texts: Iterable[str | None]) -> Codes:
        """A number for each text; new ones get the next."""
        return np.fromiter(map(self.code, texts), np.int32)

    def code(self, text: str | None) -> int:
        """The number of a text, a new one where it has none yet."""
        code = self._codes.get(text)
        if code is None:
            code = self._codes[text] = len(self.texts)
            self.texts.append(text)
        return code

    def find(self, text: str | None) -> int:
        """The number of a text; `NEVER_SEEN`: nobody has it."""
        return self._codes.get(text, NEVER_SEEN)

    def ranks(self) -> npt.NDArray[np.float64]:
        """f8[len]: place of every number in the order of texts; none comes last."""
        if self._ranks.size != len(self.texts):
            order = sorted(range(1, len(self.texts)), key=self._text)
            self._ranks = np.empty(len(self.texts))
            self._ranks[[*order, NONE]] = np.arange(len(self.texts))
        return self._ranks

    def rank_of(self, text: str) -> float:
        """The place of a text; between two where it is none of them."""
        code = self.find(text)
        if code != NEVER_SEEN:
            return float(self.ranks()[code])
        return sum(known < text for known in self.texts if known is not None) - 0.5

    def _text(self, code: int) -> str:
        return self.texts[code] or ""

    def keep(self, used: Codes) -> Codes:
        """Forget all texts but those of `used`; i4[len before]: the new number of each old one, 0 of what is gone."""
        kept = np.union1d(used, [NONE]).astype(np.int32)
        renumbered = np.zeros(len(self.texts), np.int32)
        renumbered[kept] = np.arange(kept.size, dtype=np.int32)
        self.texts = [self.texts[code] for code in kept.tolist()]
        self._codes = {text: code for code, text in enumerate(self.texts)}
        self._codes[""] = NONE
        self._ranks = np.zeros(0)
        return renumbered


class WordColumn:
    """A growing column of texts; reads like an array of `str | None`, and `codes` are its numbers in `book`."""

    def __init__(self, book: WordBook) -> None:
        self.book = book
        self.codes: Codes = np.zeros(0, np.int32)

    @overload
    def __getitem__(self, rows: int) -> str | None: ...
    @overload
    def __getitem__(self, rows: npt.NDArray[Any] | slice) -> npt.NDArray[np.object_]: ...
    def __getitem__(self, rows: int | npt.NDArray[Any] | slice) -> str | npt.NDArray[np.object_] | None:
        """The text of a row, or those of several."""
        if isinstance(rows, int | np.integer):
            return self.book.texts[int(self.codes[rows])]
        codes = np.asarray(self.codes[rows])
        found = np.empty(codes.size, object)
        found[:] = [self.book.texts[code] for code in codes.tolist()]
        return found

    def __setitem__(self, rows: npt.NDArray[Any], texts: Iterable[str | None]) -> None:
        self.codes[rows] = self.book.codes(texts)

    def grow(self, size: int) -> None:
        """Have `size` rows; new ones have no text."""
        self.codes = np.concatenate([self.codes, np.zeros(size - self.codes.size, np.int32)])
