"""Faults 48 and 49 over raw sockets: who sends slowly, too much, lies, or what is no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import zlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from rude_world import Gate, answers, post, rude_app
from web_world import Running, running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Running]:
    async with running(rude_app(), max_body=100_000, request_timeout=3, header_timeout_s=2) as found:
        yield found


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a port without
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /open HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /open\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: x\r\nX-A: 1\rX-B: 2\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n folded\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: x\r\nX A: 1\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: x\r\nX-A: nul\x00byte\r\n\r\n",
        b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 1e3\r\n\r\n",
        b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n",
        b"\x00" * 100,
        b"A" * 10_000,
    ],
)
async def test_what_is_no_request_is_answered_once_and_closed(server: Running, sent: bytes) -> None:
    found = answers(await server.raw(sent))
    assert [each.status for each in found] == [400]
    assert found[0].problem["type"] == "malformed" or found[0].problem["title"] == "Bad Request"
    assert found[0].headers["connection"] == "close"


async def test_a_head_that_comes_slowly_is_cut_off(server: Running) -> None:
    before = server.listening.limits.closed["slow_head"]
    reader, writer = await server.open()
    writer.write(b"GET /open HTTP/1.1\r\nHost: x\r\n")
    dripping = asyncio.create_task(_drip(writer, b"X-Slow: 1\r\n"))
    async with asyncio.timeout(60):
        [answer] = answers(await reader.read())
    dripping.cancel()
    writer.close()
    assert answer.status == 408
    assert server.listening.limits.closed["slow_head"] == before + 1


async def _drip(writer: asyncio.StreamWriter, piece: bytes) -> None:
    while True:
        writer.write(piece)
        await asyncio.sleep(0.05)


async def test_a_connection_that_says_nothing_is_closed_without_a_word(server: Running) -> None:
    before = server.listening.limits.closed["silent"]
    assert await server.raw(b"") == b""
    assert server.listening.limits.closed["silent"] > before


@pytest.mark.parametrize("how", [b"Content-Length: 50000", b"Transfer-Encoding: chunked"])
async def test_a_body_that_comes_slowly_is_cut_off(server: Running, how: bytes) -> None:
    reader, writer = await server.open()
    writer.write(b"POST /small HTTP/1.1\r\nHost: x\r\n".replace(b"small", b"model") + how + b"\r\n\r\n")
    dripping = asyncio.create_task(_drip(writer, b"1\r\na\r\n"))
    async with asyncio.timeout(60):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 408")
    dripping.cancel()
    writer.close()
    assert server.door.buffers.held_bytes == 0


async def test_a_body_without_end_is_refused_at_the_limit(server: Running) -> None:
    before = server.listening.limits.closed.total()
    reader, writer = await server.open()
    writer.write(b"POST /model HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    endless = asyncio.create_task(_pour(writer, chunk))
    async with asyncio.timeout(60):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413")
        with contextlib.suppress(ConnectionResetError):  # closed with bytes of ours unread: whichever comes first
            await reader.read()  # the rest is not read for ever
    endless.cancel()
    await asyncio.wait({endless})
    writer.close()
    assert server.listening.limits.closed.total() > before
    assert server.door.buffers.held_bytes == 0


async def _pour(writer: asyncio.StreamWriter, piece: bytes) -> None:
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)


async def test_an_announced_body_too_long_is_refused_before_it_comes(server: Running) -> None:
    [answer] = answers(await server.raw(post("/model", b"", b"Content-Length: 5000000000", b"Expect: 100-continue")))
    assert answer.status == 413
    assert answer.problem["type"] == "too-large"


async def test_a_length_that_is_too_short_leaves_rubbish_which_is_refused(server: Running) -> None:
    sent = b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcdefghi\r\n\r\n"
    found = answers(await server.raw(sent))
    assert [each.status for each in found] == [200]


async def test_a_length_that_is_too_long_waits_no_longer_than_it_may(server: Running) -> None:
    [answer] = answers(await server.raw(post("/small", b"abc", b"Content-Length: 999")))
    assert answer.status == 408


async def test_a_head_may_not_grow(server: Running) -> None:
    endless = b"GET /open HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 200_000
    [answer] = answers(await server.raw(endless))
    assert answer.status == 431
    many = b"GET /open HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(500)) + b"\r\n"
    [answer] = answers(await server.raw(many))
    assert answer.status in {400, 431}
    whole = b"GET /open HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 60_000 + b"\r\n\r\n"
    [answer] = answers(await server.raw(whole))
    assert answer.status in {400, 431}


async def test_a_long_path_is_refused(server: Running) -> None:
    assert (await server.client.get("/" + "a" * 5_000)).status_code == 414


async def test_pipelined_requests_are_bounded(server: Running) -> None:
    one = b"GET /open HTTP/1.1\r\nHost: x\r\n\r\n"
    found = answers(await server.raw(one * 10 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")))
    assert [each.status for each in found] == [200] * 11
    flooded = await server.raw(one * 2_000)
    assert flooded.count(b"HTTP/1.1 200") < 100


@pytest.mark.parametrize(
    "headers",
    [
        [b"X-API-Key: fp_i_a", b"X-API-Key: fp_i_b"],
        [b"Authorization: Bearer a", b"Authorization: Bearer b"],
        [b"Host: y"],
        [b"Idempotency-Key: a", b"Idempotency-Key: b"],
        [b"X-Agent-Id: a", b"X-Agent-Id: b"],
        [b"Content-Type: text/plain", b"Content-Type: application/json"],
    ],
)
async def test_headers_that_come_twice_are_refused(server: Running, headers: list[bytes]) -> None:
    [answer] = answers(await server.raw(post("/echo", b"", *headers)))
    assert answer.status == 400
    assert answer.problem["type"] == "duplicate-header"


async def test_a_request_without_host_is_refused(server: Running) -> None:
    [answer] = answers(await server.raw(b"GET /open HTTP/1.1\r\nConnection: close\r\n\r\n"))
    assert answer.status == 400
    [answer] = answers(await server.raw(b"GET /open HTTP/1.0\r\n\r\n"))
    assert answer.status == 200


@pytest.mark.parametrize("path", ["/%00", "/open%0d%0aX-Evil:%201", "/%0a", "/%7f"])
async def test_control_characters_in_a_path_are_refused(server: Running, path: str) -> None:
    [answer] = answers(await server.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()))
    assert answer.status == 400


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/open/..;/admin", "//admin", "/ADMIN", "/admin/", "/%2e%2e/admin"]
)
async def test_no_spelling_of_a_path_goes_around_a_rule(server: Running, path: str) -> None:
    [answer] = answers(await server.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()))
    assert answer.status == 404
    [answer] = answers(await server.raw(b"GET /%61dmin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    assert answer.status == 401


async def test_a_line_break_in_a_header_of_ours_does_not_leave(server: Running) -> None:
    answer = await server.client.get("/header", params={"said": "a\r\nSet-Cookie: b=1"})
    assert answer.status_code == 500
    assert "set-cookie" not in answer.headers
    echoed = await server.client.get("/open", headers={"X-Request-Id": "a b<script>"})
    assert "<" not in echoed.headers["x-request-id"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND"])
async def test_other_methods_are_told_which_ones_are_taken(server: Running, method: str) -> None:
    answer = await server.client.request(method, "/open")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_bomb_is_not_unpacked(server: Running) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(50)) + packer.flush()
    assert len(bomb) < 100_000
    answer = await server.client.post("/model", content=bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    members = gzip.compress(b"") * 4_000
    answer = await server.client.post("/model", content=members, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 400
    assert server.door.buffers.held_bytes == 0


# By name: two processes that collect must find the same tests, and gzip writes the hour of its packing into the bytes.
@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip", gzip.compress(b"cut off", mtime=0)[:-5], gzip.compress(b"x", mtime=0) + b"rubbish"],
    ids=["nothing", "text", "cut off", "rubbish behind"],
)
async def test_a_body_that_is_no_gzip_is_refused(server: Running, body: bytes) -> None:
    answer = await server.client.post("/model", content=body, headers={"Content-Encoding": "gzip"})
    assert answer.status_code in {400, 422}


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
async def test_other_encodings_are_refused(server: Running, encoding: str) -> None:
    answer = await server.client.post("/model", content=b"{}", headers={"Content-Encoding": encoding})
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nul\x00l",
        b'{"value": 1, "more": "\xff\xfe"}',
        b'"\xed\xa0\x80"',
        b'{"value": NaN}',
        b'{"value": Infinity}',
        b'{"value": -Infinity}',
        b'{"value": 1e999}',
        b'{"value": 1, "count": ' + b"9" * 6_000 + b"}",
        b'{"value": 1, "count": -1}',
        b'{"value": 1, "more": ' + b"[" * 40_000 + b"]" * 40_000 + b"}",
        b'{"value":' * 10_000,
        b"[]",
        b"true",
    ],
    ids=range(15),
)
async def test_hostile_json_is_told_what_is_wrong(server: Running, body: bytes) -> None:
    answer = await server.client.post("/model", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    json.loads(answer.content, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert len(answer.content) < 5_000


async def test_what_breaks_tells_the_client_nothing(server: Running) -> None:
    answer = await server.client.get("/broken")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_the_server_lives_on_after_all_of_it(server: Running) -> None:
    async with asyncio.TaskGroup() as group:
        for sent in (b"GARBAGE\r\n\r\n", b"GET /open HTTP/1.1\r\n", b"", post("/model", b"{", b"Content-Length: 2")):
            group.create_task(server.raw(sent))
    assert (await server.client.get("/open")).status_code == 200
    await until(lambda: len(server.door.deadlines) == 0)


async def test_who_does_not_read_the_answer_is_let_go(server: Running) -> None:
    before = server.listening.limits.closed["unread_answer"]
    with socket.create_connection(("127.0.0.1", server.listening.port)) as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        silent.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: server.listening.limits.closed["unread_answer"] > before)
    await until(lambda: len(server.door.deadlines) == 0)


async def test_a_handler_that_never_ends_is_ended() -> None:
    gate = Gate()
    async with running(rude_app(gate), request_timeout=1) as server:
        answer = await server.client.get("/held")
        assert answer.status_code == 503
        assert answer.json()["type"] == "slow"
        assert int(answer.headers["retry-after"]) >= 1
        assert gate.cancelled == 1
