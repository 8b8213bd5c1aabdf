"""Lists within a line: `{"name": value}`, `[{"name": ..., "value": ...}]` or `["text"]`, as text, to Avro arrays."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from producers.gateway.ndjson.fields import LONGEST_LIST_BYTES, Field
from schemas.encode import NULL, Column, Constant, Pool, Pooled, encode_long, encode_string

MOST_ENTRIES = 1_000


class UnfitListError(ValueError):
    """A list that is none, or holds what does not belong there."""


def encode_lists(column: pl.Series, field: Field) -> tuple[dict[str, bytes], dict[str, str]]:
    """Every different text of a column as an Avro array, and what is wrong with those that are none."""
    pieces: dict[str, bytes] = {}
    unfit: dict[str, str] = {}
    for text in column.unique().drop_nulls():
        try:
            pieces[text] = encode_list(text, field)
        except UnfitListError as error:
            unfit[text] = str(error)
    return pieces, unfit


def list_column(column: pl.Series, pieces: Mapping[str, bytes]) -> Column:
    """The column of arrays that `pieces` holds by their texts; null is the empty one."""
    if column.null_count() == column.len():
        return Constant(NULL)
    codes = {text: code for code, text in enumerate(pieces, 1)}
    index = np.array([0 if text is None else codes[text] for text in column], np.int64)
    return Pooled(Pool.of([NULL, *pieces.values()]), index)


def encode_list(text: str, field: Field) -> bytes:
    """One list as an Avro array of one block. Raises `UnfitListError`."""
    if len(text) > LONGEST_LIST_BYTES:
        raise UnfitListError(f"has more than {LONGEST_LIST_BYTES} characters")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnfitListError("is no JSON list or object") from error
    items = _texts(content) if not field.named else _named(content, field.named)
    if len(items) > MOST_ENTRIES:
        raise UnfitListError(f"has more than {MOST_ENTRIES} entries")
    return encode_long(len(items)) + b"".join(items) + NULL if items else NULL


def _texts(content: Any) -> list[bytes]:  # noqa: ANN401  # any JSON value
    if not isinstance(content, list) or not all(isinstance(each, str) for each in content):
        raise UnfitListError("is no list of texts")
    return [_string(each) for each in content]


def _named(content: Any, kind: str) -> list[bytes]:  # noqa: ANN401  # any JSON value
    if isinstance(content, list):
        if not all(
            isinstance(each, dict) and isinstance(each.get("name"), str) and "value" in each for each in content
        ):
            raise UnfitListError("is no list of name and value")
        pairs = [(each["name"], each["value"]) for each in content]
    elif isinstance(content, dict):
        pairs = list(content.items())
    else:
        raise UnfitListError("is no object of names and values")
    return [_string(name) + (_double(value) if kind == "double" else _text(value)) for name, value in pairs]


def _string(text: str) -> bytes:
    try:
        return encode_string(text)
    except UnicodeEncodeError as error:
        raise UnfitListError("holds half a character") from error


def _text(value: Any) -> bytes:  # noqa: ANN401  # any JSON value
    return _string(value if isinstance(value, str) else json.dumps(value))


def _double(value: Any) -> bytes:  # noqa: ANN401  # any JSON value
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not abs(value) < 1e308
        or not math.isfinite(value)
    ):
        raise UnfitListError("holds a value that is no number")
    return struct.pack("<d", value)
