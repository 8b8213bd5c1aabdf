"""What a text in SQL may name: tables with their columns, units and words, and what DuckDB knows of its functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import duckdb

from schemas.catalogue import TABLES
from schemas.registry import load_schema
from sinks.lake.sql_guard import is_of_the_engine
from sinks.lake.tenant_views import tenant_names
from sinks.lake.views import BASE_TABLES, DERIVED_VIEWS, HIVE_COLUMNS, open_views

_VIEWS: Mapping[str, str] = {
    "latest_trust": "the newest trust score of every agent",
    "latest_status": "the newest status of every agent",
    "agents": "every agent that the lake knows: first and last event, status, trust",
    "metrics_hourly": "mean, least and greatest of every metric, by agent and hour",
    "metrics_daily": "mean, least and greatest of every metric, by agent and day",
    "ledger": "what every session published, and what of it landed, is missing or came twice",
    "duplicates": "events that came a second time and landed once",
    "expired": "which numbers of sessions retention has removed: they landed and are not missing",
}
_COLUMNS: Mapping[str, tuple[str, str]] = {
    "kafka_partition": ("count", "Partition that the row came from."),
    "kafka_offset": ("count", "Its place in the partition."),
    "kafka_timestamp": ("us since 1970-01-01 UTC", "When the broker had it."),
    "date": ("day", "Day of the event, UTC: a filter on it opens only the files of these days."),
    "hour": ("hour", "Hour of the day, UTC: with date, a filter on it opens only the files of these hours."),
    "events": ("count", "How many reports are in it."),
    "hour_start": ("us since 1970-01-01 UTC", "Begin of the hour."),
    "day_start": ("us since 1970-01-01 UTC", "Begin of the day."),
    "first_seen": ("us since 1970-01-01 UTC", "Its first event in the lake."),
    "status_reason": ("text", "Why it has its status."),
    "status_since": ("us since 1970-01-01 UTC", "Since when it has its status."),
    "trust_evidence": ("count", "Weight of the evidence for its trust, decayed."),
    "topic": ("text", "Topic that it came from."),
    "first_at": ("us since 1970-01-01 UTC", "First event of the session."),
    "last_at": ("us since 1970-01-01 UTC", "Last event of the session that landed."),
    "published": ("count", "Numbers given up to the last event that landed."),
    "landed": ("count", "Events that landed."),
    "missing": ("count", "Numbers that did not land."),
    "expired": ("count", "Events that landed and that retention has removed since."),
    "last_seq": ("count", "The highest number among them."),
    "firsts": ("count", "Where runs of consecutive numbers begin."),
    "lasts": ("count", "Where they end."),
    "duplicates": ("count", "Events that came a second time."),
    "double_rows": ("count", "Events that lie in the lake twice."),
    "dropped": ("count", "Events that the reporter says it dropped."),
    "closed": ("boolean", "Whether the session said goodbye."),
    "last_seen": ("us since 1970-01-01 UTC", "Its last event in the lake."),
}
_ROLLED = {"_mean": "Mean", "_min": "Least", "_max": "Greatest"}
_FUNCTIONS = frozenset([
    "abs", "any_value", "approx_count_distinct", "approx_quantile", "arg_max", "arg_min", "array_agg", "avg",
    "ceil", "coalesce", "concat", "contains", "corr", "count", "count_if", "cume_dist", "date_diff",
    "date_part", "date_trunc", "dense_rank", "epoch", "epoch_ms", "epoch_us", "exp", "extract", "first_value",
    "floor", "format", "generate_series", "geometric_mean", "greatest", "histogram", "hour", "ifnull",
    "isfinite", "kurtosis", "lag", "last_value", "lead", "least", "len", "length", "list", "list_filter",
    "list_transform", "ln", "log", "lower", "ltrim", "mad", "max", "median", "min", "minute", "mode", "month",
    "now", "ntile", "nullif", "percent_rank", "position", "power", "quantile_cont", "quantile_disc", "range",
    "rank", "regexp_extract", "regexp_matches", "regexp_replace", "regr_slope", "replace", "round",
    "row_number", "rtrim", "skewness", "split_part", "sqrt", "starts_with", "stddev", "strftime", "strptime",
    "string_agg", "substring", "sum", "time_bucket", "to_days", "to_hours", "to_minutes", "to_seconds", "today",
    "trim", "trunc", "try", "unnest", "upper", "var_samp", "week", "weekday", "year",
])  # fmt: skip
"""Those that are offered; every other that the check of a text lets through can be written as well."""


@lru_cache(maxsize=2)
def schema_body(*, whole_fleet: bool) -> bytes:
    """The same as JSON."""
    return json.dumps(sql_schema(whole_fleet=whole_fleet), ensure_ascii=False).encode()


def sql_schema(*, whole_fleet: bool) -> dict[str, Any]:
    """Of the whole fleet, or of one tenant: the same for all of them. As `SqlSchema`."""
    names = (*BASE_TABLES, *DERIVED_VIEWS) if whole_fleet else sorted(tenant_names())
    with open_views() as connection:
        tables = [_table(connection, name) for name in names]
        return {"tables": tables, "functions": _functions(connection), "keywords": _keywords(connection)}


def _table(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    documented = _documented(name)
    rows = connection.execute(f"DESCRIBE SELECT * FROM {name}").fetchall()  # noqa: S608  # our own names
    about = TABLES[name].summary if name in TABLES else _VIEWS[name]
    columns = [_column(column, kind, documented) for column, kind, *_ in rows]
    return {"name": name, "kind": "table" if name in BASE_TABLES else "view", "about": about, "columns": columns}


def _documented(name: str) -> dict[str, tuple[str, str]]:
    """Unit and meaning by column, of a table or of those that a view is made of."""
    tables = DERIVED_VIEWS[name][1] if name in DERIVED_VIEWS else (name if name in TABLES else "heartbeats",)
    found: dict[str, tuple[str, str]] = {}
    for table in tables:
        if table in TABLES:
            fields = load_schema(TABLES[table].schema).raw["fields"]
            found = {field["name"]: (field.get("unit", ""), field.get("doc", "")) for field in fields} | found
    return found


def _column(name: str, kind: str, documented: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    unit, about = documented.get(name) or _COLUMNS.get(name) or _rolled(name, documented)
    return {"name": name, "type": kind, "unit": unit, "about": about, "folder": name in HIVE_COLUMNS}


def _rolled(name: str, documented: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    for ending, word in _ROLLED.items():
        if name.endswith(ending) and name.removesuffix(ending) in documented:
            unit, about = documented[name.removesuffix(ending)]
            return unit, f"{word} of: {about}"
    return "", ""


def _functions(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    rows = connection.execute(
        """SELECT function_name, min(array_to_string(parameters, ', ')), coalesce(any_value(description), '')
        FROM duckdb_functions() GROUP BY function_name ORDER BY function_name"""
    ).fetchall()
    return [
        {"name": name, "parameters": parameters or "", "about": " ".join(about.split())}
        for name, parameters, about in rows
        if name in _FUNCTIONS and not is_of_the_engine(name)
    ]


def _keywords(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute("SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'")
    more = {"between", "by", "exists", "filter", "following", "interval", "over", "preceding", "rows", "values"}
    return sorted({name.upper() for (name,) in rows.fetchall()} | {name.upper() for name in more})
