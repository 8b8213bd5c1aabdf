"""Who a request comes from where proxies and web pages stand between: believed only where they are named."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache

from infra.web.answer import Headers

_ALLOWED_METHODS = b"GET, HEAD, POST, PUT, DELETE"
_ALLOWED_HEADERS = (
    b"authorization, content-type, content-encoding, idempotency-key, last-event-id, x-agent-id, x-api-key"
)
_EXPOSED = b"x-request-id, retry-after, link, content-disposition, x-row-count, x-truncated"


class Proxies:
    """Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(each, strict=False) for each in networks)
        self._is_named = lru_cache(maxsize=1024)(self._look_up)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, peer: str, headers: Mapping[bytes, bytes], all_forwarded: str) -> tuple[str, bool | None]:
        """The address that counts, and whether the client spoke TLS (None: nobody who is believed says so).

        Of `all_forwarded`, every X-Forwarded-For in order, the rightmost address that is no named proxy counts: what is
        left of it the client may have written itself.
        """
        if not self._is_named(peer):
            return peer, None
        secure = {b"https": True, b"http": False}.get(headers.get(b"x-forwarded-proto", b"").strip().lower())
        last = peer
        for each in reversed(all_forwarded.split(",")):
            address = _address(each)
            if address is None:
                break
            last = address
            if not self._is_named(address):
                break
        return last, secure

    def _look_up(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any((mapped or address) in network for network in self._networks)


def _address(text: str) -> str | None:
    """An address of X-Forwarded-For in its usual spelling, also with a port or in brackets; None for what is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


class Cors:
    """Web pages of named origins may call; nobody else's may read an answer."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(each.lower().encode("latin-1") for each in origins)

    def __bool__(self) -> bool:
        return bool(self._origins)

    def headers(self, origin: bytes) -> Headers:
        """What an answer to a page of `origin` carries besides."""
        if origin.lower() not in self._origins:
            return [(b"vary", b"Origin")]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
            (b"cross-origin-resource-policy", b"cross-origin"),
            (b"vary", b"Origin"),
        ]

    def preflight(self, origin: bytes) -> Headers | None:
        """The answer to a page that asks beforehand; None where its origin is not named."""
        if origin.lower() not in self._origins:
            return None
        return [
            *self.headers(origin),
            (b"access-control-allow-methods", _ALLOWED_METHODS),
            (b"access-control-allow-headers", _ALLOWED_HEADERS),
            (b"access-control-max-age", b"600"),
        ]
