"""Questions to the lake: which files they open, what happens to them under compaction, how they end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
import pytest_asyncio
from api_world import NOW, Lake, ago_us

from infra.web.problem import Problem
from sinks.api.past.files import files_of_span
from sinks.api.past.pool import LakePool
from sinks.api.scope import Scope
from sinks.api.times import Span

HOUR = Span(NOW - timedelta(minutes=20), NOW)


@pytest_asyncio.fixture
async def pool(tmp_path: Path) -> AsyncIterator[LakePool]:
    found = LakePool(tmp_path / "lake", connections=1, timeout_s=60.0)
    yield found
    found.close()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two days, a file an hour."""
    found = Lake(tmp_path / "lake")
    for hours in range(48):
        found.add(
            "logs", [{"agent_id": "bot", "user_id": "acme", "timestamp": ago_us(hours=hours), "message": str(hours)}]
        )
    return found


def count(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute("SELECT count(*) FROM logs").fetchone()
    assert found is not None
    return int(found[0])


async def test_an_hour_opens_the_files_of_that_hour_alone(lake: Lake, pool: LakePool) -> None:
    assert await pool.ask(count, scope=Scope("acme"), tables=("logs",), span=HOUR, agent="bot") == 1
    assert pool.files == 1
    assert await pool.ask(count, scope=Scope("acme"), tables=("logs",), span=None) == 48
    assert pool.files == 49


async def test_tenant_and_agent_reach_the_scan_of_the_files(lake: Lake, pool: LakePool) -> None:
    def plan(connection: duckdb.DuckDBPyConnection) -> str:
        return str(connection.execute("EXPLAIN SELECT message FROM logs").fetchall())

    lake.add("logs", [{"agent_id": "other", "user_id": "globex"}, {"agent_id": "bot", "user_id": "acme"}])
    text = await pool.ask(plan, scope=Scope("acme"), tables=("logs",), span=None, agent="bot")
    scan = text[text.index("Read Parquet") :]
    assert "user_id = 'acme'" in scan.replace("\\n", " ")
    assert "agent_id = 'bot'" in scan.replace("\\n", " ")


async def test_new_rows_are_there_with_the_next_question(lake: Lake, pool: LakePool) -> None:
    asked = {"scope": Scope("acme"), "tables": ("logs",), "span": HOUR}
    before = await pool.ask(count, **asked)  # type: ignore[arg-type]  # one mapping for two calls
    lake.add("logs", [{"agent_id": "bot", "user_id": "acme"}])
    assert await pool.ask(count, **asked) == before + 1  # type: ignore[arg-type]  # as above


async def test_a_file_that_compaction_takes_under_a_question_is_asked_for_again(lake: Lake, pool: LakePool) -> None:
    (file,) = files_of_span(lake.folder, "logs", HOUR)
    tries = 0

    def asked(connection: duckdb.DuckDBPyConnection) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            file.rename(file.with_name(file.name.replace("of1", "of1c")))
        return count(connection)

    assert await pool.ask(asked, scope=Scope(), tables=("logs",), span=HOUR) == 1
    assert tries == 2


async def test_one_scope_leaves_nothing_to_the_next(lake: Lake, pool: LakePool) -> None:
    """One connection answers all: what a question sets is set anew for the next."""
    assert await pool.ask(count, scope=Scope("acme"), tables=("logs",), span=None, agent="bot") == 48
    assert await pool.ask(count, scope=Scope("globex"), tables=("logs",), span=None) == 0
    assert await pool.ask(count, scope=Scope("acme", ("b?t",)), tables=("logs",), span=None) == 48
    assert await pool.ask(count, scope=Scope("acme", ("x*",)), tables=("logs",), span=None) == 0
    assert await pool.ask(count, scope=Scope(), tables=("logs",), span=None) == 48


async def test_a_question_that_takes_too_long_ends(tmp_path: Path) -> None:
    def endless(connection: duckdb.DuckDBPyConnection) -> object:
        return connection.execute("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b").fetchone()

    pool = LakePool(tmp_path, connections=1, timeout_s=2.0)
    with pytest.raises(Problem) as refused:
        await pool.ask(endless, scope=Scope(), tables=("logs",), span=None, way_out="ask somebody else")
    assert (refused.value.status, refused.value.type) == (503, "too-slow")
    assert refused.value.detail == "the lake did not answer within 2 s: ask somebody else"
    pool._timeout_s = 60.0  # of the next one it is not the question how fast it is
    assert await pool.ask(count, scope=Scope(), tables=("logs",), span=None) == 0, "the connection serves again"
    pool.close()


async def test_a_question_ends_though_its_time_was_over_between_two_statements(tmp_path: Path) -> None:
    def late(connection: duckdb.DuckDBPyConnection) -> object:
        threading.Event().wait(1.5)  # as a thread that gets no processor, or lists many files
        return connection.execute("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b").fetchone()

    pool = LakePool(tmp_path, connections=1, timeout_s=1.0)
    with pytest.raises(Problem) as refused:
        await pool.ask(late, scope=Scope(), tables=("logs",), span=None)
    assert (refused.value.status, refused.value.type) == (503, "too-slow")
    pool.close()


async def test_there_is_an_end_to_what_may_wait(pool: LakePool) -> None:
    asked = [asyncio.create_task(pool.ask(count, scope=Scope(), tables=("logs",), span=None)) for _ in range(80)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    refused = [each for each in found if isinstance(each, Problem)]
    assert len(refused) == 16
    assert {each.status for each in refused} == {503}


async def test_a_tenant_that_asks_without_end_leaves_connections_to_the_others(lake: Lake) -> None:
    pool, held = LakePool(lake.folder, timeout_s=120.0), threading.Event()

    def slow(_connection: duckdb.DuckDBPyConnection) -> bool:
        return held.wait(90.0)

    async with asyncio.TaskGroup() as tasks:
        many = [tasks.create_task(pool.ask(slow, scope=Scope("acme"), tables=(), span=HOUR)) for _ in range(32)]
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(60):
                assert await pool.ask(count, scope=Scope("globex"), tables=("logs",), span=HOUR) == 0
                assert await pool.ask(count, scope=Scope(), tables=("logs",), span=HOUR) == 1
            with pytest.raises(Problem, match="too many questions"):
                await pool.ask(count, scope=Scope("acme"), tables=("logs",), span=HOUR)
        finally:
            held.set()
    assert all(task.result() for task in many)
    pool.close()


async def test_without_a_lake_there_are_no_rows(pool: LakePool) -> None:
    assert await pool.ask(count, scope=Scope("acme"), tables=("logs",), span=HOUR) == 0
    assert await pool.ask(count, scope=Scope("acme"), tables=("logs",), span=HOUR, empty=7) == 7


def test_a_group_that_was_cut_in_two_is_told_by_all_its_folders(tmp_path: Path) -> None:
    """Within the span the whole group looks torn, as its other part lies elsewhere: it counts, the other does not."""
    lake = Lake(tmp_path)
    (torn,) = lake.add("logs", [{"agent_id": "bot", "timestamp": ago_us(minutes=1)}])
    (other,) = lake.add("logs", [{"agent_id": "bot", "timestamp": ago_us(hours=5)}])
    part = torn.with_name("fleet.logs+0+0+9+2of2.parquet")
    part.write_bytes(torn.read_bytes())
    other.rename(other.with_name("fleet.logs+0+0+9+1of2.parquet"))
    assert files_of_span(tmp_path, "logs", HOUR) == [part]
