"""The detectors that need nothing but Python."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from producers.governance.detectors.card import CardDetector
from producers.governance.detectors.email import EmailDetector
from producers.governance.detectors.iban import IbanDetector
from producers.governance.detectors.interface import Detector, Hit
from producers.governance.detectors.phone import PhoneDetector
from producers.governance.detectors.ssn import SsnDetector

# In this order: what an earlier one takes, a later one does not see as something else.
BUILTIN: tuple[Detector, ...] = (EmailDetector(), IbanDetector(), CardDetector(), SsnDetector(), PhoneDetector())
KINDS: tuple[str, ...] = tuple(kind for detector in BUILTIN for kind in detector.kinds)
_DIGIT = re.compile(r"[0-9]")


def find_all(text: str, kinds: Collection[str] = KINDS) -> Iterator[Hit]:
    """Values of these kinds in a folded text, without overlap."""
    asked = [detector for detector in BUILTIN if not set(kinds).isdisjoint(detector.kinds)]
    if _DIGIT.search(text) is None:
        asked = [detector for detector in asked if "email" in detector.kinds]
    return unclaimed(len(text), (hit for detector in asked for hit in detector.find(text)))


def unclaimed(length: int, hits: Iterable[Hit]) -> Iterator[Hit]:
    """The hits in a text of `length` characters that overlap none that came before them."""
    claimed = bytearray(length)
    for hit in hits:
        if claimed.find(1, hit.start, hit.end) < 0:
            claimed[hit.start : hit.end] = b"\x01" * (hit.end - hit.start)
            yield hit
