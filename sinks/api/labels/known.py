"""Labels and places of agents by slot, as the agents file has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from sinks.api.labels.file import Entry, is_plain
from sinks.api.live.wordbook import Codes, WordBook, WordColumn

_OTHERS: Final = ("tenant", "deployment", "host")
_WILD: Final = {"*": ".*", "?": "."}
_SPECIAL: Final = re.compile(r"[\\.+()|\[\]{}^$#&~-]")
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """Agents: `names` of `slots`, and the texts of their tenants, deployments and hosts as numbers in `book`."""

    slots: npt.NDArray[np.int64]
    names: Sequence[str]
    codes: Mapping[str, Codes]
    book: WordBook


class Labels:
    """`column` is by slot; `place`: f8[n, 3], x, y, z, NaN where none is told."""

    def __init__(self, entries: Sequence[Entry] = (), size: int = 0) -> None:
        self.entries = tuple(entries)
        self.follows_status = any(entry.deployment != "*" or entry.host != "*" for entry in entries)
        """Whether what agents are called is decided anew when their status changes."""
        self._book = WordBook()
        names = dict.fromkeys(name for entry in self.entries for name in entry.labels)
        self._columns = {name: WordColumn(self._book) for name in names}
        self._none = WordColumn(self._book)
        self.place: npt.NDArray[np.float64] = np.zeros((0, 3))
        self.grow(size)

    def grow(self, size: int) -> None:
        """Have room for `size` slots at least."""
        for column in (self._none, *self._columns.values()):
            column.grow(size)
        more = np.full((size - len(self.place), 3), np.nan)
        self.place = np.concatenate([self.place, more])

    def names(self) -> list[str]:
        """Names of all labels, in the order of the file."""
        return list(self._columns)

    def column(self, name: str) -> WordColumn:
        """Texts of a label by slot; none of any where no entry has it."""
        return self._columns.get(name, self._none)

    def of(self, slot: int) -> dict[str, str]:
        """The labels of one agent."""
        found = {name: column[slot] for name, column in self._columns.items()}
        return {name: text for name, text in found.items() if text is not None}

    def judge(self, rows: Rows) -> None:
        """Give these agents the labels and places that the entries say, and no others."""
        for column in self._columns.values():
            column.codes[rows.slots] = 0
        self.place[rows.slots] = np.nan
        for entry, mask in self._matches(rows):
            slots = rows.slots[mask]
            for name, text in entry.labels.items():
                self._columns[name].codes[slots] = self._book.code(text)
            if entry.position is not None:
                self.place[slots] = entry.position

    def _matches(self, rows: Rows) -> Iterable[tuple[Entry, Mask]]:
        by_name = _positions(rows.names) if any(is_plain(entry.match) for entry in self.entries) else {}
        names = pl.Series(rows.names, dtype=pl.String)
        for entry in self.entries:
            mask = np.zeros(len(rows.names), np.bool_)
            if is_plain(entry.match):
                mask[by_name.get(entry.match, [])] = True
            else:
                mask = names.str.contains(_regex(entry.match)).to_numpy().copy()
            for other in _OTHERS:
                pattern = getattr(entry, other)
                if pattern != "*":
                    mask &= _fitting(pattern, rows.codes[other], rows.book)
            yield entry, mask


def _positions(names: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        found.setdefault(name, []).append(position)
    return found


def _regex(pattern: str) -> str:
    """For polars, whose expressions take linear time whatever they are."""
    return "(?s)^" + "".join(_WILD.get(each) or _SPECIAL.sub(r"\\\g<0>", each) for each in pattern) + "$"


def _fitting(pattern: str, codes: Codes, book: WordBook) -> Mask:
    distinct, which = np.unique(codes, return_inverse=True)
    texts = pl.Series([book.texts[code] or "" for code in distinct.tolist()], dtype=pl.String)
    fits: Mask = texts.str.contains(_regex(pattern)).to_numpy()[which]
    return fits
