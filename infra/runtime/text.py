"""Text that comes from agents, made safe to show."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text without characters that move a cursor, colour, or hide other text; each becomes U+FFFD."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
