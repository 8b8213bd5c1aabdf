"""Text as the detectors read it: what hides a digit or a word from them is undone, and every place is remembered.

Zero-width characters, other format and control characters, and combining marks go; full-width and other digits become
ASCII, odd spaces a space, dashes a hyphen (NFKC and a few more). The folded form has no case and no diacritics either.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

_GONE, _LONGER = "\uf8fe", "\uf8ff"  # private use: one that is in the text itself becomes U+FFFD
_REMADE = re.compile(f"[{_GONE}{_LONGER}]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
_INVISIBLE = frozenset({"Cf", "Me", "Mn"})
_ALIKE = {"\u2212": "-", "\u3002": ".", "\uff61": ".", "\u2800": " ", _GONE: "\ufffd", _LONGER: "\ufffd"}
_STROKES = {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe"}
_REMEMBERED = 8_192


def _plain(char: str) -> str:
    category = unicodedata.category(char)
    if char.isspace():
        return char if char in "\t\n\r\v\f" else " "
    if category in _INVISIBLE or category == "Cc" or char in _FILLERS:
        return ""
    if category == "Pd":
        return "-"
    if category == "Nd":
        return str(unicodedata.decimal(char))
    return _ALIKE.get(char) or unicodedata.normalize("NFKC", char)


def _bare(char: str) -> str:
    apart = unicodedata.normalize("NFKD", _plain(char).casefold())
    kept = "".join(_STROKES.get(c, c) for c in apart if unicodedata.category(c) not in _INVISIBLE)
    return unicodedata.normalize("NFKC", kept)


class _Table(dict[int, str]):
    """For `str.translate`: one character for one, so that places stay; what has another length is marked.

    Remembers the characters that it has met, a bounded number of them.
    """

    def __init__(self, fold: Callable[[str], str]) -> None:
        super().__init__()
        self.fold = lru_cache(maxsize=_REMEMBERED)(fold)

    def __missing__(self, code: int) -> str:
        became = self.fold(chr(code))
        one = became if len(became) == 1 else _LONGER if became else _GONE
        if len(self) < _REMEMBERED:
            self[code] = one
        return one


_PLAIN, _BARE = _Table(_plain), _Table(_bare)


@dataclass(frozen=True, slots=True)
class Folded:
    """A text made comparable. `origin[i]` is where its character `i` stood in the original of `length` characters.

    `origin` is None where every character stayed in its place.
    """

    text: str
    length: int
    origin: list[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]`, not empty, stands in the original, with the invisible characters after it."""
        if self.origin is None:
            return start, end
        last = self.origin[end - 1]
        following = self.origin[end] if end < len(self.origin) else self.length
        return self.origin[start], max(following, last + 1)


def _fold(text: str, table: _Table) -> Folded:
    marked = text.translate(table)
    if not _REMADE.search(marked):
        return Folded(marked, len(text))
    pieces, origin, done = list[str](), list[int](), 0
    for match in _REMADE.finditer(marked):
        at = match.start()
        pieces.append(marked[done:at])
        origin.extend(range(done, at))
        if match[0] == _LONGER:
            became = table.fold(text[at])
            pieces.append(became)
            origin.extend([at] * len(became))
        done = at + 1
    pieces.append(marked[done:])
    origin.extend(range(done, len(marked)))
    return Folded("".join(pieces), len(text), origin)


def _simple(text: str) -> bool:
    return text.isascii() and _CONTROLS.search(text) is None


def plain(text: str) -> Folded:
    """The text with its case and diacritics, for patterns that people wrote."""
    return Folded(text, len(text)) if _simple(text) else _fold(text, _PLAIN)


def folded(text: str) -> Folded:
    """The text without case and diacritics, for detectors and words."""
    return Folded(text.lower(), len(text)) if _simple(text) else _fold(text, _BARE)
