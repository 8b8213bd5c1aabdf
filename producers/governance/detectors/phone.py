"""Telephone numbers: international (ITU-T E.164, with + or 00), of the USA and Canada (NANP), and those called so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from producers.governance.detectors.interface import Hit

# What is glued to a number before it makes it an id, a price, a part of a date or of a longer number.
_APART = re.compile(r"(?<![\w$€£¥#%])(?<!\w[-./])")
_ENDS = r"(?!\w|[-./·][0-9])"
_DATE = r"(?<![0-9])[0-9]{4}-[0-9][0-9]-[0-9][0-9]"
_INTERNATIONAL = re.compile(
    r"(?:\+(?<![\w+]\+)|00(?<![\w+]00)(?=[1-9][0-9]{0,2}[ \-./(]))"
    rf"([ (]?[1-9]\)?(?:[ \-./·\t(]{{0,3}}(?!{_DATE})[0-9]\)?){{6,18}})(?!\w)"
)
_CUTS = re.compile(r"(?<=[0-9)])[ \-./·\t(]+(?=[0-9])")
_NANP = re.compile(
    rf"[(1-9](?:(?<=1)[ \-.]\(?[2-9]|(?<=\()[2-9]|(?<=[2-9]))[0-9]{{2}}"
    rf"(?:\)[ \-.]{{0,2}}[2-9][0-9]{{2}}[ \-.]?|([ \-.])[2-9][0-9]{{2}}\1)[0-9]{{4}}{_ENDS}"
)
_SERVICE = re.compile(r"(?:1[ \-.])?\(?.11")
_CALLED = re.compile(
    r"(?:tel|telephone|phone|mobile|cell|fax|whatsapp|sms)\b\.?(?: (?:number|no|is|at)\b\.?){0,2}[ :#]{0,3}"
    rf"(?P<number>\(?[0-9](?:[ \-./()]{{0,2}}[0-9]){{6,14}}){_ENDS}"
)
_NAMES = re.compile(r"tel|phone|mobile|cell|fax|whatsapp|sms")
# ITU-T E.164 assigned country codes; every other code of two digits begins codes of three.
_SHORT_CODE = re.compile(r"2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
_LONG_CODE = re.compile(r"2[1-69]|3[578]|42|5[09]|6[7-9]|8[0578]|9[679]")
_ZERO_AFTER = frozenset({"39", "378", "379", "225", "241", "242"})  # subscriber numbers there may begin with 0


def _national(digits: str) -> tuple[str, str]:
    """Country code and the rest; no code where none is assigned."""
    if digits[0] in "17":
        return digits[0], digits[1:]
    if _SHORT_CODE.match(digits):
        return digits[:2], digits[2:]
    return (digits[:3], digits[3:]) if _LONG_CODE.match(digits) else ("", "")


def _is_international(written: str) -> bool:
    digits = re.sub(r"\(0\)|\D", "", written)
    code, number = _national(digits)
    if code == "1":
        return len(number) == 10 and number[0] in "23456789" and number[3] in "23456789"
    starts_well = not number.startswith("0") or code in _ZERO_AFTER
    return bool(code) and starts_well and 7 <= len(digits) <= 15 and len(set(number)) > 1


def _international_end(match: re.Match[str]) -> int | None:
    """A date or a count may follow the number: the longest part before a gap that can be one."""
    written = match[1]
    ends = [len(written), *(cut.start() for cut in reversed(list(_CUTS.finditer(written))))]
    return next((match.start(1) + end for end in ends if _is_international(written[:end])), None)


class PhoneDetector:
    """Numbers in a form that dates, prices and ids do not have, and any row of digits that the text calls a phone."""

    kinds = ("phone",)

    def find(self, text: str) -> Iterator[Hit]:
        """See `Detector.find`."""
        if "+" in text or "00" in text:
            for found in _INTERNATIONAL.finditer(text):
                end = _international_end(found)
                if end is not None:
                    yield Hit(found.start(), end, "phone")
        for found in _NANP.finditer(text):
            if _APART.match(text, found.start()) and not _SERVICE.match(found[0]):
                yield Hit(*found.span(), "phone")
        for name in _NAMES.finditer(text):
            called = _CALLED.match(text, name.start())
            if called is not None and not text[max(0, name.start() - 1) : name.start()].isalnum():
                yield Hit(*called.span("number"), "phone")
