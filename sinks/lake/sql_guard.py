"""Whether a SQL text is one reading SELECT, decided on DuckDB's own parse of it.

The statement's type is not enough: DuckDB 2 counts `WITH x AS (COPY ... TO ...) SELECT ...` as a SELECT and writes the
file, also with external access off when the folder is an allowed one. So the parse tree is walked: only nodes that
read, and only table functions from a list, because some of them run SQL from a string or change the engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from infra.runtime.errors import QueryRefusedError

if TYPE_CHECKING:
    import duckdb

_READING_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_TABLE_FUNCTIONS = frozenset(
    [
        "duckdb_columns",
        "duckdb_functions",
        "duckdb_keywords",
        "duckdb_schemas",
        "duckdb_tables",
        "duckdb_types",
        "duckdb_views",
        "generate_series",
        "icu_calendar_names",
        "json_each",
        "json_tree",
        "parquet_file_metadata",
        "parquet_metadata",
        "parquet_scan",
        "parquet_schema",
        "pg_timezone_names",
        "pragma_table_info",
        "pragma_version",
        "range",
        "read_parquet",
        "repeat",
        "summary",
        "unnest",
    ]
)
MAX_SQL_BYTES = 256 * 1024


def refused(problem: str) -> QueryRefusedError:
    """The error for a text that will not be run."""
    return QueryRefusedError(problem, way_out="Ask one SELECT over the views; `SHOW TABLES` lists them")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  # parsed JSON
    """Every object of a JSON tree, without recursion: hostile texts nest deeply."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def _check_node(node: dict[str, Any]) -> None:
    kind = str(node.get("type", ""))
    if kind.endswith("_NODE") and kind not in _READING_NODES:
        name = kind.removesuffix("_NODE").removesuffix("_QUERY")
        raise refused(f"a part of the statement is no SELECT ({name})")
    if kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).lower()
        if name not in _TABLE_FUNCTIONS:
            raise refused(f"the table function {name}() is not allowed")


def check_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise `QueryRefusedError` unless `sql` is one SELECT that only reads; `duckdb.Error` when it does not parse."""
    if len(sql.encode("utf-8", "replace")) > MAX_SQL_BYTES:
        raise refused(f"the text is longer than {MAX_SQL_BYTES} bytes")
    if "\0" in sql:
        raise refused("the text holds a NUL character")
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise refused(f"there must be one statement, not {len(statements)}")
    kind = str(statements[0].type.name)
    if kind == "MULTI":
        raise refused("PIVOT without a list of values is several statements: name them, PIVOT t ON column IN (...)")
    if kind != "SELECT":
        raise refused(f"only SELECT is allowed, not {kind}")
    row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    try:
        tree = json.loads(row[0]) if row else {"error": True}
    except RecursionError:
        raise refused("the statement is nested too deeply") from None
    if tree.get("error", True) or "statements" not in tree:
        raise refused(f"the statement cannot be checked: {tree.get('error_message', 'no parse tree')}")
    for node in _nodes(tree):
        _check_node(node)
