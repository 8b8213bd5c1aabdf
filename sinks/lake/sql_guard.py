"""Whether a SQL text is one reading SELECT, decided on DuckDB's own parse of it.

The statement's type is not enough: DuckDB 2 counts `WITH x AS (COPY ... TO ...) SELECT ...` as a SELECT and writes the
file, also with external access off when the folder is an allowed one. So the parse tree is walked: only nodes that
read, and only table functions from a list, because some of them run SQL from a string or change the engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
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
_OWN_TABLE_FUNCTIONS = frozenset(["generate_series", "json_each", "json_tree", "range", "unnest"])
"""Those that make rows of their arguments alone: no file, no name of a table, nothing of the engine."""
_ENGINE = frozenset(
    [
        "add_parquet_key",
        "create_external_resource",
        "current_catalog",
        "current_connection_id",
        "current_database",
        "current_query",
        "current_query_id",
        "current_role",
        "current_schema",
        "current_schemas",
        "current_setting",
        "current_transaction_id",
        "current_user",
        "currval",
        "getenv",
        "getvariable",
        "in_search_path",
        "invoke",
        "json_deserialize_sql",
        "json_execute_serialized_sql",
        "json_serialize_plan",
        "json_serialize_sql",
        "nextval",
        "parse_duckdb_log_message",
        "query",
        "query_table",
        "session_user",
        "setseed",
        "setval",
        "sleep_ms",
        "stats",
        "txid_current",
        "user",
        "write_log",
    ]
)
_ENGINE_BEGINS = (
    "__internal",
    "arrow_",
    "duckdb_",
    "has_",
    "inet_",
    "pandas_",
    "parquet_",
    "pg_",
    "pragma_",
    "python_",
    "read_",
)
"""Functions that tell of the engine, change it, wait, or take SQL: no affair of a tenant."""
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
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


def _check_own(node: dict[str, Any], names: Collection[str]) -> None:
    """A node of a text that may read from `names` alone."""
    kind = str(node.get("type", ""))
    if kind == "BASE_TABLE":
        if node.get("schema_name") or node.get("catalog_name") or str(node.get("table_name")).lower() not in names:
            raise refused("a table is named that is not there")
    elif (
        kind == "TABLE_FUNCTION" and str(node["function"].get("function_name", "")).lower() not in _OWN_TABLE_FUNCTIONS
    ):
        raise refused(f"the table function {node['function'].get('function_name')}() is not allowed")
    elif kind == "SHOW_REF" and not node.get("query") and node.get("table_name") != '"tables"':
        raise refused("only SHOW TABLES, DESCRIBE and SUMMARIZE are allowed")
    name = str(node.get("function_name", "")).lower()
    if is_of_the_engine(name) or (node.get("class") == "FUNCTION" and node.get("schema")):
        raise refused(f"the function {name}() is not allowed")


def is_of_the_engine(function: str) -> bool:
    """Whether a function, named in lower case, is none that a tenant may call."""
    return function in _ENGINE or function.startswith(_ENGINE_BEGINS)


def _own_names(tree: Any) -> set[str]:  # noqa: ANN401  # parsed JSON
    """Names that a text gives to queries of its own (WITH)."""
    found = [entry["key"] for node in _nodes(tree) if "cte_map" in node for entry in node["cte_map"].get("map", [])]
    for name in found:
        if not _PLAIN_NAME.fullmatch(name):
            raise refused("a name after WITH holds more than letters, digits and underscores")
        if name.lower().startswith(("duckdb_", "pg_", "pragma_", "sqlite_")):
            # Outside of its own SELECT such a name is the engine's view.
            raise refused(f"{name} is a name of the engine's: choose another after WITH")
    return {name.lower() for name in found}


def check_select(connection: duckdb.DuckDBPyConnection, sql: str, names: Collection[str] | None = None) -> None:
    """Raise `QueryRefusedError` unless `sql` is one SELECT that only reads; `duckdb.Error` when it does not parse.

    `names`, in lower case: tables and views that it may read from, and then no function that tells of the engine;
    None: any.
    """
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
    if names is not None:
        allowed = _own_names(tree) | set(names)
        for node in _nodes(tree):
            _check_own(node, allowed)
