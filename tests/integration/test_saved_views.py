"""Saved views over a real broker: whose they are, who sees, changes and deletes them, what survives a restart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from web_world import SECRET, Keys, Running, until
from web_world import running as serving_app

from infra.access import Role, make_key
from infra.access.topic import write
from infra.broker.interface import Broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.clock import ManualClock
from infra.runtime.settings import load_settings
from schemas.catalogue import SAVED_VIEWS
from sinks.api.app import create_app
from sinks.api.views import shelf as shelves
from sinks.api.world import World

WANTED = {"kind": "sql", "name": "Slowest tools", "content": {"sql": "SELECT 1"}, "shared": True}
NOW_S = 1_800_000_000.0


@pytest.fixture
def bootstrap(broker_factory: Callable[[str], Broker]) -> str:
    return broker_factory("tansu").bootstrap


@contextlib.asynccontextmanager
async def serving(bootstrap: str, folder: Path, keys: Keys) -> AsyncIterator[tuple[Running, World]]:
    """The API, of which only the shelf follows the broker."""
    await provision(bootstrap, plan_topics(load_settings(partitions=2)))
    world = World(bootstrap, folder, clock=ManualClock(NOW_S), directory=keys.directory)
    following = asyncio.create_task(world.shelf.run())
    try:
        async with serving_app(create_app(world), keys) as server:
            await until(world.shelf.ready.is_set, 60)
            yield server, world
    finally:
        following.cancel()
        await asyncio.wait({following})
        world.past.close()
        world.recent.close()


async def send(api: Running, method: str, path: str, key: dict[str, str], **body: Any) -> tuple[int, Any]:  # noqa: ANN401  # any JSON value
    answer = await api.client.request(method, path, headers=key, json=body or None, timeout=60)
    return answer.status_code, answer.json() if answer.content else None


async def test_views_are_of_who_made_them_and_shared_ones_of_their_tenant(bootstrap: str, tmp_path: Path) -> None:
    keys = Keys()
    async with serving(bootstrap, tmp_path, keys) as (api, world):
        roles: list[tuple[str, Role, str | None]] = [
            ("ada", "viewer", "acme"), ("bob", "viewer", "acme"), ("boss", "admin", "acme"), ("eve", "admin", "other"),
            ("all", "admin", None),
        ]  # fmt: skip
        by = {name: api.by(role, tenant) for name, role, tenant in roles}
        status, made = await send(api, "POST", "/api/views", by["ada"], **WANTED)
        _, private = await send(api, "POST", "/api/views", by["ada"], **{**WANTED, "shared": False, "name": "A own"})
        assert (status, made["own"], made["created"]) == (201, True, "2027-01-15T08:00:00.000Z")
        seen = {name: (await send(api, "GET", "/api/views", key))[1]["items"] for name, key in by.items()}
        assert {name: [(item["name"], item["own"]) for item in items] for name, items in seen.items()} == {
            "ada": [("A own", True), ("Slowest tools", True)], "bob": [("Slowest tools", False)],
            "boss": [("Slowest tools", False)], "eve": [], "all": [],
        }  # fmt: skip
        assert (await send(api, "GET", "/api/views?kind=trends", by["ada"]))[1] == {"items": []}
        own, shared = f"/api/views/{private['id']}", f"/api/views/{made['id']}"
        assert (await send(api, "PUT", shared, by["ada"], **{**WANTED, "name": "New"}))[1]["name"] == "New"
        refused = [await send(api, method, path, by[who]) for method, path, who in (
            ("DELETE", own, "bob"), ("DELETE", own, "boss"), ("DELETE", shared, "eve"), ("DELETE", shared, "all"),
            ("DELETE", shared, "bob"), ("DELETE", "/api/views/../keys", "ada"),
        )]  # fmt: skip
        assert [status for status, _ in refused[:5]] == [404, 404, 404, 404, 403]
        assert (await send(api, "PUT", shared, by["bob"], **WANTED))[0] == 403
        assert (await send(api, "DELETE", shared, by["boss"]))[0] == 204
        assert [event.action for event in world.audit.log.waiting] == [
            "views.create", "views.create", "views.change", "views.delete"
        ]  # fmt: skip
    async with serving(bootstrap, tmp_path, keys) as (api, _):
        items = (await send(api, "GET", "/api/views", by["ada"]))[1]["items"]
        assert [item["name"] for item in items] == ["A own"]


async def test_what_the_topic_says_nothing_of_any_more_is_gone_after_a_reconnect(
    bootstrap: str, tmp_path: Path
) -> None:
    """A view was deleted elsewhere while this process was away, so long ago that the deletion is compacted away."""
    keys = Keys()
    async with serving(bootstrap, tmp_path, keys) as (api, world):
        key = api.by("viewer", "away")
        _, kept = await send(api, "POST", "/api/views", key, **WANTED)
        ghost = world.shelf.seen("away", ())[0].model_copy(update={"id": "f" * 32, "name": "Deleted elsewhere"})
        world.shelf.take(ghost.id, ghost.model_dump_json().encode())
        names = [item["name"] for item in (await send(api, "GET", "/api/views", key))[1]["items"]]
        assert names == ["Deleted elsewhere", "Slowest tools"]
        again = asyncio.create_task(world.shelf.run())
        try:
            await until(lambda: [view.id for view in world.shelf.seen("away", ())] == [kept["id"]], 60)
        finally:
            again.cancel()
            await asyncio.wait({again})


async def test_a_key_that_took_anothers_place_has_its_views(bootstrap: str, tmp_path: Path) -> None:
    keys = Keys()
    old = keys.make("viewer", "turning")
    lookup = old.split("_")[2]
    successor, record = make_key(
        SECRET, name="k", role="viewer", tenant="turning", now_s=NOW_S, agents=(), replaces=lookup
    )
    assert keys.directory.put(record)
    async with serving(bootstrap, tmp_path, keys) as (api, _):
        await send(api, "POST", "/api/views", {"X-API-Key": old}, **{**WANTED, "shared": False})
        items = (await send(api, "GET", "/api/views", {"X-API-Key": successor}))[1]["items"]
        assert [(item["name"], item["own"]) for item in items] == [("Slowest tools", True)]


async def test_what_is_no_view_or_too_much_is_refused(
    bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys()
    monkeypatch.setattr(shelves, "MOST_OF_ONE", 1)
    async with serving(bootstrap, tmp_path, keys) as (api, world):
        key = api.by("viewer", "full")
        deep: dict[str, Any] = {}
        for _ in range(300):
            deep = {"deeper": deep}
        bad: list[dict[str, Any]] = [
            {"name": ""}, {"name": "a\nb"}, {"kind": "nonsense"}, {"content": {"sql": "x" * 17_000}}, {"content": []},
            {"owner": "eve"}, {"tenant": "other"}, {"content": deep},
        ]  # fmt: skip
        for wrong in bad:
            assert (await send(api, "POST", "/api/views", key, **{**WANTED, **wrong}))[0] == 422, wrong
        headers = key | {"Content-Type": "application/json"}
        for strange in ("NaN", r'"\ud800"', r'{"\ud800": 1}'):
            text = '{"kind": "sql", "name": "x", "content": {"a": ' + strange + "}}"
            answer = await api.client.post("/api/views", content=text, headers=headers)
            assert answer.status_code == 422, strange
        assert (await send(api, "POST", "/api/views", key, **WANTED))[0] == 201
        status, told = await send(api, "POST", "/api/views", key, **WANTED)
        assert (status, told["type"]) == (409, "full")
        await write(bootstrap, {"0" * 32: b"{}", "strange": b"\xff", "e" * 32: None}, SAVED_VIEWS)
        await send(api, "DELETE", f"/api/views/{world.shelf.seen('full', ())[0].id}", key)
        assert (await send(api, "POST", "/api/views", key, **WANTED))[0] == 201


async def test_without_the_topic_nothing_is_saved(tmp_path: Path) -> None:
    world, keys = World("127.0.0.1:1", tmp_path), Keys()
    async with serving_app(create_app(world), keys) as server:
        answer = await server.client.get("/api/views", headers=server.by("viewer"))
        assert (answer.status_code, answer.json()["type"]) == (503, "starting")
    world.past.close()
    world.recent.close()
