"""Server-sent events by real connections: resume, lag, slow viewers, many of them."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from api_world import NOW_US, Api, Event, api, events, status, trust
from starlette.types import Message

from sinks.api.live.alert_ring import AlertRing
from sinks.api.live.stream import EventStream, Watch
from sinks.api.scope import Scope


@pytest_asyncio.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """Its streams say `alive` to nobody who is told something else, however long that takes on a busy machine."""
    monkeypatch.setattr("sinks.api.live.stream.ALIVE_EVERY_S", 3_600.0)
    async with api(tmp_path) as found:
        yield found


@contextlib.asynccontextmanager
async def watching(
    world: Api, last: str | None = None, topics: str = "status,trust,alerts", snapshot: bool = True
) -> AsyncIterator[AsyncIterator[Event]]:
    headers = world.by() | ({} if last is None else {"Last-Event-ID": last})
    params = {"topics": topics, "snapshot": str(snapshot).lower()}
    async with world.client.stream("GET", "/api/live", params=params, headers=headers) as answer:
        assert answer.status_code == 200
        yield events(answer)


async def until(stream_: AsyncIterator[Event], kind: str) -> list[Event]:
    """What comes up to an event of a kind."""
    found: list[Event] = []
    async with asyncio.timeout(60):
        async for event in stream_:
            found.append(event)
            if event.kind == kind:
                return found
    raise AssertionError(f"the stream ended without {kind}")


def agents_in(found: list[Event], kind: str) -> list[str]:
    return [item["agent_id"] for event in found if event.kind == kind for item in event.data["items"]]


async def test_a_viewer_is_told_how_everything_is_then_what_changes(world: Api) -> None:
    world.tell("fleet.status", status("a"), status("b"))
    async with watching(world) as told:
        assert agents_in(await until(told, "frame"), "status") == ["a", "b"]
        world.tell("fleet.trust", trust("b", score=0.5))
        found = await until(told, "frame")
        assert agents_in(found, "trust") == ["b"]
        assert agents_in(found, "status") == []


async def test_who_comes_again_is_told_what_changed_meanwhile(world: Api) -> None:
    world.tell("fleet.status", status("a"), status("b"))
    async with watching(world) as told:
        last = (await until(told, "frame"))[-1].identity
    world.tell("fleet.status", status("b", word="late"))
    async with watching(world, last) as told:
        found = await until(told, "frame")
    assert found[0].data["resumed"] is True
    assert agents_in(found, "status") == ["b"]


async def test_without_a_snapshot_only_what_changes_is_told(world: Api) -> None:
    world.tell("fleet.status", status("a"))
    async with watching(world, snapshot=False) as told:
        assert (await until(told, "hello"))[0].data["resumed"] is False
        world.tell("fleet.status", status("b"))
        assert agents_in(await until(told, "frame"), "status") == ["b"]


@pytest.mark.parametrize("last", ["nonsense", "000000000000-1-0", "x" * 150, "-1-1", "%00"])
async def test_an_id_of_another_process_begins_anew(world: Api, last: str) -> None:
    world.tell("fleet.status", status("a"))
    async with watching(world, last) as told:
        found = await until(told, "frame")
    assert found[0].data["resumed"] is False
    assert agents_in(found, "status") == ["a"]


async def test_an_id_of_the_future_begins_anew(world: Api) -> None:
    world.tell("fleet.status", status("a"))
    async with watching(world, f"{world.world.viewers.boot}-999999-0") as told:
        assert (await until(told, "frame"))[0].data["resumed"] is False


async def test_alerts_come_in_their_order_and_are_resumed(world: Api) -> None:
    async with watching(world, topics="alerts") as told:
        await until(told, "hello")
        for number in range(3):
            world.world.viewers.alerts.add("acme", "bot", {"alert": {"number": number}})
        world.world.viewers.wake()
        found = await until(told, "frame")
        last = found[-1].identity
    assert [event.data["alert"]["number"] for event in found if event.kind == "alert"] == [0, 1, 2]
    world.world.viewers.alerts.add("acme", "bot", {"alert": {"number": 3}})
    async with watching(world, last, topics="alerts") as told:
        found = await until(told, "frame")
    assert [event.data["alert"]["number"] for event in found if event.kind == "alert"] == [3]


async def test_who_missed_alerts_for_good_is_told_that_it_lagged(world: Api) -> None:
    world.world.viewers.alerts = AlertRing(kept=2)
    async with watching(world, topics="alerts") as told:
        await until(told, "hello")
        for number in range(5):
            world.world.viewers.alerts.add("acme", "bot", {"alert": {"number": number}})
        world.world.viewers.wake()
        found = await until(told, "frame")
    assert found[0].kind == "lagged"
    assert [event.data["alert"]["number"] for event in found if event.kind == "alert"] == [3, 4]


async def test_a_memory_that_was_built_anew_is_told_whole(world: Api) -> None:
    world.tell("fleet.status", status("a"))
    async with watching(world) as told:
        await until(told, "frame")
        world.world.memory.clear()
        world.tell("fleet.status", status("z"))
        found = await until(told, "frame")
    assert found[0].kind == "lagged"
    assert found[0].data["reset"] is True
    assert agents_in(found, "status") == ["z"]


async def test_a_revoked_key_watches_no_longer(world: Api) -> None:
    key = world.by()
    record = world.server.keys.directory.records()[-1]
    async with world.client.stream("GET", "/api/live", headers=key) as answer:
        told = events(answer)
        await until(told, "hello")
        world.server.keys.directory.remove(record.lookup)
        world.tell("fleet.status", status("a"))
        world.tell("fleet.status", status("b"))
        async with asyncio.timeout(60):
            rest = [event async for event in told]
    assert len(rest) <= 2


async def test_unknown_topics_are_refused(world: Api) -> None:
    answer = await world.get("/api/live", topics="status,secrets")
    assert answer.status_code == 422


@pytest.mark.fault
async def test_a_viewer_that_takes_nothing_is_dropped_and_costs_no_memory(world: Api) -> None:
    world.world.viewers.send_within_s = 0.3
    names = [status(f"agent-{number:05d}", host="h" * 200, deployment_id="d" * 400) for number in range(4_000)]
    world.tell("fleet.status", *names)
    viewer = socket.socket()
    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    viewer.connect(("127.0.0.1", world.server.listening.port))
    key = world.by()["X-API-Key"]
    viewer.sendall(f"GET /api/live HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\r\n".encode())
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with asyncio.timeout(60):
        while not world.world.viewers.dropped:
            world.tell("fleet.status", *names[:100])
            await asyncio.sleep(0.05)
    assert world.world.viewers.present == 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 40_000
    viewer.close()


@pytest.mark.fault
async def test_a_hundred_viewers_are_all_told(world: Api) -> None:
    world.tell("fleet.status", *(status(f"a{number}") for number in range(50)))
    limits = httpx.Limits(max_connections=200)
    key = world.by()
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=world.server.listening.url, limits=limits, timeout=60)
        )
        streams = []
        for _ in range(100):
            answer = await stack.enter_async_context(client.stream("GET", "/api/live", headers=key))
            streams.append(events(answer))
        await asyncio.gather(*(until(told, "frame") for told in streams))
        assert world.world.viewers.present == 100
        world.tell("fleet.status", status("a7", word="late"))
        found = await asyncio.gather(*(until(told, "frame") for told in streams))
    assert all(agents_in(each, "status") == ["a7"] for each in found)


async def test_there_is_an_end_to_viewers(world: Api) -> None:
    world.world.viewers._most_per_caller = 1
    key = world.by()
    async with world.client.stream("GET", "/api/live", headers=key) as first:
        await until(events(first), "hello")
        answer = await world.client.get("/api/live", headers=key)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"


async def test_streams_end_when_the_process_is_asked_to(world: Api) -> None:
    async with watching(world) as told:
        await until(told, "hello")
        world.world.viewers.close()
        async with asyncio.timeout(60):
            assert [event async for event in told] == []


def test_the_ring_is_bounded_in_bytes() -> None:
    ring = AlertRing(kept=1_000, most_bytes=10_000)
    for number in range(100):
        ring.add("acme", "", {"text": "x" * 500, "number": number})
    kept = list(ring.after(0, Scope("acme")))
    assert sum(map(len, kept)) <= 10_000
    assert b'"number":99' in kept[-1]
    assert not ring.holds_after(0)
    assert ring.holds_after(99)


def test_an_alert_of_nobody_is_for_the_whole_fleet() -> None:
    ring = AlertRing()
    ring.add("", "", {"fleet": True})
    assert list(ring.after(0, Scope("acme"))) == []
    assert len(list(ring.after(0, Scope()))) == 1


async def test_a_stream_with_nothing_to_tell_says_that_it_is_alive(world: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.api.live.stream.ALIVE_EVERY_S", 0.05)
    async with watching(world, topics="alerts", snapshot=False) as told:
        await until(told, "alive")
        for number in range(3):  # what others are told is silence to this one
            world.tell("fleet.status", status(f"a{number}"))
        assert {event.kind for event in await until(told, "alive")} == {"alive"}


async def test_a_stream_ends_with_its_key_though_nothing_happens(world: Api) -> None:
    key = world.by()
    record = world.server.keys.directory.records()[-1]
    async with world.client.stream("GET", "/api/live", headers=key, params={"snapshot": False}) as answer:
        told = events(answer)
        await until(told, "hello")
        world.server.keys.directory.remove(record.lookup)
        async with asyncio.timeout(60):
            assert [event async for event in told] == []


async def test_what_comes_after_the_end_of_a_key_is_not_told(world: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.api.until_gone.LOOK_S", 3_600.0)
    key = world.by()
    record = world.server.keys.directory.records()[-1]
    async with world.client.stream("GET", "/api/live", headers=key, params={"snapshot": False}) as answer:
        told = events(answer)
        await until(told, "hello")
        world.server.keys.directory.remove(record.lookup)
        world.tell("fleet.status", status("a"))
        async with asyncio.timeout(60):
            assert agents_in([event async for event in told], "status") == []


async def test_who_takes_nothing_and_may_not_watch_any_more_holds_no_place(world: Api) -> None:
    viewers, stuck = world.world.viewers, asyncio.Event()
    viewers.send_within_s = 3_600.0
    watch = Watch(
        frozenset({"status"}), Scope("acme"), None, False, "somebody", lambda: not stuck.is_set(), lambda: NOW_US
    )

    async def taken(message: Message) -> None:
        if message["type"] == "http.response.body":
            viewers.send_within_s = 0.05  # what was begun before is waited for as long as before
            stuck.set()
            await asyncio.Event().wait()

    async def never_leaves() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async with asyncio.timeout(60):
        await EventStream(viewers, watch)({"type": "http"}, never_leaves, taken)
    assert (viewers.present, viewers.dropped) == (0, 1)
