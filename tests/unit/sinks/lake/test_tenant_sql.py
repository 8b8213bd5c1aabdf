"""SQL of a tenant: it reaches its own rows, and neither another's nor any file, whatever the text tries."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hostile_sql import ALLOWED, BOMBS, FILES, REFUSED
from small_lake import SmallLake, at

from infra.runtime.errors import FleetpulseError, QueryRefusedError
from sinks.lake.sql import SqlLimits, run_sql
from sinks.lake.sql_guard import check_select
from sinks.lake.sql_worker import Request, lock
from sinks.lake.tenant_views import TENANT_TABLES, TENANT_VIEWS, create_tenant_views, tenant_names
from sinks.lake.views import BASE_TABLES

FOREIGN = "the other one's secret"
MINE, OTHER = "o'mine", "other"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    """Two tenants side by side in the same files; every text of the other's is `FOREIGN`."""
    lake = SmallLake(tmp_path_factory.mktemp("lake"))
    lake.add("metrics", [_row(n, cpu_usage=1.0 if n % 2 else 99.0) for n in range(8)])
    lake.add("violations", [_row(n, policy_name="mine" if n % 2 else FOREIGN, policy_id="p") for n in range(8)])
    lake.add("alerts", [_row(n, summary="mine" if n % 2 else FOREIGN, fingerprint="f") for n in range(8)])
    lake.add("trust", [_row(n, trust=0.5 if n % 2 else 0.1) for n in range(8)])
    lake.add("logs", [_row(1, message="mine")], drop=["deployment_id"])
    lake.add("logs", [_row(4000 * 2 + n, message="mine" if n % 2 else FOREIGN) for n in range(4)])
    lake.add("deadletter", [_row(1)])
    return lake


def _row(number: int, **more: object) -> dict[str, Any]:
    mine = number % 2
    whose = {"agent_id": "bot" if mine else FOREIGN, "user_id": MINE if mine else OTHER, "session_id": f"s{mine}"}
    return {"timestamp": at(number), "seq": number, **whose, **more}


def connected(lake: Path, tenant: str = MINE) -> duckdb.DuckDBPyConnection:
    """The worker's connection as it is when the text is run, without its process."""
    connection = duckdb.connect(":memory:")
    create_tenant_views(connection, lake, TENANT_TABLES, tenant)
    lock(connection, Request(str(lake), "", 5.0, 1000, 200_000_000, 1, tenant))
    return connection


@pytest.fixture(scope="module")
def engine(shared: SmallLake) -> Iterator[duckdb.DuckDBPyConnection]:
    """Of the tenant `MINE`."""
    with connected(shared.folder) as connection:
        yield connection


def rows(engine: duckdb.DuckDBPyConnection, sql: str, *, checked: bool = True) -> list[Any]:
    """What a tenant is given. Raises `QueryRefusedError`, `duckdb.Error`."""
    if checked:
        check_select(engine, sql, tenant_names())
    return engine.execute(sql).fetchall()


def ask(folder: Path, sql: str, **limits: float) -> list[dict[str, Any]]:
    """The same in the process that the API uses."""
    found = SqlLimits(**{"timeout_s": 120.0, "threads": 1, "memory_bytes": 200_000_000} | limits)
    with run_sql(folder, sql, found, tenant=MINE) as answer:
        read: list[dict[str, Any]] = pa.Table.from_batches(list(answer), answer.schema).to_pylist()
        return read


def test_a_tenant_gets_its_rows_in_the_process(shared: SmallLake) -> None:
    columns = "agent_id, count(*) AS n, max(date) AS d, max(hour) AS h, any_value(event_id) IS NOT NULL AS id"
    found = ask(shared.folder, f"SELECT {columns} FROM metrics GROUP BY agent_id")
    assert found == [{"agent_id": "bot", "n": 4, "d": at(0).date(), "h": 10, "id": True}]


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_a_table_of_a_tenant_holds_nobody_elses_rows(engine: duckdb.DuckDBPyConnection, table: str) -> None:
    assert rows(engine, f"SELECT * FROM {table} WHERE user_id <> '{MINE.replace(chr(39), chr(39) * 2)}'") == []
    assert FOREIGN not in str(rows(engine, f"SELECT * FROM {table}"))


def test_views_over_tables_are_a_tenants_own(engine: duckdb.DuckDBPyConnection) -> None:
    assert {"latest_trust", "latest_status", "agents", "metrics_hourly", "metrics_daily"} <= set(TENANT_VIEWS)
    for view in TENANT_VIEWS:
        assert FOREIGN not in str(rows(engine, f"SELECT * FROM {view}"))
    assert rows(engine, "SELECT agent_id, trust FROM latest_trust") == [("bot", 0.5)]
    assert rows(engine, "SELECT agent_id, events FROM agents ORDER BY 1") == [("bot", 11)]


def test_files_of_different_age_read_as_one(engine: duckdb.DuckDBPyConnection) -> None:
    assert rows(engine, "SELECT count(*), count(DISTINCT date || hour) FROM logs") == [(3, 2)]


def test_a_tenant_that_has_nothing_has_nothing(shared: SmallLake, tmp_path: Path) -> None:
    for lake, tenant in ((shared.folder, "%"), (shared.folder, ""), (tmp_path, MINE)):
        with connected(lake, tenant) as connection:
            assert rows(connection, "SELECT count(*) FROM metrics") == [(0,)]


def _file(lake: SmallLake) -> str:
    return str(next(lake.folder.glob("violations/**/*.parquet")))


@pytest.mark.parametrize("source", FILES)
def test_no_file_is_opened(engine: duckdb.DuckDBPyConnection, shared: SmallLake, source: str) -> None:
    sql = f"SELECT * FROM {source.format(file=_file(shared), lake=shared.folder)}"
    with pytest.raises(QueryRefusedError):
        rows(engine, sql)
    # The engine would not have done it either.
    with pytest.raises(duckdb.Error):
        rows(engine, sql, checked=False)


@pytest.mark.parametrize("sql", REFUSED)
def test_tricks_are_refused_before_they_run(engine: duckdb.DuckDBPyConnection, shared: SmallLake, sql: str) -> None:
    with pytest.raises((QueryRefusedError, duckdb.ParserException, duckdb.InvalidInputException)):
        rows(engine, sql.format(file=_file(shared)) if "{file}" in sql else sql)


_READING = ("SELECT", "WITH", "FROM", "TABLE", "DESCRIBE", "SUMMARIZE")
_HIDDEN = [
    each for each in REFUSED if "_" in each and each.startswith(_READING) and ";" not in each and "sleep" not in each
]


@pytest.mark.parametrize("sql", [each for each in _HIDDEN if "COPY" not in each])
def test_what_stands_behind_a_view_is_a_tenants_own_as_well(engine: duckdb.DuckDBPyConnection, sql: str) -> None:
    """The check left away: the engine has no more than this tenant's rows."""
    try:
        found = rows(engine, sql, checked=False)
    except duckdb.Error:
        return
    assert FOREIGN not in str(found)


@pytest.mark.parametrize("sql", ALLOWED)
def test_ordinary_questions_are_answered_and_tell_of_nobody_else(engine: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert FOREIGN not in str(rows(engine, sql))


CONDITIONS = ("user_id = 'other'", "user_id <> 'mine'", "user_id IS NULL OR true", "cpu_usage = 99.0", "seq % 2 = 0")


def test_conditions_never_reach_past_the_filter(engine: duckdb.DuckDBPyConnection) -> None:
    """Whatever DuckDB hands down to the scan, the tenant's condition stays with it; also below the view."""
    for condition in CONDITIONS:
        for column in ("count(*)", "max(cpu_usage)", "any_value(user_id)"):
            for table in ("metrics", "_metrics"):
                [(value,)] = rows(engine, f"SELECT {column} FROM {table} WHERE {condition}", checked=False)
                assert value in {0, None, 1.0, 4, MINE}


@pytest.mark.parametrize(
    "condition",
    ["agent_id::INTEGER = 5", "CASE WHEN seq % 2 = 0 THEN error(agent_id) ELSE true END", "agent_id::DATE > today()",
     "strptime(agent_id, '%Y') > now()", "json_extract(agent_id, '$.a') = '1'", "cast_to_type(agent_id, 1) = 1"],
)  # fmt: skip
def test_errors_tell_of_nobody_elses_rows(engine: duckdb.DuckDBPyConnection, condition: str) -> None:
    """An expression that fails on a row says what is in it: it is never asked of another's."""
    for table in ("metrics", "_metrics", "violations", "_violations"):
        try:
            found = str(rows(engine, f"SELECT * FROM {table} WHERE {condition}", checked=False))
        except duckdb.Error as error:
            found = str(error)
        assert FOREIGN not in found


def test_bombs_end_in_time_and_memory(shared: SmallLake) -> None:
    for sql in BOMBS[:1]:
        began_s = time.monotonic()
        with pytest.raises(FleetpulseError):
            ask(shared.folder, sql, timeout_s=1.0, memory_bytes=64_000_000)
        assert time.monotonic() - began_s < 200


@pytest.mark.fault
@pytest.mark.parametrize("sql", BOMBS[1:])
def test_more_bombs(shared: SmallLake, sql: str) -> None:
    try:
        ask(shared.folder, sql, timeout_s=3.0, memory_bytes=64_000_000)
    except FleetpulseError:
        return


def test_every_table_is_a_tenants_or_left_out_on_purpose() -> None:
    left: Iterable[str] = set(BASE_TABLES) - set(TENANT_TABLES)
    assert set(left) == {"duplicates", "expired", "deadletter", "signals", "audit"} & set(BASE_TABLES)
