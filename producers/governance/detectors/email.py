"""E-mail addresses, also written as `name (at) example (dot) org`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from producers.governance.detectors.interface import Hit

_AT = re.compile(r"[@\[({](?:(?<=@)|\s?at\s?[\])}]\s?)")
_LOCAL = frozenset(".!#$%'*+-^_`{|}~")
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_DOT = r"(?:\.|\s?[\[({]\s?dot\s?[\])}]\s?)"
_DOMAIN = re.compile(rf"{_LABEL}(?:{_DOT}{_LABEL}){{0,8}}{_DOT}(?:xn--[a-z0-9-]{{1,59}}|[^\W\d_]{{2,24}})")
_LONGEST_LOCAL = 64


def _local_start(text: str, end: int) -> int:
    """RFC 5321 lets 64 characters stand before the @; dots, quotes and brackets before them are punctuation."""
    start = end
    while start > 0 and end - start < _LONGEST_LOCAL and (text[start - 1].isalnum() or text[start - 1] in _LOCAL):
        start -= 1
    while start < end and not (text[start].isalnum() or text[start] in "_+"):
        start += 1
    return start


class EmailDetector:
    """Addresses with a domain of at least two labels, in any script."""

    kinds = ("email",)

    def find(self, text: str) -> Iterator[Hit]:
        """See `Detector.find`."""
        if "@" not in text and "at" not in text:
            return
        done = 0
        for sign in _AT.finditer(text):
            end = sign.start() - (sign[0] != "@" and text[max(0, sign.start() - 1)].isspace())
            start = max(done, _local_start(text, end))
            domain = _DOMAIN.match(text, sign.end())
            if start < end and domain is not None:
                done = domain.end()
                yield Hit(start, done, "email")
