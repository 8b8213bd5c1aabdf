"""Secrets taken out of text that people read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_SHORTEST = 4
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}://\S+", re.IGNORECASE)


class Redactor:
    """Replaces a channel's secrets, and whatever else looks like a URL."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first: one may be part of another.
        self._secrets = sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True)

    def clean(self, text: str) -> str:
        """The text without them."""
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        return _URL.sub("[URL]", text)


def show_url(url: str) -> str:
    """Scheme and host of a URL: the rest may be a token."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "[URL]"
    return f"{parts.scheme}://{host}{port}/..." if parts.scheme in {"http", "https"} else f"{parts.scheme}://..."
