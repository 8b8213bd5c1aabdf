"""The lake as DuckDB sees it: one view per table of the catalogue, and the questions that everybody asks as views.

A view names its Parquet files one by one (only those that no compacted file stands for), so a row is never seen twice
and a filter on `date` or `hour` opens only the files of those hours. Every view exists, also over a lake without a
file, with the columns of the current schema; a column that older files lack reads as NULL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from infra.runtime.errors import LakeError
from schemas.catalogue import METRICS, TABLES
from schemas.registry import load_schema
from sinks.lake.absent import no_lake
from sinks.lake.ledger import LEDGER_SQL, LEDGER_TABLES, PRODUCER_TABLES
from sinks.lake.naming import EXPIRED_TABLE, visible_files

T = TypeVar("T")
ATTEMPTS = 4
"""How often a query is asked when files vanish under it. Each time needs a compaction or retention of its own."""
KAFKA_COLUMNS: Mapping[str, str] = {
    "kafka_partition": "INTEGER",
    "kafka_offset": "BIGINT",
    "kafka_timestamp": "TIMESTAMP WITH TIME ZONE",
}
"""Where a row came from; the time is the record's in Kafka."""
HIVE_COLUMNS: Mapping[str, str] = {"date": "DATE", "hour": "INTEGER"}
"""The folders that a file lies in."""
DUPLICATES_COLUMNS: Mapping[str, str] = {
    "topic": "VARCHAR",
    "event_id": "BLOB",
    "agent_id": "VARCHAR",
    "session_id": "VARCHAR",
    "seq": "BIGINT",
}
EXPIRED_COLUMNS: Mapping[str, str] = {
    "agent_id": "VARCHAR",
    "user_id": "VARCHAR",
    "session_id": "VARCHAR",
    "events": "BIGINT",
    "last_seq": "BIGINT",
    "firsts": "BIGINT[]",
    "lasts": "BIGINT[]",
}
_SCALARS = {
    "string": "VARCHAR",
    "long": "BIGINT",
    "int": "INTEGER",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "bytes": "BLOB",
}


def _duckdb_type(node: Any) -> str:  # noqa: ANN401  # a JSON schema node
    """The DuckDB type of an Avro type as our schemas use them (see the design: no maps, no wider unions)."""
    if isinstance(node, list):
        return next(_duckdb_type(kind) for kind in node if kind != "null")
    if isinstance(node, str):
        return _SCALARS[node]
    if node.get("logicalType") == "timestamp-micros":
        return "TIMESTAMP WITH TIME ZONE"
    if node["type"] == "array":
        return f"{_duckdb_type(node['items'])}[]"
    if node["type"] == "record":
        members = ", ".join(f'"{f["name"]}" {_duckdb_type(f["type"])}' for f in node["fields"])
        return f"STRUCT({members})"
    return _SCALARS[node["type"]]


def table_columns(table: str) -> dict[str, str]:
    """Columns of a table in the lake and their DuckDB types, without those of the folders.

    `event_id` is BLOB here, as in the files; views show it as UUID. Raises `KeyError` for an unknown table.
    """
    if table == "duplicates":
        return {**DUPLICATES_COLUMNS, **KAFKA_COLUMNS}
    if table == EXPIRED_TABLE:
        return dict(EXPIRED_COLUMNS)
    fields = load_schema(TABLES[table].schema).raw["fields"]
    return {field["name"]: _duckdb_type(field["type"]) for field in fields} | dict(KAFKA_COLUMNS)


BASE_TABLES: tuple[str, ...] = (*TABLES, "duplicates", EXPIRED_TABLE)
"""Every table that has files."""


def _latest(table: str) -> str:
    return f"""SELECT * FROM {table}
QUALIFY row_number() OVER (PARTITION BY agent_id ORDER BY "timestamp" DESC, kafka_offset DESC) = 1"""  # noqa: S608  # our own names


def _rollup(per_hour: bool) -> str:
    bucket = '"date" + to_hours(hour)' if per_hour else '"date"::TIMESTAMP'
    name, keys = ("hour_start", '"date", hour') if per_hour else ("day_start", '"date"')
    values = ",\n".join(f'avg("{m}") AS {m}_mean, min("{m}") AS {m}_min, max("{m}") AS {m}_max' for m in METRICS)
    return f"""SELECT agent_id, any_value(user_id) AS user_id, deployment_id, {keys}, {bucket} AS {name},
count(*) AS events,
{values}
FROM metrics GROUP BY agent_id, deployment_id, {keys}"""  # noqa: S608  # our own names


_SEEN = " UNION ALL ".join(
    f'SELECT agent_id, min("timestamp") AS first_at, max("timestamp") AS last_at, count(*) AS events FROM {table} '  # noqa: S608  # names of the catalogue
    "GROUP BY agent_id"
    for table in PRODUCER_TABLES
)
_AGENTS = f"""WITH seen AS (
  SELECT agent_id, min(first_at) AS first_seen, max(last_at) AS last_seen, sum(events)::BIGINT AS events
  FROM ({_SEEN}) GROUP BY agent_id)
SELECT seen.agent_id, coalesce(s.user_id, t.user_id) AS user_id,
  coalesce(s.deployment_id, t.deployment_id) AS deployment_id, first_seen, last_seen,
  s.status, s.reason AS status_reason, s."timestamp" AS status_since, t.trust, t.n AS trust_evidence, events
FROM seen LEFT JOIN latest_status s USING (agent_id) LEFT JOIN latest_trust t USING (agent_id)"""  # noqa: S608  # our own names

DERIVED_VIEWS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "latest_trust": (_latest("trust"), ("trust",)),
    "latest_status": (_latest("status"), ("status",)),
    "agents": (_AGENTS, (*PRODUCER_TABLES, "trust", "status")),
    "metrics_hourly": (_rollup(per_hour=True), ("metrics",)),
    "metrics_daily": (_rollup(per_hour=False), ("metrics",)),
    "ledger": (LEDGER_SQL, LEDGER_TABLES),
}
"""Views over tables: their SQL and the tables with files that they need."""


def tables_named_in(sql: str) -> set[str]:
    """Tables whose files a query may need: every one that its text names, or that a view needs which it names.

    A superset: a name inside a string counts too.
    """
    words = set(re.findall(r"\w+", sql.lower()))
    named = words & set(BASE_TABLES)
    for view, (_, tables) in DERIVED_VIEWS.items():
        if view in words:
            named.update(tables)
    return named


def quoted(text: str) -> str:
    """A text as SQL has it between apostrophes."""
    return "'" + text.replace("'", "''") + "'"


def _scan(files: Iterable[Path], *, by_name: bool) -> str:
    names = ", ".join(quoted(str(file)) for file in files)
    hive = ", ".join(f'"{name}": {kind}' for name, kind in HIVE_COLUMNS.items())
    return (
        f"read_parquet([{names}], hive_partitioning = true, hive_types = {{{hive}}}"
        f"{', union_by_name = true' if by_name else ''})"
    )


def _found_columns(connection: duckdb.DuckDBPyConnection, scan: str) -> dict[str, str]:
    rows = connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()  # noqa: S608  # file names are quoted
    return {row[0]: row[1] for row in rows}


def _column(name: str, wanted: str, found: str | None) -> str:
    """One expression of a view: the column in its type; ids as UUID, NULL where no file has it."""
    shown = "UUID" if name == "event_id" else wanted
    if found is None:
        return f'CAST(NULL AS {shown}) AS "{name}"'
    if name == "event_id" and found == "BLOB":
        return f'CAST(hex("{name}") AS UUID) AS "{name}"'
    return f'"{name}"' if found == shown else f'CAST("{name}" AS {shown}) AS "{name}"'


def select_columns(table: str, found: Mapping[str, str]) -> str:
    """The list of a view's SELECT over files that have the columns `found`, by their DuckDB types."""
    columns = (*table_columns(table).items(), *HIVE_COLUMNS.items())
    return ", ".join(_column(name, kind, found.get(name)) for name, kind in columns)


def _view_sql(connection: duckdb.DuckDBPyConnection, table: str, files: list[Path], *, by_name: bool) -> str:
    """The SELECT of a table's view.

    The schema comes from the newest file; only when it or the oldest lacks a column are all footers read to unite them.
    """
    columns = table_columns(table)
    if not files:
        return f"SELECT {select_columns(table, {})} WHERE false"
    files = sorted(files, reverse=True)
    if not by_name:
        ends = [_found_columns(connection, _scan([file], by_name=False)) for file in (files[0], files[-1])]
        by_name = any(end != ends[0] or not columns.keys() <= end.keys() for end in ends)
    scan = _scan(files, by_name=by_name)
    found = _found_columns(connection, scan) if by_name else ends[0]
    return f"SELECT {select_columns(table, found)} FROM {scan}"  # noqa: S608  # quoted above


def table_select(connection: duckdb.DuckDBPyConnection, table: str, files: list[Path]) -> str:
    """The SELECT of a table over some of its files, with the columns of the current schema; none: no rows.

    Raises `duckdb.Error` for a file that is no Parquet or gone.
    """
    return _view_sql(connection, table, files, by_name=False)


def create_views(
    connection: duckdb.DuckDBPyConnection, lake: Path, tables: Iterable[str] = BASE_TABLES, *, by_name: bool = False
) -> dict[str, int]:
    """Create every view; those of `tables` over their visible files, the others without rows. Return files per table.

    `by_name` reads the footer of every file, for lakes whose files differ in columns in the middle of their age.
    Raises `LakeError` when the folder cannot be read, and `duckdb.Error` for a file that is no Parquet.
    """
    # Binding a view opens its files: so the derived ones are made while the tables have none.
    for table in BASE_TABLES:
        connection.execute(f"CREATE OR REPLACE VIEW {table} AS {_view_sql(connection, table, [], by_name=False)}")
    for view, (sql, _) in DERIVED_VIEWS.items():
        connection.execute(f"CREATE OR REPLACE VIEW {view} AS {sql}")
    counts: dict[str, int] = {}
    for table in tables:
        files = files_of(lake, table)
        if files:
            connection.execute(
                f"CREATE OR REPLACE VIEW {table} AS {_view_sql(connection, table, files, by_name=by_name)}"
            )
        counts[table] = len(files)
    return counts


def files_of(lake: Path, table: str) -> list[Path]:
    """The files of a table that count. Raises `LakeError` when the folder cannot be read."""
    try:
        return list(visible_files(lake, table))
    except OSError as error:
        setting = "--lake or FLEETPULSE_LAKE"
        raise LakeError(f"cannot read the lake {lake}: {error.strerror}", setting=setting) from error


def open_lake(lake: Path, tables: Iterable[str] = BASE_TABLES) -> duckdb.DuckDBPyConnection:
    """A connection of our own with the views over `lake`, for SQL that we wrote; users' goes through `sinks.lake.sql`.

    Raises `LakeError` when there is no such folder.
    """
    if not lake.is_dir():
        raise no_lake(lake)
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    create_views(connection, lake.resolve(), tables)
    return connection


def open_views() -> duckdb.DuckDBPyConnection:
    """A connection of our own with every view and no rows: what tables and columns there are, without any lake."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    create_views(connection, Path(), ())
    return connection


def has_vanished(error: Exception) -> bool:
    """Whether a query failed because a file that was listed is gone: compacted, or past its retention."""
    return re.search(r"No such file|No files found that match", str(error)) is not None


def ask_lake(lake: Path, tables: Iterable[str], ask: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
    """The result of `ask` over a connection of `open_lake`; asked anew when files vanished meanwhile.

    Raises `LakeError` without a lake and what `ask` raises.
    """
    tables = tuple(tables)
    for attempts_left in range(ATTEMPTS - 1, -1, -1):
        try:
            with open_lake(lake, tables) as connection:
                return ask(connection)
        except duckdb.IOException as error:
            if not attempts_left or not has_vanished(error):
                raise
    raise AssertionError("unreachable")
