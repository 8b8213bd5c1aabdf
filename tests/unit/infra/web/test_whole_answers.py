"""Answers that are written as a whole: the same bytes as the usual way gives, on connections that go on."""

from __future__ import annotations

import asyncio
import gc

import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from web_world import Running, app_of, running

from infra.web.call import Call, body_of
from infra.web.rules import public
from infra.web.whole import Whole

router = APIRouter()
BODY = b'{"accepted":1}'
SAID = Whole(BODY, 202, "application/json")


@router.post("/whole", dependencies=[public()])
async def whole(request: Request) -> Whole:
    assert body_of(request) == b"hello"
    return SAID


@router.post("/usual", dependencies=[public()])
async def usual(request: Request) -> Response:
    assert body_of(request) == b"hello"
    return Response(BODY, 202, media_type="application/json")


def request_of(path: str, more: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: here\r\nX-Request-Id: r-1\r\nContent-Length: 5\r\n{more}\r\n"
    return head.encode() + b"hello"


async def answered(reader: asyncio.StreamReader) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """The next answer of a connection: status line, headers without the date, body."""
    async with asyncio.timeout(60):
        lines = (await reader.readuntil(b"\r\n\r\n")).rstrip(b"\r\n").split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in sorted(lines[1:]))
        body = await reader.readexactly(int(headers[b"content-length"]))
    assert headers.pop(b"date")
    return lines[0], headers, body


async def asked(server: Running, *requests: bytes) -> list[tuple[bytes, dict[bytes, bytes], bytes]]:
    """The answers to requests that are sent at once over one connection."""
    reader, writer = await server.open()
    try:
        writer.write(b"".join(requests))
        return [await answered(reader) for _ in requests]
    finally:
        writer.close()


@pytest.mark.parametrize("more", ["", "Origin: https://a.example\r\n", "Connection: close\r\n"])
async def test_it_is_what_the_usual_way_answers(more: str) -> None:
    async with running(app_of(router), cors_origins=["https://a.example"]) as server:
        (quick,), (slow,) = (
            await asked(server, request_of("/whole", more)),
            await asked(server, request_of("/usual", more)),
        )
    assert quick == slow
    assert quick[0] == b"HTTP/1.1 202 Accepted"
    assert quick[2] == BODY
    assert quick[1][b"x-content-type-options"] == b"nosniff"


async def test_a_connection_goes_on_and_its_requests_are_counted() -> None:
    async with running(app_of(router)) as server:
        given = await asked(server, *(request_of("/whole") for _ in range(5)))
        assert [answer[2] for answer in given] == [BODY] * 5
        assert server.door.figures.routes["/whole"].answers == {("POST", 202): 5}
        assert len(server.door.deadlines) == 0
        closed = await server.raw(request_of("/whole") + request_of("/whole", "Connection: close\r\n"))
    assert closed.count(BODY) == 2
    assert closed.count(b"connection: close") == 1


async def test_who_waits_for_a_word_gets_it_first() -> None:
    async with running(app_of(router)) as server:
        reader, writer = await server.open()
        writer.write(request_of("/whole", "Expect: 100-continue\r\n")[:-5])
        async with asyncio.timeout(60):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        assert (await answered(reader))[2] == BODY
        writer.close()


@pytest.mark.parametrize("path", ["/whole", "/usual", "/nowhere"])
async def test_an_answered_request_is_held_by_nothing(path: str) -> None:
    """Its body may be megabytes, and a calm collector comes after thousands of requests."""
    async with running(app_of(router)) as server:
        await asked(server, *[request_of(path)] * 4)
        gc.collect()
        gc.disable()
        try:
            before = _calls()
            for _ in range(8):
                await asked(server, *[request_of(path)] * 4)
            assert _calls() - before < 8, "the last of a connection may still be there"
        finally:
            gc.enable()


def _calls() -> int:
    return sum(type(each) is Call for each in gc.get_objects())
