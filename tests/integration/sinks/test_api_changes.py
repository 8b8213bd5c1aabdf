"""Keys and dead letters changed over HTTP, with a real broker: done once, told in the audit trail before it is done."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from api_world import NOW_US, Lake, whole
from lake_world import rows, until, writer
from web_world import Keys, Running, running

from infra.access import Refusal, Session, Sessions, lookup_of, session_book, trail, verify
from infra.access.directory import Entry
from infra.broker.interface import Broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.kafka import consumer
from infra.runtime.settings import load_settings
from schemas.catalogue import DAY_S
from schemas.record import decode_record, encode_single_object
from schemas.registry import SchemaBook, load_schema
from sinks.api.app import create_app
from sinks.api.settings.models import KeyMade, RetentionKept
from sinks.api.world import World
from sinks.lake.keep import keep_s_by_table

Make = Callable[[str], Broker]


@asynccontextmanager
async def served(broker: Broker, lake: Path) -> AsyncIterator[tuple[Running, World]]:
    """The API; of what runs beside it only what reads offsets. Its keys are in memory and, once made, in the topic."""
    keys = Keys()
    world = World(broker.bootstrap, lake, directory=keys.directory)
    world.follower.as_of_us = NOW_US
    looking = asyncio.create_task(world.pipeline.run())
    try:
        async with running(create_app(world), keys) as server:
            yield server, world
    finally:
        looking.cancel()
        await asyncio.wait([looking])
        world.past.close()
        world.recent.close()


async def records(broker: Broker, topic: str) -> list[tuple[bytes | None, bytes]]:
    """Key and value of all that a topic holds."""
    client = consumer(broker.bootstrap)
    await client.start()
    try:
        parts = [TopicPartition(topic, number) for number in range(2)]
        client.assign(parts)
        ends = await client.end_offsets(parts)
        found: list[tuple[bytes | None, bytes]] = []
        for part in parts:
            while await client.position(part) < ends[part]:
                polled = await client.getmany(part, timeout_ms=200)
                found += [(each.key, each.value) for batch in polled.values() for each in batch]
        return found
    finally:
        await client.stop()


async def audited(broker: Broker) -> list[dict[str, Any]]:
    """The audit trail, in the order of its writing."""
    book = SchemaBook("audit")
    found = [decode_record(book, value) for _, value in await records(broker, "fleet.audit")]
    return sorted(found, key=lambda row: row["timestamp"])


@pytest.fixture(autouse=True)
def last_words_have_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told when a server stops is given up after seconds, which a busy machine may need."""
    monkeypatch.setattr(trail, "_LAST_WITHIN_S", 60.0)
    monkeypatch.setattr(trail, "_WRITTEN_WITHIN_S", 60.0)
    monkeypatch.setattr(session_book, "_LAST_WITHIN_S", 60.0)


@pytest.fixture
async def broker(broker_factory: Make) -> Broker:
    found = broker_factory("tansu")
    await provision(found.bootstrap, plan_topics(load_settings(partitions=2)))
    return found


async def test_keys_are_made_rotated_and_revoked_once(broker: Broker, tmp_path: Path) -> None:
    async with served(broker, tmp_path) as (server, world):
        headers = server.by("admin", "acme") | {"Idempotency-Key": "one-click"}
        order = {"name": "crawler", "role": "ingest", "agents": ["crawler-*"], "expires": "90d"}
        twice = [server.client.post("/api/keys", json=order, headers=headers) for _ in range(2)]
        first, again = await asyncio.gather(*twice)
        made, refused = sorted((first, again), key=lambda answer: answer.status_code)
        assert (made.status_code, refused.status_code) == (201, 409)
        assert made.headers["cache-control"] == "no-store"
        KeyMade.model_validate(made.json())
        lookup, key = made.json()["record"]["lookup"], made.json()["key"]
        assert lookup in refused.json()["detail"]
        assert key not in refused.text
        assert world.directory is not None
        who = verify(key, world.directory, world.clock.now_s())
        assert (who.tenant, who.agents, who.role) == ("acme", ("crawler-*",), "ingest")  # type: ignore[union-attr]  # a refusal has no tenant and fails here

        url = f"/api/keys/{lookup}"
        rotations = [server.client.post(f"{url}/rotate", json={"keep": "1h"}, headers=server.by("admin")) for _ in "ab"]
        assert sorted([answer.status_code for answer in await asyncio.gather(*rotations)]) == [201, 409]
        for _ in range(2):
            ended = await server.client.post(f"{url}/revoke", json={}, headers=server.by("admin"))
            assert (ended.status_code, ended.json()["record"]["state"]) == (200, "revoked")
        assert not hasattr(verify(key, world.directory, world.clock.now_s()), "tenant")

    told = await audited(broker)
    assert [row["action"] for row in told] == ["keys.create", "keys.rotate", "keys.rotate", "keys.revoke"]
    assert told[0]["route"] == "/api/keys"
    assert json.loads(told[0]["detail"])["name"] == "crawler"
    assert key.rpartition("_")[2] not in str(told)
    assert {row["actor"].partition(":")[0] for row in told if "actor" in row} <= {"key"}


def poison(offset: int, seq: int, session: str = "replayed") -> dict[str, Any]:
    """A dead letter of fleet.logs whose message can be read by now."""
    event = whole("log", {"agent_id": "bot", "user_id": "acme", "session_id": session, "seq": seq, "message": "hello"})
    raw = encode_single_object(load_schema("log"), event)
    where = "fleet.logs/0"
    return {
        "agent_id": where, "session_id": where, "seq": offset, "topic": "fleet.logs", "offset": offset, "raw": raw,
        "raw_size_bytes": len(raw), "error": "unknown_schema", "detail": "",
    }  # fmt: skip


async def test_dead_letters_are_published_once(broker: Broker, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.add("deadletter", [poison(1, 5), poison(2, 5), poison(3, 6)])
    lake.add("logs", [{"agent_id": "bot", "user_id": "acme", "session_id": "replayed", "seq": 6}])
    names = [f"fleet.logs/0/{offset}" for offset in (1, 2, 3)]
    async with served(broker, tmp_path) as (server, _):
        admin = server.by("admin", None)
        orders = [
            server.client.post("/api/deadletters/replay", json={"letters": names}, headers=admin, timeout=60)
            for _ in range(2)
        ]
        done = [answer.json() for answer in await asyncio.gather(*orders)]
        assert sorted(each["replayed"] for each in done) == [0, 1]
        outcomes = [each["outcome"] for each in max(done, key=lambda each: each["replayed"])["letters"]]
        assert outcomes == ["replayed", "underway", "landed"]  # two letters of one event; one that is there
        pipeline = (await server.client.get("/api/pipeline", headers=admin, timeout=60)).json()
        assert pipeline["trouble"] == ""
        assert {each["topic"]: each["records"] for each in pipeline["topics"]}["fleet.logs"] == 1
        assert next(each["lag"] for each in pipeline["groups"] if each["group"] == "fleetpulse-lake") >= 1

    published = await records(broker, "fleet.logs")
    assert [key for key, _ in published] == [b"bot"]
    assert decode_record(SchemaBook("log"), published[0][1])["message"] == "hello"
    assert [(row["action"], row["detail"]) for row in await audited(broker)] == [("deadletters.replay", names[0])]


async def test_what_two_apis_publish_at_once_lands_once(broker: Broker, tmp_path: Path) -> None:
    """Neither knows of the other, so both publish: one session and number, one key, and the lake keeps one."""
    asked, landing = tmp_path / "asked", tmp_path / "landing"
    Lake(asked).add("deadletter", [poison(1, 5)])
    async with served(broker, asked) as (one, _), served(broker, asked) as (other, _):
        orders = [
            server.client.post(
                "/api/deadletters/replay",
                json={"letters": ["fleet.logs/0/1"]},
                headers=server.by("admin", None),
                timeout=60,
            )
            for server in (one, other)
        ]
        assert [answer.json()["replayed"] for answer in await asyncio.gather(*orders)] == [1, 1]
    assert [key for key, _ in await records(broker, "fleet.logs")] == [b"bot", b"bot"]
    async with writer(broker.bootstrap, landing) as process:
        await process.ready()
        await until(lambda: bool(rows(landing, "duplicates")), "the second one", timeout_s=120)
        await process.stop()
    assert [(row["session_id"], row["seq"]) for row in rows(landing, "logs")] == [("replayed", 5)]
    assert [(row["session_id"], row["seq"]) for row in rows(landing, "duplicates")] == [("replayed", 5)]


async def test_a_decision_about_retention_is_told_before_it_counts(broker: Broker, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.add("metrics", [{"agent_id": "a", "user_id": "acme", "timestamp": int((time.time() - 40 * DAY_S) * 1e6)}])
    async with served(broker, lake.folder) as (server, _):
        path, headers = "/api/settings/retention/metrics", server.by("admin", None)
        answer = await server.client.put(path, json={"keep": "30d", "was_s": 90 * DAY_S}, headers=headers)
        assert answer.status_code == 200, answer.text
        RetentionKept.model_validate(answer.json())
        assert (answer.json()["hours"], answer.json()["retention"]["lake_s"]) == (1, 30 * DAY_S)
        assert keep_s_by_table(lake.folder)["metrics"] == 30 * DAY_S
        answer = await server.client.put(path, json={"keep": "default", "was_s": 30 * DAY_S}, headers=headers)
        assert (answer.status_code, answer.json()["retention"]["decided_by"]) == (200, None)
    first, second = [row for row in await audited(broker) if row["action"] == "settings.retention"]
    assert json.loads(first["detail"])["keep_s"] == json.loads(second["detail"])["was_s"] == 30 * DAY_S
    assert first["actor"].startswith("key:")


async def test_who_was_signed_out_stays_out_in_every_api_and_after_a_restart(broker: Broker) -> None:
    keys = Keys()
    who = _made(keys).principal
    async with _book(broker, keys) as one:
        text, session = one.begin(who, time.time())
        kept, _ = one.begin(who, time.time())
        async with _book(broker, keys) as other:
            await until(lambda: len(other.live(time.time())) == 2, "both are known", timeout_s=60)
            one.end(session, time.time())
            await until(lambda: isinstance(other.recognise(text, time.time()), Refusal), "it is over", timeout_s=60)
    async with _book(broker, keys) as later:
        assert later.recognise(text, time.time()) == Refusal("signed_out")
        assert isinstance(later.recognise(kept, time.time()), Session)
        assert [each.name for each in later.live(time.time())] == ["viewer of acme"]


async def test_who_signed_out_just_before_the_api_stopped_stays_out(broker: Broker) -> None:
    keys = Keys()
    who = _made(keys).principal
    async with _book(broker, keys) as one:
        text, session = one.begin(who, time.time())
        for _ in range(30):
            one.begin(who, time.time())
        one.end(session, time.time())
    async with _book(broker, keys) as later:
        assert later.recognise(text, time.time()) == Refusal("signed_out")


def _made(keys: Keys) -> Entry:
    entry = keys.directory.entry(lookup_of(keys.make("viewer")) or "")
    assert entry is not None
    return entry


@asynccontextmanager
async def _book(broker: Broker, keys: Keys) -> AsyncIterator[Sessions]:
    """Sessions of an API that has read what was ended elsewhere."""
    sessions = Sessions(keys.directory)
    following = asyncio.create_task(sessions.book.follow(broker.bootstrap))
    try:
        async with asyncio.timeout(60):
            await until(lambda: following.done() or sessions.book.follows, "it follows", timeout_s=60)
            await sessions.book.ready.wait()
        yield sessions
    finally:
        following.cancel()
        await asyncio.wait([following])
