"""The lake as one tenant sees it in the SQL process: views over Arrow datasets that hold this tenant's rows alone.

Ours read the files, filtered, and hand rows over; DuckDB gets no right to open any file. So what a text may name is no
matter of finding every way to name something else: there is nothing else in its reach. The check of the text
(`sql_guard`) is a second wall, the condition in every view a third.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from schemas.catalogue import TABLES
from sinks.lake.views import DERIVED_VIEWS, HIVE_COLUMNS, files_of, quoted, select_columns, table_columns

_INTERNAL = frozenset({"audit", "deadletter", "signals"})
"""Of those who run the fleet: what could not be read, what the machinery tells itself, who called."""
TENANT_TABLES: tuple[str, ...] = tuple(
    name for name in TABLES if name not in _INTERNAL and "user_id" in table_columns(name)
)
TENANT_VIEWS: tuple[str, ...] = tuple(
    name for name, (_, tables) in DERIVED_VIEWS.items() if set(tables) <= set(TENANT_TABLES)
)
_DAY: pa.Field[Any] = pa.field("date", pa.date32())
_HOUR: pa.Field[Any] = pa.field("hour", pa.int32())
_HIVE = ds.HivePartitioning(pa.schema([_DAY, _HOUR]))
_HIDDEN = "_"


def tenant_names() -> frozenset[str]:
    """Every name that a tenant's text may read from."""
    return frozenset((*TENANT_TABLES, *TENANT_VIEWS))


def create_tenant_views(
    connection: duckdb.DuckDBPyConnection, lake: Path, tables: Iterable[str], tenant: str, *, by_name: bool = False
) -> None:
    """Create the views of a tenant; those of `tables` over their files, the others without rows.

    `by_name` reads the footer of every file, for lakes whose files differ in columns in the middle of their age.
    Raises `OSError` for a file that has gone, `pyarrow.ArrowInvalid` for one that is no Parquet.
    """
    wanted = set(tables)
    for table in TENANT_TABLES:
        files = sorted(files_of(lake, table), reverse=True) if table in wanted else []
        found: dict[str, str] = {}
        if files:
            connection.register(_HIDDEN + table, _dataset(lake / table, files, tenant, by_name=by_name))
            found = _described(connection, _HIDDEN + table)
        columns = select_columns(table, found)
        source = f"FROM {_HIDDEN}{table} WHERE user_id = {quoted(tenant)}" if files else "WHERE false"
        connection.execute(f"CREATE VIEW {table} AS SELECT {columns} {source}")
    for view in TENANT_VIEWS:
        connection.execute(f"CREATE VIEW {view} AS {DERIVED_VIEWS[view][0]}")


def _dataset(folder: Path, files: list[Path], tenant: str, *, by_name: bool) -> ds.Dataset:
    """Rows of the tenant in `files`, the newest first, with the folders as columns."""
    looked_at = files if by_name else [files[0], files[-1]]
    plain = pa.unify_schemas(
        [pq.read_schema(file).remove_metadata() for file in looked_at], promote_options="permissive"
    )
    fields = [field for field in plain if field.name not in HIVE_COLUMNS]
    whole: ds.Dataset = ds.dataset(
        [str(file) for file in files],
        schema=pa.schema([*fields, _DAY, _HOUR]),
        format="parquet",
        partitioning=_HIVE,
        partition_base_dir=str(folder),
    )
    return whole.filter(pc.field("user_id") == tenant)


def _described(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {name}").fetchall()}  # noqa: S608  # our own names
