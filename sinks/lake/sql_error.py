"""What DuckDB says of a text that it cannot run: its words in one line, and the place that they are about."""

from __future__ import annotations

import json
from dataclasses import dataclass

import duckdb

PLACES = "SET errors_as_json = true"
"""Has a connection tell places as numbers; without it they are a drawing beneath a line that may be cut."""


@dataclass(frozen=True, slots=True)
class SqlMistake:
    """`message`: one line; `position`: characters of the text before the place, None where no place is told."""

    message: str
    position: int | None = None


_EXPLAIN = "EXPLAIN "


def placed(connection: duckdb.DuckDBPyConnection, sql: str, error: duckdb.Error) -> SqlMistake:
    """The same as `mistake_of`; where the error has no place, of the one that planning the text again gives.

    Relations leave places out. The text must have passed the check, and the connection be locked.
    """
    found = mistake_of(error, sql)
    if found.position is not None:
        return found
    try:
        connection.execute(_EXPLAIN + sql)
    except duckdb.Error as again:
        told = mistake_of(again, _EXPLAIN + sql)
        if told.message == found.message and told.position is not None:
            return SqlMistake(found.message, max(0, told.position - len(_EXPLAIN)))
    return found


def mistake_of(error: duckdb.Error, sql: str) -> SqlMistake:
    """What `error` says of `sql`, from a connection on which `PLACES` was run or not."""
    text = str(error)
    head, begin, rest = text.partition("{")
    try:
        told = json.loads(begin + rest)
        message = f"{head}{told['exception_message']}"
    except (ValueError, TypeError, KeyError):
        return SqlMistake(_one_line(text))
    return SqlMistake(_one_line(message), _characters(sql, told.get("position")))


def _characters(sql: str, position: object) -> int | None:
    """DuckDB counts bytes."""
    if not isinstance(position, str) or not position.isdecimal():
        return None
    whole = sql.encode("utf-8", "replace")
    return len(whole[: min(int(position), len(whole))].decode("utf-8", "ignore"))


def _one_line(text: str) -> str:
    """A message without its drawing of the place: the lines up to the first empty one, joined."""
    lines = text.split("\n\n", maxsplit=1)[0].splitlines()
    return " ".join(line.strip() for line in lines if line.strip() and not set(line.strip()) <= {"^"})


def line_and_column(sql: str, position: int) -> tuple[int, int]:
    """Of a place in a text, both from 1."""
    before = sql[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1
