"""Texts that only who has the server's secret can make: s1.<base64url of JSON>.<base64url of HMAC-SHA256>."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from infra.access.principal import Refusal

LONGEST_TEXT = 4_000
"""Characters: with its name a browser keeps a cookie of 4,096 bytes (RFC 6265, 6.1)."""
_PREFIX = "s1"


class Seals:
    """Seals claims under a server's `secret`, for one purpose each."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, purpose: str, claims: Mapping[str, Any]) -> str:
        """Claims as a text that counts for `purpose` alone. Raises `ValueError` where it would be too long to count."""
        content = json.dumps(
            claims, separators=(",", ":"), ensure_ascii=False
        )  # escaped, a name takes three times as much
        payload = _packed(content.encode())
        text = f"{_PREFIX}.{payload}.{_packed(self._mac(purpose, payload))}"
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"{len(text)} characters to be sealed, {LONGEST_TEXT} at most")
        return text

    def unseal(self, purpose: str, text: str) -> dict[str, Any] | Refusal:
        """The claims of a sealed text; refused as malformed or forged."""
        prefix, _, rest = text.partition(".")
        payload, _, mac = rest.partition(".")
        if prefix != _PREFIX or len(text) > LONGEST_TEXT or not text.isascii():
            return Refusal("malformed")
        if not hmac.compare_digest(mac, _packed(self._mac(purpose, payload))):
            return Refusal("forged")
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims if isinstance(claims, dict) else Refusal("malformed")

    def derived(self, purpose: str, text: str) -> str:
        """43 characters that follow from `text` for who has the server's secret, and for nobody else."""
        return _packed(self._mac(purpose, text))

    def _mac(self, purpose: str, text: str) -> bytes:
        return hmac.digest(self._secret, f"{purpose}\0{text}".encode(), "sha256")


def _packed(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
