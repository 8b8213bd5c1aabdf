"""HTTP/1.1 over asyncio's streams: as much of it as a POST on a connection that is kept needs (RFC 9112).

Redirects are not followed and proxies not used: the key goes to the address that was named and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_MOST_HEADERS = 100
_MOST_BODY_BYTES = 1024 * 1024
_HTTPS_PORT, _HTTP_PORT = 443, 80


class BadAnswerError(OSError):
    """What came back is not HTTP/1.1, or more of it than any gateway says."""


@dataclass(frozen=True)
class Address:
    """Where a gateway listens. `prefix` goes before every path and has no last `/`."""

    host: str
    port: int
    tls: bool
    host_header: str
    prefix: str

    @property
    def local(self) -> bool:
        """Whether it is this machine."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")


def address_of(url: str) -> Address:
    """Take apart a URL that `producers.sdk.config.check_gateway` has passed."""
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    port = parts.port or (_HTTPS_PORT if tls else _HTTP_PORT)
    return Address(str(parts.hostname), port, tls, parts.netloc, parts.path.rstrip("/"))


def verified_tls(authority: Path | None) -> ssl.SSLContext:
    """TLS that checks the certificate and its name, by the system's authorities or those in a PEM file.

    Raises `OSError` (`ssl.SSLError`) when the file cannot be used.
    """
    context = ssl.create_default_context(cafile=str(authority) if authority is not None else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True)
class Answer:
    """A response; names of `headers` in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One connection, one request at a time. `answered`: something of an answer to the last request has come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host_header: str) -> None:
        self._reader, self._writer = reader, writer
        self._host_header = host_header
        self._open = True
        self.answered = False

    @classmethod
    async def to(cls, address: Address, tls: ssl.SSLContext | None) -> Connection:
        """Connect. Raises `OSError`, `ssl.SSLError` among them."""
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=tls)
        return cls(reader, writer, address.host_header)

    @property
    def reusable(self) -> bool:
        """Whether both sides meant to keep it, and the other has not hung up since."""
        return self._open and not self._reader.at_eof() and not self._writer.is_closing()

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send a request and read its answer. Raises `OSError`; then the connection is of no more use.

        Nothing waits for the body to be sent: who refuses it says so before it has read all of it.
        """
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host_header}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        self._open = self.answered = False
        try:
            self._writer.write("\r\n".join(lines).encode("ascii") + body)
            return await self._answer(method)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise BadAnswerError(f"the answer breaks off or is no HTTP: {type(error).__name__}") from error

    async def _answer(self, method: str) -> Answer:
        while True:
            line = await self._reader.readuntil(b"\r\n")
            self.answered = True
            version, status = self._status_line(line)
            headers = await self._headers()
            if status >= 200:  # before it only interim answers
                break
        kept = headers.get("connection", "").lower() != "close" and version != b"HTTP/1.0"
        bounded = "content-length" in headers or "transfer-encoding" in headers
        body = b"" if method == "HEAD" or status in {204, 304} else await self._body(headers)
        self._open = kept and (bounded or not body)
        return Answer(status, headers, body)

    @staticmethod
    def _status_line(line: bytes) -> tuple[bytes, int]:
        version, _, rest = line.partition(b" ")
        if not version.startswith(b"HTTP/1."):
            raise BadAnswerError("what answers does not speak HTTP/1.1")
        return version, int(rest[:3])

    async def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            line = await self._reader.readuntil(b"\r\n")
            if line == b"\r\n":
                return headers
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        raise BadAnswerError("the answer has too many headers")

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return await self._chunks()
        if "content-length" in headers:
            return await self._reader.readexactly(_within_bounds(int(headers["content-length"])))
        body = await self._reader.read(_MOST_BODY_BYTES)
        return body if self._reader.at_eof() else b""

    async def _chunks(self) -> bytes:
        parts, left_bytes = [], _MOST_BODY_BYTES
        while size_bytes := int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16):
            left_bytes -= _within_bounds(size_bytes)
            _within_bounds(_MOST_BODY_BYTES - left_bytes)
            parts.append(await self._reader.readexactly(size_bytes))
            await self._reader.readexactly(2)
        await self._headers()  # trailers
        return b"".join(parts)

    def close(self) -> None:
        """Hang up without waiting, neither until all is sent nor until a peer of TLS says goodbye, too.

        Otherwise a reporter's end would leave its connections to the garbage collector: its loop ends at once.
        """
        self._open = False
        with contextlib.suppress(RuntimeError):  # its loop has ended
            self._writer.close()
            self._writer.transport.abort()


def _within_bounds(size_bytes: int) -> int:
    if not 0 <= size_bytes <= _MOST_BODY_BYTES:
        raise BadAnswerError(f"the answer has a body of {size_bytes} bytes")
    return size_bytes
