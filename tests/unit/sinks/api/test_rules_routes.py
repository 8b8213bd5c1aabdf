"""Routes of rules: who sees which, mistakes with their place, what a text would have raised on a lake."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api_world import Lake
from web_world import Running, app_of, running

from infra.access import AuditTrail, Principal, Session
from infra.runtime.positioned_yaml import MOST_BYTES
from infra.web.problem import Problem
from sinks.api.rules.book import RulesBook
from sinks.api.rules.models import CheckAnswer, RulesAnswer
from sinks.api.rules.places import AT_ONCE, MOST_ASKED, MOST_OF_A_TENANT, CheckPlaces
from sinks.api.rules.preview import Asked, limited, preview
from sinks.api.rules.routes import rules_router
from sinks.api.rules.stream import JsonLines

TEXT = """version: 1
rules:
  - {name: hot, kind: threshold, of: agents, metric: cpu_usage, above: 80}
  - {name: ours, kind: status, status: late, match: {user_id: acme}}
  - {name: theirs, kind: status, status: late, match: {user_id: globex}}
  - {name: somewhere, kind: status, status: offline, match: {host: "secret-*"}}
routes: [{match: {severity: critical}, steps: [{after: 0s, channels: [oncall]}]}]
"""
BAD = "version: 1\nrules:\n  - name: hot\n    kind: threshold\n    metrc: cpu_usage\n"
PATIENCE_S = 240.0
"""What an answer may take where a process is started for it on a busy machine."""

pytestmark = pytest.mark.usefixtures("patient_rules")


def still_valid(who: Principal, session: Session | None) -> bool:
    """Everybody but who is called so."""
    del session
    return who.tenant is not None or who.role != "admin"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.yaml"
    file.write_text(TEXT)
    return file


@pytest.fixture
def trail() -> AuditTrail:
    return AuditTrail("", "fleetpulse:api:test")


@pytest.fixture
async def api(tmp_path: Path, rules: Path, trail: AuditTrail) -> AsyncIterator[Running]:
    app = app_of(rules_router(RulesBook(rules), tmp_path / "lake", trail, still_valid))
    async with running(app, request_timeout_s=PATIENCE_S) as server:
        yield server


def put(file: Path, text: str | None) -> None:
    """Another text; None: no file."""
    if text is None:
        file.unlink()
    else:
        file.write_text(text)


def text_of(file: Path) -> str:
    return file.read_text()


async def get(api: Running, role: Any, tenant: str | None) -> Any:  # noqa: ANN401  # a role, JSON
    answer = await api.client.get("/api/rules", headers=api.by(role, tenant), timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    RulesAnswer.model_validate(answer.json())
    return answer.json()


async def test_who_sees_the_fleet_sees_the_text_and_a_tenant_what_is_about_itself(api: Running, rules: Path) -> None:
    whole = await get(api, "admin", None)
    assert (whole["text"], whole["valid"], whole["editable"], whole["source"]) == (TEXT, True, True, "file")
    assert [rule["name"] for rule in whole["rules"]] == ["hot", "ours", "theirs", "somewhere"]
    assert whole["sections"]["routes"][0]["steps"][0]["channels"] == ["oncall"]
    assert (await get(api, "operator", None))["editable"] is False
    mine = await get(api, "admin", "acme")
    assert [rule["name"] for rule in mine["rules"]] == ["hot", "ours"]
    assert (mine["text"], mine["version"], mine["sections"], mine["editable"]) == (None, None, {}, False)
    assert mine["restricted"] is True

    put(rules, BAD)
    broken = await get(api, "viewer", None)
    assert (broken["text"], broken["valid"], broken["rules"]) == (BAD, False, [])
    assert {key: broken["errors"][-1][key] for key in ("line", "column")} == {"line": 5, "column": 5}
    put(rules, None)
    assert "cannot be read" in (await get(api, "viewer", None))["errors"][0]["message"]


async def test_a_file_that_is_too_large_is_refused_whole(api: Running, rules: Path) -> None:
    put(rules, TEXT + "#" * MOST_BYTES)
    found = await get(api, "viewer", None)
    assert (found["text"], found["valid"], found["rules"]) == ("", False, [])
    assert (
        "larger than 1,000,000 bytes; make it smaller, or name another one by --rules" in found["errors"][0]["message"]
    )


async def test_rules_are_read_before_anybody_asks_once_the_process_is_ready(rules: Path) -> None:
    book, ready = RulesBook(rules), asyncio.Event()
    reading = asyncio.create_task(book.read_ahead(ready))
    await asyncio.sleep(0)
    assert not book._one.locked()
    ready.set()
    await reading
    was = book._read
    assert was is not None
    assert await book.read() is was


async def test_rules_that_cannot_be_read_ahead_end_nothing(
    rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not-there"))
    ready = asyncio.Event()
    ready.set()
    book = RulesBook(rules)
    await book.read_ahead(ready)
    assert book._read is None


async def test_without_a_file_the_default_pack_is_shown_as_it_is_written(tmp_path: Path, trail: AuditTrail) -> None:
    app = app_of(rules_router(RulesBook(None), tmp_path, trail, still_valid))
    async with running(app, request_timeout_s=PATIENCE_S) as server:
        found = await get(server, "admin", None)
    assert (found["source"], found["editable"], found["valid"]) == ("default", False, True)
    assert found["text"].startswith("# The pack in force")
    assert "cpu_high" in {rule["name"] for rule in found["rules"]}


async def test_a_text_is_checked_and_nothing_changes(api: Running, rules: Path) -> None:
    async def check(text: str, role: Any = "operator") -> tuple[int, Any]:  # noqa: ANN401  # a role
        key = api.by(role)
        answer = await api.client.post("/api/rules/check", json={"yaml": text}, headers=key, timeout=PATIENCE_S)
        return answer.status_code, answer.json()

    status, found = await check(TEXT)
    CheckAnswer.model_validate(found)
    assert (status, found) == (200, {"valid": True, "rules": 4, "errors": []})
    status, found = await check(BAD)
    assert (status, found["valid"], found["rules"]) == (200, False, None)
    assert any(error["line"] == 5 and "did you mean metric" in error["message"] for error in found["errors"])
    assert (await check("\0"))[1]["valid"] is False
    assert (await check(TEXT, "viewer"))[0] == 403
    assert (await check(""))[0] == 422
    assert text_of(rules) == TEXT


def hot_lake(folder: Path) -> None:
    """Of three agents one is hot, a quarter of an hour ago."""
    at_us = int((time.time() - 900) * 1e6)
    rows = [("a", 10.0), ("b", 95.0), ("c", 30.0)]
    Lake(folder).add(
        "metrics",
        [{"agent_id": agent, "user_id": "acme", "timestamp": at_us, "cpu_usage": value} for agent, value in rows],
    )


async def lines(api: Running, **body: object) -> list[Any]:
    key = api.by("operator", None)
    async with api.client.stream("POST", "/api/rules/preview", json=body, headers=key, timeout=PATIENCE_S) as answer:
        assert answer.status_code == 200
        return [json.loads(line) async for line in answer.aiter_lines()]


async def test_how_far_back_a_text_can_be_tried_is_told_to_who_may(api: Running, tmp_path: Path) -> None:
    assert (await get(api, "operator", None))["replay_from"] is None
    hot_lake(tmp_path / "lake")
    hour = datetime.fromtimestamp(time.time() - 900, UTC).replace(minute=0, second=0, microsecond=0)
    told = datetime.fromisoformat((await get(api, "operator", None))["replay_from"])
    assert hour - timedelta(hours=1) <= told <= hour + timedelta(hours=1)  # the clock goes on meanwhile
    assert (await get(api, "operator", "acme"))["replay_from"] is None


async def test_what_a_text_would_have_raised(api: Running, tmp_path: Path, trail: AuditTrail) -> None:
    hot_lake(tmp_path / "lake")
    found = await lines(api, yaml=TEXT, hours=1)
    assert [found[0]["event"], found[-1]["event"]] == ["started", "done"]
    assert {each["event"] for each in found[1:-1]} == {"progress"}  # as often as it takes seconds
    assert (found[-2]["share"], found[-2]["left_s"]) == (1.0, 0.0)
    result = found[-1]["result"]
    assert result["rules"]["hot"] == {"matched": 0, "only_then": 0, "only_now": 1, "would_fire": 1}
    assert [(one["name"], one["agent_id"], one["metric"]) for one in result["only_now"]] == [("hot", "b", "cpu_usage")]
    assert [count for _, count in result["per_hour"]["hot"]] == [1]
    assert [event.action for event in trail.log.waiting] == ["rules.preview"]


async def test_a_preview_is_for_operators_of_the_fleet_and_of_rules_that_can_be_used(api: Running) -> None:
    async def refused(role: Any, tenant: str | None, **body: object) -> tuple[int, str]:  # noqa: ANN401  # a role
        key = api.by(role, tenant)
        answer = await api.client.post("/api/rules/preview", json=body, headers=key, timeout=PATIENCE_S)
        return answer.status_code, answer.json()["type"]

    assert (await refused("viewer", None, yaml=TEXT))[0] == 403
    assert await refused("admin", "acme", yaml=TEXT) == (403, "role")
    assert await refused("operator", None, yaml=BAD) == (422, "bad-rules")
    assert (await refused("operator", None, yaml=TEXT, hours=10_000))[0] == 422


async def test_a_preview_of_a_name_that_no_process_can_be_given_is_refused(api: Running) -> None:
    body = {"yaml": TEXT, "agent": "bot\0"}
    assert (await api.client.post("/api/rules/preview", json=body, headers=api.by("operator", None))).status_code == 422


async def test_one_preview_at_a_time_and_it_ends_when_its_reader_leaves(
    api: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = (sys.executable, "-c", "import time; time.sleep(3600)")  # by itself its place is never free again
    monkeypatch.setattr("sinks.api.rules.preview.command", lambda *_: endless)
    body, key = {"yaml": TEXT, "hours": 1}, api.by("operator", None)
    async with api.client.stream("POST", "/api/rules/preview", json=body, headers=key, timeout=PATIENCE_S) as answer:
        assert json.loads(await anext(answer.aiter_lines()))["event"] == "started"
        busy = await api.client.post("/api/rules/preview", json=body, headers=key, timeout=PATIENCE_S)
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "10")
    async with asyncio.timeout(PATIENCE_S):
        while (await _try(api, body, key)) == 503:  # noqa: ASYNC110  # the server's own end of it has no event here
            await asyncio.sleep(0.05)


async def _try(api: Running, body: Any, key: Any) -> int:  # noqa: ANN401  # JSON
    async with api.client.stream("POST", "/api/rules/preview", json=body, headers=key, timeout=PATIENCE_S) as answer:
        return answer.status_code


async def _places_of(places: CheckPlaces, tenant: str | None, count: int) -> tuple[list[asyncio.Task[None]], Any]:
    """So many checks that go on until cancelled."""
    made: list[str] = []

    async def hold(name: str) -> None:
        async with places.place(tenant):
            made.append(name)
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(hold(str(n))) for n in range(count)]
    await asyncio.sleep(0)
    return tasks, made


async def _let_go(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_tenant_has_neither_all_places_nor_all_of_the_queue() -> None:
    places = CheckPlaces()
    first, made = await _places_of(places, "acme", MOST_OF_A_TENANT)
    assert len(made) == AT_ONCE // 2
    with pytest.raises(Problem) as refused:
        async with places.place("acme"):
            pass
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "2")
    second, theirs = await _places_of(places, "globex", 1)
    assert len(theirs) == 1  # at once, beside those of the first
    await _let_go(*first, *second)
    async with places.place("acme"):
        pass


async def test_of_too_many_tenants_the_last_is_told_to_wait() -> None:
    places = CheckPlaces()
    held = [await _places_of(places, f"t{n}", MOST_OF_A_TENANT) for n in range(MOST_ASKED // MOST_OF_A_TENANT)]
    with pytest.raises(Problem) as refused:
        async with places.place(None):
            pass
    assert refused.value.status == 503
    await _let_go(*(task for tasks, _ in held for task in tasks))


async def test_a_preview_ends_with_the_session_of_who_reads_it(api: Running, tmp_path: Path) -> None:
    hot_lake(tmp_path / "lake")
    body, key = {"yaml": TEXT, "hours": 1}, api.by("admin", None)
    async with api.client.stream("POST", "/api/rules/preview", json=body, headers=key, timeout=PATIENCE_S) as answer:
        found = [json.loads(line) async for line in answer.aiter_lines()]
    assert found[-1]["event"] == "failed"
    assert "sign in again" in found[-1]["detail"]
    assert await _try(api, body, key) == 200  # its place is free


async def test_lines_end_when_their_reader_may_read_no_more() -> None:
    allowed, ended, sent = [True], asyncio.Event(), []

    async def endless() -> AsyncGenerator[dict[str, Any], None]:
        try:
            yield {"event": "started"}
            allowed.clear()
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def send(message: Any) -> None:  # noqa: ANN401  # ASGI's
        sent.append(message)

    async def receive() -> Any:  # noqa: ANN401  # ASGI's
        await asyncio.Event().wait()

    await JsonLines(endless(), lambda: None, lambda: bool(allowed))({}, receive, send)
    assert ended.is_set()
    assert [json.loads(each["body"])["event"] for each in sent[1:]] == ["started", "failed"]
    assert sent[-1]["more_body"] is False


async def test_a_slow_reader_is_told_of_the_limit_too() -> None:
    async def news() -> AsyncGenerator[dict[str, Any], None]:
        yield {"event": "progress"}
        await asyncio.Event().wait()

    found = []
    async for each in limited(news(), 0.01):
        found.append(each["event"])
        await asyncio.sleep(0.05)  # the limit strikes while the line is sent
    assert found == ["progress", "failed"]


async def test_what_takes_too_long_is_ended_and_said(tmp_path: Path) -> None:
    hot_lake(tmp_path / "lake")
    found = [news async for news in preview(tmp_path / "lake", Asked(TEXT, 1, "*"), within_s=0.05)]
    assert [each["event"] for each in found] == ["started", "failed"]
    assert "choose fewer hours" in found[1]["detail"]
