"""Social security numbers of the USA, by the ranges that are issued (SSA, Program Operations Manual RM 10201)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from producers.governance.detectors.interface import Hit

_GROUPED = re.compile(r"[0-8][0-9]{2}([-. ])[0-9]{2}\1[0-9]{4}(?!\w|[-.][0-9])")
_APART = re.compile(r"(?<![\w$€£#])(?<!\d[-.])")
_TOLD = re.compile(
    r"s(?:sn(?<!\wssn)|ocial[ -]security(?<!\wsocial.security))\b"
    r"[^0-9]{0,24}(?P<number>[0-8][0-9]{2}[-. ]{0,3}[0-9]{2}[-. ]{0,3}[0-9]{4})(?![0-9])"
)
_GAPS = str.maketrans("", "", "-. ")


def _is_issued(number: str) -> bool:
    digits = number.translate(_GAPS)
    return digits[:3] not in {"000", "666"} and digits[3:5] != "00" and digits[5:] != "0000"


class SsnDetector:
    """`AAA-GG-SSSS` with hyphens, dots or blanks; nine digits in a row only where the text names them before."""

    kinds = ("ssn",)

    def find(self, text: str) -> Iterator[Hit]:
        """See `Detector.find`."""
        for found in _GROUPED.finditer(text):
            if _APART.match(text, found.start()) and _is_issued(found[0]):
                yield Hit(*found.span(), "ssn")
        if "ssn" in text or "social" in text:
            for found in _TOLD.finditer(text):
                if _is_issued(found["number"]):
                    yield Hit(*found.span("number"), "ssn")
