"""The public keys of an issuer: found by its discovery document, fetched in a thread, kept for ten minutes.

A token that names a key which is not known makes them be fetched again, since issuers rotate, but at most every ten
seconds, since anybody can name a key. An issuer that is away is no reason to refuse for an hour; then its keys are too
old to believe.
"""

from __future__ import annotations

import asyncio
import json
import math
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from infra.access.limits import is_loopback
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.logs import get_logger

PublicKey = RSAKey | ECKey
FRESH_S, STALE_S, AT_MOST_EVERY_S = 600.0, 3_600.0, 10.0
FETCH_WITHIN_S = 5.0
LARGEST_BYTES = 1024 * 1024
MOST_KEYS = 100
SHORTEST_RSA_BITS = 2_048
_BITS_A_CHARACTER = 6
KINDS: Mapping[str, type[PublicKey]] = {"RS256": RSAKey, "ES256": ECKey}
"""The algorithms that are taken, and what keys they need."""
_log = get_logger("oidc")


class IssuerError(Exception):
    """The issuer does not answer, or not with what is expected of one."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An issuer's documents are where it says; a redirect could lead anywhere."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """None: the answer is an error."""
        del req, fp, code, msg, headers, newurl


def is_safe_url(url: str) -> bool:
    """https, or http to this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" or (parts.scheme == "http" and (host == "localhost" or is_loopback(host)))


class TurnedDownError(IssuerError):
    """The issuer answers 4xx: what was sent is not taken, and would not be the next time."""


def fetch_json(url: str, form: bytes | None = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON object at `url`, of a GET or of a POST with `form`; blocks for `FETCH_WITHIN_S` a read at most.

    Raises `IssuerError`, `TurnedDownError`.
    """
    if not is_safe_url(url):
        raise IssuerError(f"{url} is neither https nor on this machine")
    opener = urllib.request.build_opener(_NoRedirect)
    request = urllib.request.Request(url, form, dict(headers or {}))  # noqa: S310  # https or this machine, as was checked
    try:
        with opener.open(request, timeout=FETCH_WITHIN_S) as answer:
            found = json.loads(answer.read(LARGEST_BYTES))
    except HTTPError as error:
        kind = TurnedDownError if 400 <= error.code < 500 else IssuerError
        with error:
            raise kind(f"{url}: {error}") from error
    except (OSError, ValueError, HTTPException, RecursionError) as error:
        raise IssuerError(f"{url}: {error}") from error
    if not isinstance(found, dict):
        raise IssuerError(f"{url}: not a JSON object")
    return found


def discover(issuer: str) -> dict[str, Any]:
    """What the issuer says of itself (OpenID Connect Discovery 1.0). Raises `IssuerError`."""
    discovered = fetch_json(issuer.rstrip("/") + "/.well-known/openid-configuration")
    if discovered.get("issuer") != issuer:
        raise IssuerError(f"{issuer} calls itself {discovered.get('issuer')!r}")
    return discovered


def fetch_keys(issuer: str) -> dict[str, list[PublicKey]]:
    """The issuer's keys for signatures, by algorithm. Raises `IssuerError`."""
    listed = fetch_json(str(discover(issuer).get("jwks_uri"))).get("keys")
    if not isinstance(listed, list):
        raise IssuerError(f"{issuer} lists no keys")
    keys: dict[str, list[PublicKey]] = {algorithm: [] for algorithm in KINDS}
    for item in listed[:MOST_KEYS]:
        if (read := _read_key(item)) is not None:
            keys[read[0]].append(read[1])
    return keys


def _read_key(item: object) -> tuple[str, PublicKey] | None:
    """(algorithm, key) of an entry; None where it is not one that signs as we want it. Private parts are not taken."""
    if not isinstance(item, dict) or item.get("use", "sig") != "sig":
        return None
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(item.get("kty")))
    if algorithm is None or item.get("alg", algorithm) != algorithm or "d" in item:
        return None
    if algorithm == "RS256" and len(str(item.get("n"))) * _BITS_A_CHARACTER < SHORTEST_RSA_BITS:
        return None
    try:
        key = KINDS[algorithm].import_key(item)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        _log.warning("a key of the issuer cannot be read", kid=str(item.get("kid"))[:100], error=repr(error))
        return None
    strong = key.raw_value.key_size >= SHORTEST_RSA_BITS if isinstance(key, RSAKey) else item.get("crv") == "P-256"
    return (algorithm, key) if strong else None


class IssuerKeys:
    """The keys of one issuer, as they are needed."""

    def __init__(
        self,
        issuer: str,
        clock: Clock | None = None,
        fetch: Callable[[str], dict[str, list[PublicKey]]] = fetch_keys,
    ) -> None:
        self._issuer = issuer
        self._clock = clock or SystemClock()
        self._fetch = fetch
        self._keys: dict[str, list[PublicKey]] = {}
        self._fetched_s = self._tried_s = -math.inf
        self._fetching: asyncio.Task[None] | None = None
        self.fetches = 0
        """Times that the issuer was asked."""

    async def find(self, algorithm: str, kid: str | None) -> PublicKey | None:
        """The key that `kid` names; without a name the only one of the algorithm. None: there is none.

        Raises `IssuerError` when the issuer has not answered for an hour, or ever.
        """
        found = self._known(algorithm, kid)
        age_s = self._clock.monotonic_s() - self._fetched_s
        if age_s > FRESH_S or found is None:
            self._refresh()
        if self._fetching is not None and (found is None or age_s > STALE_S):
            await asyncio.shield(self._fetching)
            found = self._known(algorithm, kid)
        if self._clock.monotonic_s() - self._fetched_s > STALE_S:
            raise IssuerError(f"{self._issuer} has not told its keys")
        return found

    def _known(self, algorithm: str, kid: str | None) -> PublicKey | None:
        keys = self._keys.get(algorithm, ())
        if kid is None:
            return keys[0] if len(keys) == 1 else None
        return next((key for key in keys if key.kid == kid), None)

    def _refresh(self) -> None:
        """Begin to fetch, unless that is going on or was tried a moment ago."""
        now_s = self._clock.monotonic_s()
        if self._fetching is None and now_s - self._tried_s >= AT_MOST_EVERY_S:
            self._tried_s = now_s
            self._fetching = asyncio.create_task(self._fetch_now(), name="issuer-keys")

    async def _fetch_now(self) -> None:
        self.fetches += 1
        try:
            self._keys = await asyncio.to_thread(self._fetch, self._issuer)
            self._fetched_s = self._clock.monotonic_s()
        except IssuerError as error:
            _log.warning("the issuer's keys cannot be fetched", error=str(error))
        finally:
            self._fetching = None
