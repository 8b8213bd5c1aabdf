"""HTTP to receivers that are not trusted: address checked at connect time, no redirects, short answers, no proxies."""

from __future__ import annotations

import errno
import io
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

from sinks.notify.addresses import BlockedAddressError, check
from sinks.notify.channel import DeliveryError, RefusedError

_ANSWER_BYTES = 64 * 1024
_AT_ONCE_BYTES = 256 * 1024
_TRY_AGAIN = frozenset({408, 425, 429})
_LONGEST_WAIT_S = 3_600.0
_JSON: Mapping[str, str] = MappingProxyType({"Content-Type": "application/json"})


def _guarded_socket(info: Any) -> socket.socket:  # noqa: ANN401  # the tuple of getaddrinfo
    """A socket for an address that may be reached; names are resolved by now, so no second answer can differ."""
    family, kind, protocol, _, address = info
    check(str(address[0]))
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made


class HttpClient:
    """POSTs of one channel. Made inside a running loop; `close` lets go of connections."""

    def __init__(
        self, *, allow_private: bool, timeout_s: float, parallel: int, resolver: AbstractResolver | None = None
    ) -> None:
        self._allow_private = allow_private
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._parallel = parallel
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=self._parallel,
                # One after the other: a private one among many addresses ends it instead of losing a race.
                happy_eyeballs_delay=None,
                use_dns_cache=False,
                resolver=self._resolver,
                socket_factory=None if self._allow_private else _guarded_socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def post(self, url: str, body: bytes, headers: Mapping[str, str] = _JSON) -> int:
        """The status of a 2xx answer. Raises `DeliveryError`, whose text names neither URL nor answer."""
        try:
            async with self._opened().post(url, data=_as_data(body), headers=headers, allow_redirects=False) as answer:
                await _read_some(answer)
                _judge(answer.status, answer.headers.get("Retry-After"))
                return answer.status
        except BlockedAddressError as error:
            raise RefusedError(str(error)) from None
        except aiohttp.InvalidURL:
            raise RefusedError("the URL is not valid") from None
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._timeout.total:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            # Their texts hold the URL, with its tokens.
            raise DeliveryError(_what_happened(error)) from None

    async def close(self) -> None:
        """Close connections. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _as_data(body: bytes) -> bytes | io.BytesIO:
    """Large bodies in pieces: at once they would hold up all other channels."""
    return body if len(body) <= _AT_ONCE_BYTES else io.BytesIO(body)


async def _read_some(answer: aiohttp.ClientResponse) -> None:
    """Read a short answer, so that the connection can be used again; hang up on a long one."""
    left = _ANSWER_BYTES
    while left > 0:
        chunk = await answer.content.read(left)
        if not chunk:
            return
        left -= len(chunk)
    answer.close()


def _judge(status: int, retry_after: str | None) -> None:
    if 200 <= status < 300:
        return
    if status >= 500 or status in _TRY_AGAIN:
        raise DeliveryError(f"status {status}", status, wait_s(retry_after))
    if 300 <= status < 400:
        raise RefusedError(f"status {status}: redirects are not followed, name the final URL", status)
    raise RefusedError(f"status {status}", status)


def wait_s(retry_after: str | None) -> float | None:
    """Seconds of a Retry-After header, number or date (RFC 9110 10.2.3), at most an hour; None where there is none."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(min(int(retry_after.strip()[:6]), _LONGEST_WAIT_S))
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (aware - datetime.now(UTC)).total_seconds()), _LONGEST_WAIT_S)


def _what_happened(error: Exception) -> str:
    inner = getattr(error, "os_error", None) or error
    if isinstance(inner, socket.gaierror):
        return "the host name is not known"
    number = getattr(inner, "errno", None)
    if isinstance(number, int) and number in errno.errorcode:
        return os.strerror(number).lower()
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the receiver hung up"
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS was refused or its certificate is not trusted"
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return "the answer is not HTTP"
    return type(error).__name__
