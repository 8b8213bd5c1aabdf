"""POST /api/sql over real HTTP: who may ask, what they reach, how an answer is bounded, that texts are written down."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hostile_sql import REFUSED
from small_lake import SmallLake, at
from web_world import Running, app_of, running, until

from infra.access import AuditTrail
from infra.web.problem import Problem
from sinks.api.sql.models import SqlQuestion, SqlSchema
from sinks.api.sql.queue import AT_ONCE, MOST_WAITING, Queue
from sinks.api.sql.routes import sql_router
from sinks.api.sql.run import Told
from sinks.lake.sql_process import Spares
from sinks.lake.tenant_views import tenant_names
from sinks.lake.views import BASE_TABLES, DERIVED_VIEWS

FOREIGN = "of the other"
PATIENCE_S = 240.0
"""What an answer may take where a process is started for it on a busy machine."""


@pytest.fixture
def trail() -> AuditTrail:
    return AuditTrail("", "fleetpulse:api:test")


@pytest.fixture
async def api(lake: SmallLake, trail: AuditTrail, patient_sql: Callable[..., Told]) -> AsyncIterator[Running]:
    del patient_sql
    lake.add(
        "violations",
        [
            {"timestamp": at(n), "agent_id": f"a{n}", "user_id": "acme" if n % 2 else "other",
             "policy_name": "=1+1" if n % 2 else FOREIGN}
            for n in range(10)
        ],
    )  # fmt: skip
    spares = Spares()
    async with running(app_of(sql_router(lake.folder, trail, spares)), request_timeout_s=PATIENCE_S) as server:
        yield server
    spares.close()


async def ask(api: Running, headers: dict[str, str], sql: str, **more: object) -> tuple[int, str]:
    answer = await api.client.post("/api/sql", json={"sql": sql, **more}, headers=headers, timeout=PATIENCE_S)
    return answer.status_code, answer.text


async def test_who_may_ask_and_whose_rows_there_are(api: Running, trail: AuditTrail) -> None:
    counting = "SELECT count(*) AS n, max(policy_name) AS p FROM violations"
    async with asyncio.TaskGroup() as group:
        told = {
            name: group.create_task(ask(api, headers, counting))
            for name, headers in {
                "viewer": api.by("viewer"),
                "ingest": api.by("ingest"),
                "nobody": {},
                "tenant": api.by("viewer", sql=True),
                "tenant's admin": api.by("admin"),
                "fleet": api.by("admin", None),
            }.items()
        }
    found = {name: task.result() for name, task in told.items()}
    assert {name: status for name, (status, _) in found.items()} == {
        "viewer": 403, "ingest": 403, "nobody": 401, "tenant": 200, "tenant's admin": 200,
        "fleet": 200,
    }  # fmt: skip
    assert '"rows": [[5, "=1+1"]]' in found["tenant"][1]
    assert '"rows": [[5, "=1+1"]]' in found["tenant's admin"][1]
    assert f'"rows": [[10, "{FOREIGN}"]]' in found["fleet"][1]
    assert sorted(event.status or 0 for event in trail.log.waiting) == [200, 200, 200]
    assert {event.detail for event in trail.log.waiting} == {counting}


async def test_formats_are_bounded_and_safe(api: Running) -> None:
    key, sql = api.by("viewer", sql=True), "SELECT policy_name, agent_id FROM violations ORDER BY agent_id"
    status, text = await ask(api, key, sql, format="csv", limit=2)
    assert (status, text) == (200, "policy_name,agent_id\r\n'=1+1,a1\r\n'=1+1,a3\r\n")
    answer = await api.client.post("/api/sql", json={"sql": sql, "format": "parquet", "limit": 3}, headers=key)
    assert (answer.headers["x-row-count"], answer.headers["x-truncated"]) == ("3", "true")
    assert pq.read_table(io.BytesIO(answer.content)).num_rows == 3
    status, text = await ask(api, key, "SELECT range, 'nan'::DOUBLE AS x FROM range(3)")
    assert '"rows": [[0, null], [1, null], [2, null]], "row_count": 3, "truncated": false' in text


async def test_what_is_not_one_select_or_too_much_is_a_problem(api: Running, trail: AuditTrail) -> None:
    key = api.by("viewer", sql=True)
    tried = [REFUSED[0], "SELECT nonsense FROM violations"]
    for sql in tried:
        status, text = await ask(api, key, sql)
        assert status == 422, (sql, text)
        assert FOREIGN not in text
    assert [event.detail for event in trail.log.waiting] == tried
    wide = "SELECT repeat('x', 1000000) AS x FROM range(1000)"
    status, text = await ask(api, key, wide)
    assert (status, "sql-refused" in text) == (422, True)
    status, text = await ask(api, key, wide, limit=1)  # what is cut off does not count
    assert (status, len(text) < 1_001_000, '"truncated": true' in text) == (200, True, True)
    for bad in (
        {"sql": ""},
        {"sql": "x" * 8_001},
        {"sql": "SELECT 1", "limit": 0},
        {"sql": "SELECT 1", "tenant": "other"},
    ):
        assert (await api.client.post("/api/sql", json=bad, headers=key)).status_code == 422


async def test_too_many_at_once_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(*_: object, **_more: object) -> Told:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        return Told(b"", "", 0, False, 0.0)

    monkeypatch.setattr("sinks.api.sql.queue.ask", slow)
    queue = Queue(tmp_path)
    waiting = [asyncio.create_task(queue.ask(SqlQuestion(sql="SELECT 1"), None)) for _ in range(AT_ONCE + 8)]
    await asyncio.sleep(0)
    with pytest.raises(Exception, match="too many questions"):
        await queue.ask(SqlQuestion(sql="SELECT 1"), None)
    gate.set()
    await asyncio.gather(*waiting)
    assert (await queue.ask(SqlQuestion(sql="SELECT 1"), None)).rows == 0


async def test_who_leaves_while_waiting_gives_the_place_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gate, loop = asyncio.Event(), asyncio.get_running_loop()

    def slow(*_: object, **_more: object) -> Told:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        return Told(b"", "", 0, False, 0.0)

    monkeypatch.setattr("sinks.api.sql.queue.ask", slow)
    queue, question = Queue(tmp_path), SqlQuestion(sql="SELECT 1")
    working = [asyncio.create_task(queue.ask(question, None)) for _ in range(AT_ONCE)]
    for turns in (1, 0, 3):  # they leave before and after they have begun to wait
        left = [asyncio.create_task(queue.ask(question, None)) for _ in range(MOST_WAITING)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in left:
            task.cancel()
        await asyncio.wait(left)
        await asyncio.sleep(0)
    others = [asyncio.create_task(queue.ask(question, None)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    gate.set()
    assert {told.rows for told in await asyncio.gather(*working, *others)} == {0}


async def test_one_tenant_leaves_places_to_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gate, loop = asyncio.Event(), asyncio.get_running_loop()

    def held(_lake: Path, _question: SqlQuestion, tenant: str | None, **_more: object) -> Told:
        if tenant == "acme":
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        return Told(b"", "", 0, False, 0.0)

    monkeypatch.setattr("sinks.api.sql.queue.ask", held)
    queue, question = Queue(tmp_path), SqlQuestion(sql="SELECT 1")
    waiting = [asyncio.create_task(queue.ask(question, "acme")) for _ in range((AT_ONCE + MOST_WAITING) // 2)]
    await asyncio.sleep(0)
    try:
        with pytest.raises(Exception, match="too many questions"):
            await queue.ask(question, "acme")
        async with asyncio.timeout(60):
            for other in ("other", None):
                assert (await queue.ask(question, other)).rows == 0
    finally:
        gate.set()
    await asyncio.gather(*waiting)
    assert (await queue.ask(question, "acme")).rows == 0


async def test_a_mistake_is_told_with_its_place(api: Running) -> None:
    key, sql = api.by("viewer", sql=True), "SELECT 'ä',\n  nonsense FROM violations"
    for wrong, place in ((sql, (2, 3, 14)), ("SELECT * FORM violations", (1, 15, 14))):
        answer = await api.client.post("/api/sql", json={"sql": wrong}, headers=key)
        (found,) = answer.json()["errors"]
        assert (answer.status_code, found["line"], found["column"], found["position"]) == (422, *place)
        assert "{" not in found["message"]


async def test_an_export_is_a_file(api: Running) -> None:
    key, body = api.by("viewer", sql=True), {"sql": "SELECT policy_name FROM violations"}
    answer = await api.client.post("/api/sql/export?format=parquet", json=body, headers=key)
    assert answer.headers["content-disposition"] == 'attachment; filename="fleetpulse-sql.parquet"'
    assert pq.read_table(io.BytesIO(answer.content)).num_rows == 5
    answer = await api.client.post("/api/sql/export?format=csv", json=body | {"limit": 1}, headers=key)
    assert (answer.text, answer.headers["x-truncated"]) == ("policy_name\r\n'=1+1\r\n", "true")
    assert (await api.client.post("/api/sql/export", json=body, headers=api.by("operator"))).status_code == 403


async def test_who_goes_away_ends_the_question(
    api: Running, trail: AuditTrail, patient_sql: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process too: four long questions, given up one after another, hold no place against the next."""
    began: list[str] = []
    ended: list[int] = []

    def watched(lake: Path, question: SqlQuestion, *given: Any, **more: Any) -> Told:  # noqa: ANN401  # as `ask` has it
        began.append(question.sql)
        try:
            return patient_sql(lake, question, *given, **more)
        except Problem as problem:
            ended.append(problem.status)
            raise

    monkeypatch.setattr("sinks.api.sql.queue.ask", watched)
    key, long = api.by("viewer", sql=True), "SELECT count(*) FROM range(100000000) a, range(100000) b"
    for number in range(1, 2 * AT_ONCE + 1):
        _, leaver = await api.open()
        leaver.write(_post("/api/sql", {"sql": long}, key))
        await until(partial(_is_long, began, number))  # a tenant has one place: the one before is over
        leaver.close()
        await leaver.wait_closed()
    assert (await ask(api, key, "SELECT 1"))[0] == 200
    assert began == [long] * 2 * AT_ONCE + ["SELECT 1"]
    assert ended == [499] * 2 * AT_ONCE  # by whom they had been asked, not by their time
    assert [event.status for event in trail.log.waiting] == [499] * 2 * AT_ONCE + [200]


def _is_long(found: list[str], length: int) -> bool:
    return len(found) == length


def _post(path: str, body: object, headers: dict[str, str]) -> bytes:
    content = json.dumps(body).encode()
    fields = {"Host": "x", "Content-Type": "application/json", "Content-Length": str(len(content)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content


async def test_the_schema_names_what_a_caller_may_ask_and_no_more(api: Running) -> None:
    by_tenant = await api.client.get("/api/sql/schema", headers=api.by("viewer", sql=True))
    by_fleet = await api.client.get("/api/sql/schema", headers=api.by("admin", None))
    own, whole = (SqlSchema.model_validate(answer.json()) for answer in (by_tenant, by_fleet))
    assert {table.name for table in own.tables} == tenant_names()
    assert {table.name for table in whole.tables} >= {*BASE_TABLES, *DERIVED_VIEWS}
    columns = {
        column.name: column for table in own.tables if table.name == "metrics_hourly" for column in table.columns
    }
    assert (columns["cpu_usage_mean"].unit, columns["cpu_usage_mean"].type) == ("percent", "DOUBLE")
    assert all(column.about for table in whole.tables for column in table.columns)
    assert (await api.client.get("/api/sql/schema", headers=api.by("viewer"))).status_code == 403


async def test_a_body_that_curl_calls_a_form_is_told_what_it_lacks(api: Running) -> None:
    form = api.by("viewer", sql=True) | {"content-type": "application/x-www-form-urlencoded"}
    answer = await api.client.post("/api/sql", content='{"sql": "SELECT 1"}', headers=form)
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid")
    assert "Content-Type: application/json" in answer.json()["detail"]
