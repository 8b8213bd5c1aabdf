"""A query in its own process: what it may see, and every wall around it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from small_lake import SmallLake

from infra.runtime.errors import LakeError, QueryRefusedError
from sinks.lake.sql import QueryFailedError, SqlLimits, run_sql

Moment = Callable[[float], datetime]


def ask(folder: Path, sql: str, **limits: float) -> list[dict[str, Any]]:
    with run_sql(folder, sql, SqlLimits(**{"timeout_s": 120.0, "threads": 2} | limits)) as answer:
        rows: list[dict[str, Any]] = pa.Table.from_batches(list(answer), answer.schema).to_pylist()
        return rows


def test_rows_come_with_ids_as_text_and_folders_as_columns(lake: SmallLake, moment: Moment) -> None:
    lake.add("metrics", [{"agent_id": "a", "timestamp": moment(0), "seq": 7, "cpu_usage": 41.5}])
    rows = ask(lake.folder, "SELECT event_id, agent_id, seq, cpu_usage, date, hour, kafka_offset FROM metrics")
    assert rows == [
        {
            "event_id": "00000000-0000-0000-0000-000000000001",
            "agent_id": "a",
            "seq": 7,
            "cpu_usage": 41.5,
            "date": moment(0).date(),
            "hour": 10,
            "kafka_offset": 0,
        }
    ]


def test_a_write_inside_with_is_refused_and_nothing_is_written(lake: SmallLake, moment: Moment) -> None:
    [victim] = lake.add("metrics", [{"timestamp": moment(0)}])
    before = victim.read_bytes()
    for target in (lake.folder / "evil.csv", victim):
        with pytest.raises(QueryRefusedError, match="COPY"):
            ask(lake.folder, f"WITH x AS (COPY (SELECT 1) TO '{target}') SELECT * FROM x")
    assert victim.read_bytes() == before
    assert [path.name for path in lake.folder.iterdir()] == ["metrics"]


def test_a_query_that_never_ends_is_ended(lake: SmallLake) -> None:
    begun_s = time.monotonic()
    with pytest.raises(QueryRefusedError, match=r"longer than 1 s \(setting --timeout\)"):
        ask(lake.folder, "SELECT sum(hash(range)) FROM range(1000000000000)", timeout_s=1.0)
    assert time.monotonic() - begun_s < 200


def test_a_query_that_fills_memory_is_refused(lake: SmallLake) -> None:
    with pytest.raises(QueryRefusedError, match="--memory"):
        ask(lake.folder, "SELECT a.range FROM range(100000000) a ORDER BY hash(a.range)", memory_bytes=64_000_000)


def test_too_many_rows_are_an_error_and_not_a_part(lake: SmallLake) -> None:
    assert len(ask(lake.folder, "SELECT * FROM range(50000)", max_rows=50_000)) == 50_000
    with pytest.raises(QueryRefusedError, match="more than 49999 rows"):
        ask(lake.folder, "SELECT * FROM range(50000)", max_rows=49_999)


def test_wrong_sql_gives_the_message_of_duckdb_in_one_line(lake: SmallLake) -> None:
    with pytest.raises(QueryFailedError, match='"nonsense" not found') as failure:
        ask(lake.folder, "SELECT nonsense FROM metrics")
    assert "\n" not in str(failure.value)


def test_an_empty_lake_has_every_view_and_no_lake_is_an_error(lake: SmallLake, tmp_path: Path) -> None:
    names = {row["name"] for row in ask(lake.folder, "SHOW TABLES")}
    assert {"heartbeats", "alerts", "duplicates", "ledger", "agents", "latest_trust", "metrics_daily"} <= names
    assert ask(lake.folder, "SELECT * FROM agents") == []
    with pytest.raises(LakeError, match="there is no lake"):
        ask(tmp_path / "none", "SELECT 1")


def test_python_variables_and_the_environment_are_not_to_be_seen(
    lake: SmallLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETPULSE_SECRET", "s3cret")
    for sql in ("SELECT getenv('FLEETPULSE_SECRET')", "SELECT * FROM request", "SELECT * FROM os"):
        with pytest.raises(QueryFailedError):
            ask(lake.folder, sql)


_BEHIND_THE_GUARD = """
import json, sys
import duckdb
from sinks.lake import sql_worker as worker
from sinks.lake.landlock import give_up_writing
from sinks.lake.views import create_views
request = worker.Request(lake=sys.argv[1], sql="", timeout_s=20, max_rows=10, memory_bytes=200_000_000, threads=2)
worker._limit_process(request)
enforced = give_up_writing()
connection = duckdb.connect(":memory:")
worker.lock(connection, request)
results = {}
for text in json.loads(sys.argv[2]):
    try:
        results[text] = repr(connection.execute(text).fetchall())
    except Exception as error:
        results[text] = type(error).__name__
print(json.dumps({"landlock": enforced, "results": results}))
"""


def test_the_walls_behind_the_check_hold_without_it(lake: SmallLake, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("password\nhunter2\n")
    inside, outside = lake.folder / "evil.csv", tmp_path / "evil.csv"
    texts = [
        f"SELECT * FROM read_text('{secret}')",
        f"SELECT * FROM read_text('{lake.folder}/../secret.csv')",
        f"SELECT * FROM '{secret}'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')",
        f"COPY (SELECT 1) TO '{outside}'",
        f"COPY (SELECT 1) TO '{inside}'",
        f"WITH x AS (COPY (SELECT 1) TO '{inside}') SELECT * FROM x",
        f"ATTACH '{lake.folder}/evil.db'",
        f"EXPORT DATABASE '{lake.folder}/evil'",
        "SET lock_configuration = false",
        "SET memory_limit = '100GB'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM connection",
    ]
    done = subprocess.run(
        [sys.executable, "-c", _BEHIND_THE_GUARD, str(lake.folder), json.dumps(texts)],
        capture_output=True,
        timeout=240,
        check=True,
    )
    found = json.loads(done.stdout)
    assert {text: result for text, result in found["results"].items() if result.startswith("[")} == {}
    assert b"hunter2" not in done.stdout
    left = {path.name for path in lake.folder.rglob("*")}
    assert not outside.exists()
    if found["landlock"]:
        assert left == set()
