"""The views: every table, old files, compacted files, pruning, the latest of an agent, roll-ups."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from small_lake import SmallLake

from infra.runtime.errors import LakeError
from schemas.catalogue import TABLES
from schemas.columnar import empty_frame
from schemas.registry import SchemaBook
from sinks.lake.absent import no_lake
from sinks.lake.views import BASE_TABLES, DERIVED_VIEWS, open_lake, table_columns, tables_named_in

Moment = Callable[[float], datetime]


@pytest.mark.parametrize("table", BASE_TABLES)
def test_a_table_without_files_has_the_columns_of_its_schema(lake: SmallLake, table: str) -> None:
    with open_lake(lake.folder) as connection:
        shown = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert shown == [*table_columns(table), "date", "hour"]
    if table in TABLES:
        assert shown[:-5] == list(empty_frame(SchemaBook(TABLES[table].schema)).columns)


def test_types_are_the_same_with_and_without_files(lake: SmallLake, moment: Moment) -> None:
    with open_lake(lake.folder) as connection:
        empty = {t: connection.execute(f"DESCRIBE {t}").fetchall() for t in (*TABLES, *DERIVED_VIEWS)}
    for table in TABLES:
        lake.add(table, [{"timestamp": moment(0)}])
    with open_lake(lake.folder) as connection:
        filled = {t: connection.execute(f"DESCRIBE {t}").fetchall() for t in (*TABLES, *DERIVED_VIEWS)}
    assert filled == empty


@pytest.mark.parametrize("order", ["old first", "new first", "old between"])
def test_a_column_that_older_files_lack_reads_as_null(lake: SmallLake, moment: Moment, order: str) -> None:
    flags = {"old first": (True, False), "new first": (False, True), "old between": (False, True, False)}[order]
    for number, old in enumerate(flags):
        lake.add("metrics", [{"timestamp": moment(3600 * number), "revenue": 5.0}], drop=["revenue"] if old else [])
    with open_lake(lake.folder) as connection:
        if order == "old between":
            from sinks.lake.views import create_views  # noqa: PLC0415  # only here

            create_views(connection, lake.folder, by_name=True)
        rows = connection.execute("SELECT revenue FROM metrics ORDER BY timestamp").fetchall()
    assert rows == [(None if old else 5.0,) for old in flags]


def test_the_query_process_unites_files_that_differ_in_the_middle(lake: SmallLake, moment: Moment) -> None:
    from sinks.lake.sql import SqlLimits, run_sql  # noqa: PLC0415  # only here

    for number in range(3):
        lake.add(
            "metrics", [{"timestamp": moment(3600 * number), "revenue": 5.0}], drop=["revenue"] if number == 1 else []
        )
    sql = "SELECT count(*) AS n, sum(revenue) AS s FROM metrics"
    with run_sql(lake.folder, sql, SqlLimits(timeout_s=120.0)) as answer:
        assert [batch.to_pylist() for batch in answer] == [[{"n": 3, "s": 10.0}]]


def test_rows_of_a_compacted_file_are_seen_once(lake: SmallLake, moment: Moment) -> None:
    rows = [{"timestamp": moment(n), "seq": n} for n in range(4)]
    lake.add("metrics", rows[:2])
    lake.add("metrics", rows[2:])
    lake._next.clear()
    lake.add("metrics", rows, mark="c")
    with open_lake(lake.folder) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT seq) FROM metrics").fetchone() == (4, 4)


def test_a_filter_on_the_folders_opens_only_their_files(lake: SmallLake, moment: Moment) -> None:
    for hour in range(4):
        lake.add("metrics", [{"timestamp": moment(3600 * hour), "seq": hour}])
    for path in (lake.folder / "metrics").rglob("*.parquet"):
        if "hour=11" in str(path) or "hour=12" in str(path):
            path.write_bytes(b"no Parquet: whoever opens this fails")
    with open_lake(lake.folder) as connection:
        assert connection.execute("SELECT seq FROM metrics WHERE hour = 13").fetchall() == [(3,)]
        assert connection.execute("SELECT seq FROM metrics WHERE date = '2026-03-01' AND hour < 11").fetchall() == [
            (0,)
        ]


def test_the_latest_of_an_agent_goes_by_event_time(lake: SmallLake, moment: Moment) -> None:
    lake.add(
        "trust", [{"agent_id": "a", "timestamp": moment(s), "trust": t} for s, t in ((5, 0.5), (9, 0.9), (7, 0.7))]
    )
    lake.add("trust", [{"agent_id": "b", "timestamp": moment(1), "trust": 0.1}])
    with open_lake(lake.folder) as connection:
        assert connection.execute("SELECT agent_id, trust FROM latest_trust ORDER BY 1").fetchall() == [
            ("a", 0.9),
            ("b", 0.1),
        ]


def test_agents_join_what_is_known_of_them(lake: SmallLake, moment: Moment) -> None:
    lake.add("heartbeats", [{"agent_id": "a", "timestamp": moment(s), "seq": s} for s in (0, 10)])
    lake.add("metrics", [{"agent_id": "b", "timestamp": moment(3)}])
    lake.add("status", [{"agent_id": "a", "timestamp": moment(4), "status": "late", "reason": "deadline_missed"}])
    lake.add("trust", [{"agent_id": "b", "timestamp": moment(4), "trust": 0.25}])
    with open_lake(lake.folder) as connection:
        rows = connection.execute(
            "SELECT agent_id, epoch(last_seen - first_seen), status, trust, events FROM agents ORDER BY 1"
        ).fetchall()
    assert rows == [("a", 10.0, "late", None, 2), ("b", 0.0, None, 0.25, 1)]


def test_roll_ups_count_each_event_once(lake: SmallLake, moment: Moment) -> None:
    lake.add("metrics", [{"timestamp": moment(s), "cpu_usage": float(c)} for s, c in ((0, 10), (60, 30), (3600, 50))])
    with open_lake(lake.folder) as connection:
        hourly = connection.execute(
            "SELECT hour, events, cpu_usage_mean, cpu_usage_min, cpu_usage_max FROM metrics_hourly ORDER BY hour_start"
        ).fetchall()
        daily = connection.execute("SELECT events, cpu_usage_mean FROM metrics_daily").fetchall()
    assert hourly == [(10, 2, 20.0, 10.0, 30.0), (11, 1, 50.0, 50.0, 50.0)]
    assert daily == [(3, 30.0)]


def test_only_files_of_tables_that_a_text_names_are_listed() -> None:
    assert tables_named_in('SELECT * FROM "Metrics" JOIN main.alerts') == {"metrics", "alerts"}
    assert tables_named_in("FROM latest_trust") == {"trust"}
    assert "hosts" in tables_named_in("SELECT * FROM LEDGER")
    assert tables_named_in("SELECT metrics_x") == set()


def test_no_lake_is_named(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="--lake"):
        open_lake(tmp_path / "none")


def test_no_lake_names_the_newest_run_beside_it(tmp_path: Path) -> None:
    for stamp in ("20260301T100000Z", "20260302T090000Z"):
        (tmp_path / "runs" / stamp / "lake").mkdir(parents=True)
    with pytest.raises(LakeError, match=r"runs/20260302T090000Z: set FLEETPULSE_DATA_DIR"):
        raise no_lake(tmp_path / "lake")
