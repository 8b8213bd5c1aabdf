"""Hostile and honest texts against the check of the parse tree (faults 51)."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from infra.runtime.errors import QueryRefusedError
from sinks.lake.sql_guard import MAX_SQL_BYTES, check_select

REFUSED = [
    "",
    "-- nothing",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE metrics",
    "COPY (SELECT 1) TO '/tmp/x.csv'",
    "COPY metrics FROM '/etc/passwd'",
    "WITH x AS (COPY (SELECT 1) TO '/tmp/x.csv') SELECT * FROM x",
    "WITH y AS (SELECT 1), x AS MATERIALIZED (COPY (SELECT 1) TO '/tmp/x.csv') SELECT * FROM y",
    "WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x",
    "WITH x AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM x",
    "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
    "SELECT * FROM (WITH x AS (COPY (SELECT 1) TO '/tmp/x.csv') SELECT * FROM x)",
    "SELECT (WITH x AS (DELETE FROM t RETURNING *) SELECT count(*) FROM x)",
    "INSERT INTO metrics SELECT * FROM metrics",
    "UPDATE metrics SET seq = 0",
    "DELETE FROM metrics",
    "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
    "CREATE TABLE x AS SELECT 1",
    "CREATE MACRO f() AS 1",
    "CREATE SECRET s (TYPE s3)",
    "DROP VIEW metrics",
    "ALTER TABLE t ADD COLUMN a INT",
    "ATTACH '/tmp/x.db'",
    "DETACH memory",
    "USE memory",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "SET memory_limit = '100GB'",
    "RESET memory_limit",
    "SET VARIABLE a = 1",
    "INSTALL httpfs",
    "LOAD httpfs",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "BEGIN",
    "CHECKPOINT",
    "VACUUM",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "PIVOT t ON a USING count(*)",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_json('/proc/self/environ')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    "SELECT * FROM query_table('metrics')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT * FROM enable_logging()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM force_checkpoint()",
    "SELECT (SELECT count(*) FROM read_text('/etc/passwd'))",
    "SELECT * FROM metrics WHERE EXISTS (FROM glob('/*'))",
    "SELECT 1\0",
]
ALLOWED = [
    "SELECT 1",
    "SELECT 1;",
    "FROM metrics",
    "TABLE metrics",
    "VALUES (1), (2)",
    "SHOW TABLES",
    "DESCRIBE metrics",
    "SUMMARIZE metrics",
    "WITH a AS (SELECT 1 AS x), b AS MATERIALIZED (FROM a) SELECT * FROM b UNION ALL SELECT 2",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) FROM r",
    "SELECT * FROM range(3), unnest([1, 2])",
    "SELECT 'COPY (SELECT 1) TO ''/tmp/x''' AS text -- ; DROP TABLE x",
    "PIVOT (SELECT 1 AS a, 2 AS b) ON a IN (1, 2) USING sum(b)",
    "SELECT agent_id, rank() OVER (ORDER BY seq) FROM metrics QUALIFY rank() OVER (ORDER BY seq) < 3",
    "SELECT list_transform([1], lambda x: x + 1)",
]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as opened:
        opened.execute("CREATE VIEW metrics AS SELECT 1 AS seq, 'a' AS agent_id")
        yield opened


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_not_one_reading_select_is_refused(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    with pytest.raises((QueryRefusedError, duckdb.Error)):
        check_select(connection, sql)


@pytest.mark.parametrize("sql", ALLOWED)
def test_what_analysts_write_is_allowed(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    check_select(connection, sql)


def test_a_refusal_is_one_line_with_a_way_out(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryRefusedError, match=r"only SELECT is allowed, not COPY.*SHOW TABLES") as refusal:
        check_select(connection, "COPY (SELECT 1) TO '/tmp/x'")
    assert "\n" not in str(refusal.value)


def test_deep_nesting_and_long_texts_are_refused_not_crashed_on(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryRefusedError, match="longer than"):
        check_select(connection, "SELECT '" + "x" * MAX_SQL_BYTES + "'")
    with pytest.raises((QueryRefusedError, duckdb.Error)):
        check_select(connection, "SELECT " + "(" * 5_000 + "1" + ")" * 5_000)
