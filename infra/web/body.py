"""A request's body: read within limits, unpacked within the same, before anybody parses it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from infra.web.call import Call
from infra.web.problem import Problem, unavailable

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
_GZIP = 31
"""zlib's window bits for a gzip header and trailer."""
_MOST_RATIO = 1_032
"""How many bytes deflate makes of one at most (zlib.net/zlib_tech.html)."""
_MOST_MEMBERS = 32
_THREAD_FROM_BYTES = 8 << 10
"""Packed bytes from which a thread unpacks: up to a hundred times as many can come out, which takes long."""


class ClientGoneError(Exception):
    """The client closed its connection before its request was whole."""


class Buffers:
    """How many bytes of bodies are in memory, of all requests; `most_bytes` bounds them."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0

    def take(self, size_bytes: int) -> None:
        """Hold so many more. Raises `Problem` 503 where that is too many."""
        if self.held_bytes + size_bytes > self.most_bytes:
            raise unavailable("too many bodies at once", type="busy")
        self.held_bytes += size_bytes

    def give(self, size_bytes: int) -> None:
        """Hold so many less."""
        self.held_bytes -= size_bytes


def too_large(limit_bytes: int) -> Problem:
    """413."""
    return Problem(413, detail=f"at most {limit_bytes} bytes, also when unpacked", type="too-large")


def announced_bytes(call: Call, limit_bytes: int) -> int | None:
    """The body's length as announced, -1 where it comes in chunks, None where there is none.

    Raises `Problem` 413 where it is too long, 415 where it is encoded otherwise than by gzip, 400 for no number.
    """
    length = call.headers.get(b"content-length")
    chunked = b"transfer-encoding" in call.headers
    if length is None and not chunked:
        return None
    if call.headers.get(b"content-encoding", b"identity").lower() not in {b"gzip", b"x-gzip", b"identity", b""}:
        raise Problem(
            415, detail="Content-Encoding: gzip or none", type="encoding", headers={"Accept-Encoding": "gzip"}
        )
    if length is None:
        return -1
    if not length.isdigit():
        raise Problem(400, detail="Content-Length is no number", type="malformed")
    size = int(length[:20])
    if size > limit_bytes:
        raise too_large(limit_bytes)
    return size


async def read_body(call: Call, receive: Receive, limit_bytes: int, buffers: Buffers) -> int:
    """Read and unpack the body into `call.body`; the bytes that `buffers` now hold for it, to be given back.

    Raises `Problem` 400, 413, 503, and `ClientGoneError`; then nothing is held.
    """
    held = 0
    try:
        parts: list[bytes] = []
        more = True
        while more:
            part, more = _part(await receive(), held, limit_bytes)
            buffers.take(len(part))
            held += len(part)
            parts.append(part)
        packed = parts[0] if len(parts) == 1 else b"".join(parts)
        if call.headers.get(b"content-encoding", b"").lower() in {b"gzip", b"x-gzip"}:
            most = min(limit_bytes, len(packed) * _MOST_RATIO)
            buffers.take(most)
            held += most
            packed = await _unpack(packed, limit_bytes)
            buffers.give(held - len(packed))
            held = len(packed)
        call.body = packed
    except BaseException:
        buffers.give(held)
        raise
    return held


def _part(message: MutableMapping[str, Any], held_bytes: int, limit_bytes: int) -> tuple[bytes, bool]:
    if message["type"] != "http.request":
        raise ClientGoneError
    part: bytes = message.get("body", b"")
    if held_bytes + len(part) > limit_bytes:
        raise too_large(limit_bytes)
    return part, message.get("more_body", False)


async def _unpack(packed: bytes, limit_bytes: int) -> bytes:
    if len(packed) < _THREAD_FROM_BYTES:
        return gunzip(packed, limit_bytes)
    return await asyncio.to_thread(gunzip, packed, limit_bytes)


def gunzip(packed: bytes, limit_bytes: int) -> bytes:
    """Unpack gzip, all its members; never makes more than `limit_bytes` and one. Raises `Problem` 400, 413."""
    whole: list[bytes] = []
    size, rest = 0, packed
    while rest:
        if len(whole) == _MOST_MEMBERS:
            raise Problem(400, detail=f"a gzip body has at most {_MOST_MEMBERS} members", type="malformed")
        member = zlib.decompressobj(_GZIP)
        try:
            part = member.decompress(rest, limit_bytes - size + 1)
        except zlib.error as error:
            raise Problem(400, detail="the body is no gzip", type="malformed") from error
        size += len(part)
        if size > limit_bytes:
            raise too_large(limit_bytes)
        if not member.eof:
            raise Problem(400, detail="the gzip body ends too early", type="malformed")
        whole.append(part)
        rest = member.unused_data
    return whole[0] if len(whole) == 1 else b"".join(whole)
