"""Numbers of payment cards: issuer prefix, length, check digit (ISO/IEC 7812, Luhn)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from producers.governance.detectors.interface import Hit

_SHORTEST, _LONGEST = 13, 19
# A row begins where a group does: no need to try from every digit of one.
_ROW = re.compile(r"[0-9](?<![0-9][0-9])(?:[ \-.·\t\n\r_/]{0,3}[0-9]){12,}")
_DIGITS = re.compile(r"[0-9]+")
# Issuer ranges as the networks publish them: prefix, lengths.
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11}(?:\d{2,5})?"  # Diners Club
    r"|(?:6011|64[4-9]\d|65\d{2})\d{12}(?:\d{3})?"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}(?:\d{3})?"  # JCB
    r"|62\d{14,17}"  # UnionPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{9,15}"  # Maestro
)


class Group(NamedTuple):
    """Digits without a gap: `text[start:end]`."""

    digits: str
    start: int
    end: int


_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_FIRST_DIGITS = frozenset("23456")
_PRINTED = ((4, 6, 5), (4, 6, 4))


def luhn(digits: str) -> bool:
    """Whether the check digit fits. `digits`: ASCII digits."""
    from_right = [int(digit) for digit in reversed(digits)]
    return (sum(from_right[::2]) + sum(_DOUBLED[digit] for digit in from_right[1::2])) % 10 == 0


def _evenly_grouped(sizes: tuple[int, ...]) -> bool:
    """As people and cards write them: in long groups, or in groups of one size (the last may be shorter)."""
    if min(sizes) >= 4 or sizes in _PRINTED:
        return True
    return all(size == sizes[0] for size in sizes[:-1]) and sizes[-1] <= sizes[0]


def is_card(digits: str) -> bool:
    """Whether these digits can be the number of a card that was issued."""
    return _ISSUERS.fullmatch(digits) is not None and len(set(digits)) > 1 and luhn(digits)


class CardDetector:
    """A number in one piece or in even groups, wherever it starts in a row of groups."""

    kinds = ("card",)

    def find(self, text: str) -> Iterator[Hit]:
        """See `Detector.find`."""
        for row in _ROW.finditer(text):
            yield from _in_run(text, [Group(m[0], *m.span()) for m in _DIGITS.finditer(text, *row.span())])


def _in_run(text: str, run: list[Group]) -> Iterator[Hit]:
    first = 0
    while first < len(run):
        last = None if _is_fraction(text, run[first]) else _end_of_card(run, first)
        if last is not None:
            yield Hit(run[first].start, run[last].end, "card")
            first = last
        first += 1


def _is_fraction(text: str, group: Group) -> bool:
    """Digits after a decimal point: one float in twenty would pass for a card."""
    return (
        group.start > 1 and text[group.start - 1] == "." and text[group.start - 2].isdigit() and len(group.digits) > 8
    )


def _end_of_card(run: list[Group], first: int) -> int | None:
    """The longest card that begins with group `first`: its last group."""
    digits, sizes, found = "", list[int](), None
    if run[first].digits[0] not in _FIRST_DIGITS:
        return None
    for last in range(first, len(run)):
        digits += run[last].digits
        sizes.append(len(run[last].digits))
        if len(digits) > _LONGEST:
            break
        if len(digits) >= _SHORTEST and is_card(digits) and _evenly_grouped(tuple(sizes)):
            found = last
    return found
