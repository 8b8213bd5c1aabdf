"""Fault 47 and who may pass: bursts, requests in flight, connections, keys and roles, proxies, origins."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from rude_world import Gate, answers, rude_app
from web_world import NOW_S, Keys, Running, running, until

from infra.access import AuditTrail, make_key
from infra.runtime.clock import ManualClock
from infra.web.access import Access, compat_keys

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Running]:
    async with running(rude_app()) as found:
        yield found


async def test_a_burst_of_one_key_is_told_when_to_come_again() -> None:
    async with running(rude_app(), rate_per_key=0.1, rate_per_address=100_000) as server:
        key, other = server.by("ingest"), server.by("ingest")
        found = await asyncio.gather(*(server.client.post("/echo", content=b"x", headers=key) for _ in range(60)))
        counted = Counter(each.status_code for each in found)
        assert counted[429] >= 40
        assert counted[200] + counted[429] == 60
        refused = next(each for each in found if each.status_code == 429)
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["type"] == "rate-limited"
        assert (await server.client.post("/echo", content=b"x", headers=other)).status_code == 200
        assert b'fleetpulse_test_refused_total{reason="key"}' in server.door.figures.text()


async def test_a_burst_of_one_address_holds_no_memory() -> None:
    gate = Gate()
    async with running(rude_app(gate), rate_per_address=0.1) as server:
        one = b"GET /nothing-" + b"a" * 1_000 + b" HTTP/1.1\r\nHost: x\r\nX-API-Key: " + b"k" * 1_000 + b"\r\n\r\n"
        reader, writer = await server.open()
        seen: Counter[int] = Counter()
        tracemalloc.start()
        try:
            for turn in range(45):
                writer.write(one * 10)
                for _ in range(10):
                    head = await reader.readuntil(b"\r\n\r\n")
                    seen[int(head.split()[1])] += 1
                    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                    await reader.readexactly(int(length.split()[1]))
                if turn == 20:
                    settled_bytes, _ = tracemalloc.get_traced_memory()
            after_bytes, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            writer.close()
        assert seen[429] > 400
        assert after_bytes - settled_bytes < 200_000
        assert len(server.door.figures.routes) == 1
        assert len(server.door.by_address) == 1


async def test_more_in_flight_than_may_be_are_told_to_wait() -> None:
    gate = Gate()
    async with running(rude_app(gate), max_in_flight=3) as server:
        held = [asyncio.create_task(server.client.get("/held")) for _ in range(3)]
        await until(lambda: gate.waiting == 3)
        answer = await server.client.get("/open")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        gate.opened.set()
        assert [each.status_code for each in await asyncio.gather(*held)] == [200] * 3
        assert (await server.client.get("/open")).status_code == 200


async def test_bodies_in_memory_are_bounded() -> None:
    async with running(rude_app(), max_buffered_bytes=50_000) as server:
        answer = await server.client.post("/echo", content=bytes(60_000), headers=server.by("ingest"))
        assert answer.status_code == 503
        assert server.door.buffers.held_bytes == 0
        assert (
            await server.client.post("/echo", content=bytes(40_000), headers=server.by("ingest"))
        ).status_code == 200


async def test_more_connections_than_may_be_are_closed() -> None:
    async with running(rude_app(), max_connections_per_address=3) as server:
        opened = [await server.open() for _ in range(3)]
        answer = await server.raw(b"")
        assert answers(answer)[0].status == 503
        for _, writer in opened:
            writer.close()
        await until(lambda: not server.listening.limits.per_address)
        assert (await server.client.get("/open")).status_code == 200


ROLES = ("ingest", "viewer", "operator", "admin")


@pytest.mark.parametrize(
    ("path", "let_in"),
    [
        ("/viewer", {"viewer", "operator", "admin"}),
        ("/operator", {"operator", "admin"}),
        ("/admin", {"admin"}),
        ("/sql", {"admin"}),
        ("/local", {"viewer", "operator", "admin", ""}),
        ("/open", {*ROLES, ""}),
    ],
)
async def test_who_may_call_what(server: Running, path: str, let_in: set[str]) -> None:
    for role in ROLES:
        answer = await server.client.get(path, headers=server.by(role))
        assert (role, answer.status_code) == (role, 200 if role in let_in else 403)
    without = await server.client.get(path)
    assert without.status_code == (200 if "" in let_in else 401)
    if not without.is_success:
        assert without.headers["www-authenticate"].startswith("Bearer")
    granted = await server.client.get("/sql", headers=server.by("viewer", sql=True))
    assert granted.status_code == 200


async def test_a_key_in_every_place_where_it_may_be(server: Running) -> None:
    key = server.keys.make("ingest")
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"bearer {key}"}):
        assert (await server.client.post("/echo", headers=headers)).status_code == 200
    assert (await server.client.get(f"/ping/{key}")).status_code == 200
    assert (await server.client.get("/ping/fp_i_nobody")).status_code == 401
    both = {"X-API-Key": key, "Authorization": f"Bearer {key}"}
    assert (await server.client.post("/echo", headers=both)).status_code == 400
    assert (await server.client.post("/echo", headers={"Authorization": f"Basic {key}"})).status_code == 401
    assert key.encode() not in server.door.figures.text()
    assert b'route="/ping/{key}"' in server.door.figures.text()


async def test_a_key_that_is_no_more_is_told_nothing(server: Running) -> None:
    text, record = make_key(
        server.keys.directory.secret, name="old", role="ingest", tenant="acme", now_s=NOW_S - 10, lives_s=5
    )
    server.keys.directory.put(record)
    answers_to = [
        await server.client.post("/echo", headers={"X-API-Key": each})
        for each in (text, text[:-1] + "a", "fp_i_x", "a b")
    ]
    told = {(each.status_code, each.json()["detail"]) for each in answers_to}
    assert told == {(401, "the key or token is not valid")}


async def test_a_refused_body_is_not_read(server: Running) -> None:
    sent = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
    [answer] = answers(await server.raw(sent))
    assert answer.status == 401
    assert answer.headers["connection"] == "close"


async def test_refusals_are_in_the_audit_trail_without_the_key() -> None:
    keys = Keys()
    trail = AuditTrail("127.0.0.1:1", "fleetpulse:test:H-1", ManualClock(NOW_S))
    async with running(rude_app(), keys, Access(keys.directory, audit=trail, now_s=lambda: NOW_S)) as server:
        key = keys.make("viewer")
        await server.client.get("/admin", headers={"X-API-Key": key})
        await server.client.get("/admin")
        secret = "fp_a_" + "a" * 12 + "_" + "b" * 32
        await server.client.get(f"/ping/{secret}")
    written = b"".join(row.value for row in trail.log.take(10))
    assert trail.log.take(10) == []
    assert written.count(b"refused") == 3
    assert b"unknown aaaaaaaaaaaa" in written
    assert b"bbbbbbbb" not in written
    assert key.encode() not in written


FORWARDED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


async def test_forwarded_headers_are_believed_of_named_proxies_only(server: Running) -> None:
    told = (await server.client.get("/open", headers=FORWARDED)).json()
    assert told == {"address": "127.0.0.1", "secure": False, "path": "/open"}
    async with running(rude_app(), trusted_proxy=["127.0.0.0/8", "10.0.0.1"]) as behind:
        told = (await behind.client.get("/open", headers=FORWARDED)).json()
        assert (told["address"], told["secure"]) == ("203.0.113.9", True)
        chain = {"X-Forwarded-For": "1.1.1.1, 203.0.113.9, 10.0.0.1"}
        assert (await behind.client.get("/open", headers=chain)).json()["address"] == "203.0.113.9"
        # who comes by a proxy is not on this machine, whatever the socket says
        assert (await behind.client.get("/local", headers=FORWARDED)).status_code == 401
    assert (await server.client.get("/local", headers=FORWARDED)).status_code == 401
    # nor is a web page whose name was made to mean this machine
    assert (await server.client.get("/local", headers={"Host": "rebound.example"})).status_code == 401
    assert (await server.client.get("/local", headers={"Host": "localhost:80"})).status_code == 200
    for site, status in (("same-origin", 200), ("none", 200), ("same-site", 401), ("cross-site", 401)):
        assert (await server.client.get("/local", headers={"Sec-Fetch-Site": site})).status_code == status, site


async def test_guessable_keys_are_taken_where_the_server_is_told_to_and_from_here_only(server: Running) -> None:
    guessed = {"X-API-Key": "promethios_acme_a1_1672531200"}
    assert (await server.client.post("/echo", headers=guessed)).status_code == 401
    keys = Keys()
    access = Access(keys.directory, compat=compat_keys, now_s=lambda: NOW_S)
    async with running(rude_app(), keys, access, trusted_proxy=["127.0.0.1"]) as compatible:
        assert (await compatible.client.post("/echo", headers=guessed)).json()["who"] == "compat:acme_a1"
        assert (await compatible.client.post("/echo", headers=guessed | FORWARDED)).status_code == 401
        assert (await compatible.client.post("/echo", headers=guessed | {"Host": "evil.example"})).status_code == 401
        assert (await compatible.client.get("/admin", headers=guessed)).status_code == 403
        # nor may a page from elsewhere have a browser on this machine call with a key that it made up
        strange = [{"Origin": "https://evil.example"}, {"Origin": "null"}]
        strange += [{"Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "none", "")]
        strange += [{"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}]
        for page in strange:
            assert (await compatible.client.post("/echo", headers=guessed | page)).status_code == 401, page
        own = guessed | {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-origin"}
        assert (await compatible.client.post("/echo", headers=own)).status_code == 200


async def test_pages_of_other_origins_are_answered_nothing_unless_named(server: Running) -> None:
    page = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    plain = await server.client.get("/open", headers=page)
    assert not any(name.startswith("access-control") for name in plain.headers)
    assert (await server.client.options("/open", headers=page)).status_code == 405
    async with running(rude_app(), cors_origin=["https://ops.example"]) as named:
        good = {**page, "Origin": "https://ops.example"}
        beforehand = await named.client.options("/viewer", headers=good)
        assert beforehand.status_code == 204
        assert beforehand.headers["access-control-allow-origin"] == "https://ops.example"
        assert "x-api-key" in beforehand.headers["access-control-allow-headers"]
        assert (await named.client.get("/open", headers=good)).headers["access-control-allow-origin"] == good["Origin"]
        refused = await named.client.get("/viewer", headers=good)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == good["Origin"]
        assert refused.headers.get_list("cross-origin-resource-policy") == ["cross-origin"]
        assert "x-row-count" in refused.headers["access-control-expose-headers"]
        other = await named.client.options("/viewer", headers=page)
        assert other.status_code == 403
        assert "access-control-allow-origin" not in other.headers
        assert "access-control-allow-credentials" not in beforehand.headers


async def test_every_answer_says_how_it_may_be_used(server: Running) -> None:
    for path in ("/open", "/nothing", "/admin", "/broken", "/openapi.json"):
        headers = (await server.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert headers["x-request-id"]
        assert "server" not in headers


async def test_a_head_request_is_a_get_without_body(server: Running) -> None:
    answer = await server.client.head("/open")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 10


async def test_a_stream_has_no_time_limit_and_no_place_in_flight() -> None:
    gate = Gate()
    async with running(rude_app(gate), request_timeout=2, max_in_flight=1) as server:
        async with server.client.stream("GET", "/stream", headers=server.by("viewer")) as answer:
            pieces = answer.aiter_text()
            assert await anext(pieces) == "first\n"
            assert server.door.streams == 1
            await asyncio.sleep(2.5)  # longer than a request may take
            assert (await server.client.get("/open")).status_code == 200
            gate.opened.set()
            assert await anext(pieces) == "last\n"
        await until(lambda: not server.door.streams)


async def test_a_viewer_that_leaves_ends_its_stream() -> None:
    async with running(rude_app(Gate())) as server:
        async with server.client.stream("GET", "/stream", headers=server.by("viewer")) as answer:
            assert await anext(answer.aiter_text()) == "first\n"
        await until(lambda: not server.door.streams)


async def test_a_route_may_not_take_more_than_the_server() -> None:
    async with running(rude_app(), max_body=1_024) as small:
        assert (await small.client.post("/small", content=b"x" * 1_025)).status_code == 413
        assert (await small.client.post("/small", content=b"x" * 1_024)).status_code == 200
