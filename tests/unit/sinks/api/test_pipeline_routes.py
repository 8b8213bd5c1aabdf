"""The pipeline and its dead letters: who sees them, what is told, what a replay would do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from api_world import Api, ago_us, api, status, whole
from pydantic import BaseModel

from infra.runtime.offsets import Offsets
from schemas.catalogue import TOPICS
from schemas.record import encode_single_object
from schemas.registry import load_schema
from sinks.api.hosts.models import HostDetail, HostPage
from sinks.api.models import example_of
from sinks.api.pipeline.flow import GROUPS, LAKE, NOTIFY, STREAMS, Point, topics_of
from sinks.api.pipeline.models import LetterPage, Pipeline, ReplayDone
from sinks.api.settings.models import KeyEnded, KeyList, KeyMade, SettingsTold

GOOD, LANDED = "a-good-session", "a-landed-session"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "model", [Pipeline, LetterPage, ReplayDone, HostPage, HostDetail, SettingsTold, KeyList, KeyMade, KeyEnded]
)
async def test_the_examples_of_the_document_fit_their_models(model: type[BaseModel]) -> None:
    model.model_validate(example_of(model))


def message(session: str, **more: object) -> bytes:
    """An encoded log event, as its producer sent it."""
    return encode_single_object(load_schema("log"), whole("log", {"agent_id": "bot", "session_id": session, **more}))


def letter(offset: int, raw: bytes | None, topic: str = "fleet.logs", **more: object) -> dict[str, Any]:
    """A record of fleet.deadletter."""
    where = f"{topic}/0"
    found = {"agent_id": where, "session_id": where, "seq": offset, "topic": topic, "offset": offset, "raw": raw}
    return {**found, "raw_size_bytes": len(raw or b""), "error": "unknown_schema", "detail": "of a newer one", **more}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with api(tmp_path_factory.mktemp("api")) as found:
        found.lake.add("logs", [{"agent_id": "bot", "user_id": "acme", "session_id": LANDED, "seq": 7}])
        found.lake.add(
            "deadletter",
            [
                letter(1, message(GOOD, seq=1, user_id="acme")),
                letter(2, message(LANDED, seq=7)),
                letter(3, b"\xc3\x01<script>alert(1)</script>", error="truncated"),
                letter(4, message(GOOD, seq=2)[:20], raw_size_bytes=300_000),
                letter(5, b"raw", topic="fleet.alerts", error="undeliverable"),
                letter(6, None, error="empty"),
            ],
        )
        found.tell(
            "fleet.status",
            status("fleetpulse:lake-writer:h-1", "fleetpulse", "degraded", host="h"),
            status("fleetpulse:api:h-1", "fleetpulse"),
            status("bot"),
            status("fleetpulse:impostor", "acme"),
        )
        numbers = [{"name": n, "value": v} for n, v in (("lag", 3.0), ("rows_per_s", 12.5), ("restarts", 2.0))]
        mine = {"agent_id": "fleetpulse:lake-writer:h-1", "user_id": "fleetpulse"}
        found.lake.add(
            "metrics",
            [
                mine | {"custom": numbers, "uptime": 90.0},
                mine | {"custom": [{"name": "lag", "value": 9.0}], "timestamp": ago_us(minutes=3), "uptime": 999.0},
            ],
        )
        yield found


def by_admin(world: Api) -> dict[str, str]:
    return world.by(None, "admin")


async def test_parts_tell_what_is_worst_first_with_their_latest_numbers(world: Api) -> None:
    answer = await world.client.get("/api/pipeline", headers=world.by(None, "operator"))
    found = answer.json()
    Pipeline.model_validate(found)
    assert [part["process"] for part in found["parts"]] == ["lake-writer", "api"]
    assert found["parts"][0]["numbers"] == {"lag": 3.0, "rows_per_s": 12.5}
    writer, api = found["parts"]
    told_at = datetime.fromisoformat(writer["numbers_at"])
    assert datetime.fromisoformat(writer["started_at"]) == told_at - timedelta(seconds=90)
    assert (writer["restarts"], api["restarts"], api["started_at"], api["numbers_at"]) == (2, None, None, None)
    assert writer["interval_s"] == 30.0
    assert (found["as_of"], found["groups"], found["topics"][0]["records"]) == (None, [], None)
    kinds = {(each["topic"], each["error"]): each["letters"] for each in found["dead_letters"]}
    assert kinds[("fleet.logs", "unknown_schema")] == 3


async def test_lag_and_rates_come_from_two_readings(world: Api) -> None:
    flow = world.world.pipeline
    flow.groups = {name: topics_of(name) for name in (*GROUPS, f"{NOTIFY}.slack")}
    ends = {TopicPartition("fleet.logs", 0): 50, TopicPartition("fleet.alerts", 0): 4}
    flow.offsets = Offsets(ends, {LAKE: {TopicPartition("fleet.logs", 0): 20}})
    for at_s, records in ((0.0, 10), (5.0, 50)):
        totals = {"fleet.logs": records}
        flow.points.append(Point(1.8e9 + at_s, at_s, dict.fromkeys(_sent(), 0) | totals, {LAKE: 34, STREAMS: 0}))
    found = (await world.client.get("/api/pipeline", headers=by_admin(world))).json()
    Pipeline.model_validate(found)
    assert {each["topic"]: each["records_per_s"] for each in found["topics"]}["fleet.logs"] == 8.0
    groups = {each["group"]: each for each in found["groups"]}
    assert {name: each["lag"] for name, each in groups.items()} == {
        STREAMS: 0, "fleetpulse-alert-manager": 0, LAKE: 34, f"{NOTIFY}.slack": 4,
    }  # fmt: skip
    assert groups[LAKE]["topics"][0]["partitions"] == [{"partition": 0, "committed": 20, "end": 50, "lag": 30}]
    assert groups[f"{NOTIFY}.slack"]["reader"] == "notifier: channel slack"
    assert [point["records_per_s"] for point in found["history"]] == [8.0]
    flow.groups, flow.offsets = {}, None
    flow.points.clear()


def _sent() -> list[str]:
    return [name for name, topic in TOPICS.items() if not topic.derived]


async def test_a_letter_says_what_a_replay_would_do(world: Api) -> None:
    answer = await world.client.get("/api/deadletters", headers=by_admin(world))
    found = answer.json()
    LetterPage.model_validate(found)
    told = {each["letter"]: each for each in found["items"]}
    assert {name.rpartition("/")[2]: each["outcome"] for name, each in told.items()} == {
        "1": "accepted", "2": "landed", "3": "unreadable", "4": "cut", "5": "derived", "6": "unreadable",
    }  # fmt: skip
    assert (told["fleet.logs/0/1"]["agent_id"], told["fleet.logs/0/1"]["user_id"]) == ("bot", "acme")
    assert told["fleet.logs/0/3"]["beginning"] == "..<script>alert(1)</script>"
    first = await world.client.get("/api/deadletters", params={"limit": 4}, headers=by_admin(world))
    rest = await world.client.get(
        "/api/deadletters", params={"limit": 4, "cursor": first.json()["next"]}, headers=by_admin(world)
    )
    assert {each["letter"] for each in first.json()["items"] + rest.json()["items"]} == told.keys()
    few = await world.client.get("/api/deadletters", params={"error": "truncated"}, headers=by_admin(world))
    assert [each["letter"] for each in few.json()["items"]] == ["fleet.logs/0/3"]


async def order(world: Api, headers: dict[str, str], *letters: str, dry_run: bool = False) -> tuple[int, Any]:
    body = {"letters": list(letters), "dry_run": dry_run}
    answer = await world.client.post("/api/deadletters/replay", json=body, headers=headers)
    return answer.status_code, answer.json()


async def test_a_dry_run_tells_and_publishes_nothing(world: Api) -> None:
    code, found = await order(world, by_admin(world), "fleet.logs/0/1", "fleet.logs/0/2", dry_run=True)
    ReplayDone.model_validate(found)
    assert (code, found["replayed"], [each["outcome"] for each in found["letters"]]) == (200, 0, ["accepted", "landed"])
    assert (200, "deadletters.replay") not in {(each.status, each.action) for each in world.world.audit.log.waiting}


async def test_what_cannot_be_told_in_the_trail_is_not_published(world: Api) -> None:
    code, problem = await order(world, by_admin(world), "fleet.logs/0/1")  # no broker is there
    assert (code, problem["type"]) == (503, "broker-away")
    assert ("deadletters.replay", 503) in {(each.action, each.status) for each in world.world.audit.log.waiting}


@pytest.mark.parametrize(
    ("letters", "code"),
    [(["fleet.logs/0/99"], 404), ([], 422), (["fleet.logs"], 422), (["fleet.logs/0/1"] * 201, 422)],
)
async def test_what_is_no_letter_is_refused(world: Api, letters: list[str], code: int) -> None:
    assert (await order(world, by_admin(world), *letters))[0] == code


async def test_nobody_of_a_tenant_or_of_a_lesser_role_sees_any_of_it(world: Api) -> None:
    tenants = world.by("acme", "admin")
    for path in ("/api/pipeline", "/api/deadletters"):
        answer = await world.client.get(path, headers=tenants)
        assert (answer.status_code, answer.json()["type"]) == (403, "tenant"), path
        assert (await world.client.get(path, headers=world.by(None, "viewer"))).status_code == 403, path
    assert (await world.client.get("/api/deadletters", headers=world.by(None, "operator"))).status_code == 403
    assert (await order(world, tenants, "fleet.logs/0/1"))[0] == 403
    assert (await order(world, world.by(None, "operator"), "fleet.logs/0/1"))[0] == 403


@pytest.mark.parametrize("uptime", [1e13, 9e12, 1e11, -5.0, -1e300, float("inf"), float("nan")])
async def test_a_part_that_says_nonsense_of_itself_has_no_start_and_the_others_are_told(
    tmp_path: Path, uptime: float
) -> None:
    async with api(tmp_path) as found:
        odd, sound = "fleetpulse:api:h-1", "fleetpulse:lake-writer:h-1"
        found.tell("fleet.status", status(odd, "fleetpulse"), status(sound, "fleetpulse"))
        restarts = [{"name": "restarts", "value": min(uptime, -1.0)}]
        rows = [{"agent_id": odd, "uptime": uptime, "custom": restarts}, {"agent_id": sound, "uptime": 90.0}]
        found.lake.add("metrics", [row | {"user_id": "fleetpulse"} for row in rows])
        answer = await found.client.get("/api/pipeline", headers=by_admin(found))
    assert answer.status_code == 200, answer.text
    started = {part["agent_id"]: (part["started_at"] is not None, part["restarts"]) for part in answer.json()["parts"]}
    assert started == {odd: (False, None), sound: (True, None)}
