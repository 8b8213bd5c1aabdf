"""The one rule of the example agent: no personal data in an answer. A match, for example ops@example.org, goes."""

from __future__ import annotations

import re

POLICY_ID = "no-personal-data"
POLICY_NAME = "No personal data in answers"
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")


def redact(text: str) -> tuple[str, int]:
    """The text without e-mail addresses, and how many there were."""
    return _EMAIL.subn("[redacted]", text)
