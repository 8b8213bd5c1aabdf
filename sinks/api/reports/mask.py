"""Texts of evidence, once more without what names a person: who wrote them was to redact them, and may not have.

Every pattern takes time in proportion to the text.
"""

from __future__ import annotations

import re

LONGEST = 500
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4}")
_SSN = re.compile(r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_DIGITS = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")


def masked(text: str) -> str:
    """The text, cut, with addresses, numbers of cards (by Luhn), accounts and social security as `[kind]`."""
    text = text[: 4 * LONGEST]
    text = _EMAIL.sub("[e-mail]", text)
    text = _SSN.sub("[ssn]", text)
    text = _IBAN.sub(lambda found: "[iban]" if _is_iban(found[0]) else found[0], text)
    text = _DIGITS.sub(lambda found: "[card]" if _is_card(found[0]) else found[0], text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _is_card(text: str) -> bool:
    """The Luhn check (ISO/IEC 7812-1, annex B)."""
    digits = [int(each) for each in text if each.isdigit()]
    doubled = [digit if n % 2 == 0 else sum(divmod(2 * digit, 10)) for n, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    """The check digits (ISO 7064, MOD 97-10)."""
    plain = text.replace(" ", "")
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(each, 36)) for each in turned)) % 97 == 1
