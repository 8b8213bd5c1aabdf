"""International bank account numbers: ISO 13616 lengths by country, check digits by ISO 7064 (mod 97)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from producers.governance.detectors.interface import Hit

# SWIFT's IBAN registry.
_TABLE = (
    "ad24 ae23 al28 at20 az28 ba20 be16 bg22 bh22 bi27 br29 by28 ch21 cr22 cy28 cz24 de22 dj27 dk18 do28 ee20 eg29 "
    "es24 fi18 fk18 fo18 fr27 gb22 ge22 gi23 gl18 gr27 gt28 hn28 hr21 hu28 ie22 il23 iq23 is26 it27 jo30 kw30 kz20 "
    "lb28 lc32 li21 lt20 lu20 lv21 ly25 mc27 md24 me22 mk19 mn20 mr27 mt31 mu30 ni28 nl18 no15 om23 pk24 pl28 ps29 "
    "pt25 qa29 ro24 rs22 ru33 sa24 sc31 sd18 se24 si19 sk24 sm27 so23 st25 sv28 tl23 tn24 tr26 ua29 va22 vg24 xk20 "
    "ye30"
)
LENGTHS = {entry[:2]: int(entry[2:]) for entry in _TABLE.split()}
_BEGINS = re.compile(r"[0-9](?<=[a-z][a-z][0-9])[ -]?[0-9]")
_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


def checks_out(iban: str) -> bool:
    """Whether the check digits of an IBAN of lower-case letters and digits fit: ISO 7064, remainder 1."""
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


def _begins(text: str, start: int) -> bool:
    return text[start : start + 2] in LENGTHS and not (start > 0 and text[start - 1] in _ALPHABET)


def _end_of(text: str, start: int) -> int | None:
    """Where the IBAN that begins at `start` ends; single blanks and hyphens stand between its characters."""
    needed, gathered, at = LENGTHS[text[start : start + 2]], "", start
    while at < len(text) and len(gathered) < needed:
        if text[at] in _ALPHABET:
            gathered += text[at]
        elif text[at] not in " -\n" or text[at - 1] not in _ALPHABET:
            return None
        at += 1
    whole = len(gathered) == needed and not (at < len(text) and text[at].isalnum())
    return at if whole and checks_out(gathered) else None


class IbanDetector:
    """IBANs of the countries in the registry, in any grouping."""

    kinds = ("iban",)

    def find(self, text: str) -> Iterator[Hit]:
        """See `Detector.find`."""
        for found in _BEGINS.finditer(text):
            start = found.start() - 2
            end = _end_of(text, start) if _begins(text, start) else None
            if end is not None:
                yield Hit(start, end, "iban")
