"""A frame of the writer schema turned into one of the reader schema: Avro's schema resolution, by columns.

What the reader lacks is dropped, what is new to it takes its default, also within arrays of records. Types do not
change between released versions (`schemas.compatibility`), so nothing else of the resolution is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import polars as pl

from schemas.registry import WriterSchema

Json = Any


def unresolvable(writer: WriterSchema, reader: WriterSchema) -> list[str]:
    """Paths of the reader's fields that the writer lacks and that have no default: nothing it wrote can be read."""
    return _missing(writer.raw, reader.raw, reader.name)


def _inner(kind: Json) -> Json:
    """A type without its null branch; `{"type": {...}}` is what it wraps."""
    if isinstance(kind, list):
        return _inner(kind[-1])
    if isinstance(kind, dict) and isinstance(kind["type"], dict | list):
        return _inner(kind["type"])
    return kind


def _is_a(kind: Json, name: str) -> bool:
    return isinstance(kind, Mapping) and kind["type"] == name


def _missing(old: Json, new: Json, path: str) -> list[str]:
    old, new = _inner(old), _inner(new)
    if _is_a(old, "array") and _is_a(new, "array"):
        return _missing(old["items"], new["items"], path)
    if not (_is_a(old, "record") and _is_a(new, "record")):
        return []
    before = {field["name"]: field["type"] for field in old["fields"]}
    found = []
    for field in new["fields"]:
        here = f"{path}.{field['name']}"
        if field["name"] in before:
            found += _missing(before[field["name"]], field["type"], here)
        elif "default" not in field:
            found.append(here)
    return found


def _default(value: Json, dtype: pl.DataType) -> pl.Expr:
    """A default as a column. JSON has bytes as characters of the same code points (Avro 1.12, "Complex types")."""
    if dtype == pl.Binary and isinstance(value, str):
        value = value.encode("latin-1")
    return pl.lit(pl.Series([value], dtype=dtype)).first()


def _resolved(column: pl.Expr, old: Json, new: Json, dtype: pl.DataType) -> pl.Expr:
    """`column`, of the writer's type `old`, as the reader's type `new`."""
    old, new = _inner(old), _inner(new)
    if _is_a(new, "array"):
        inner = cast("pl.List", dtype).inner
        return column.list.eval(_resolved(pl.element(), old["items"], new["items"], cast("pl.DataType", inner)))
    if _is_a(new, "record"):
        dtypes = {field.name: cast("pl.DataType", field.dtype) for field in cast("pl.Struct", dtype).fields}
        fields = _columns(old["fields"], new["fields"], dtypes, column.struct.field)
        return pl.when(column.is_not_null()).then(pl.struct(fields))
    return column.cast(dtype)


def _columns(
    old: Sequence[Json], new: Sequence[Json], dtypes: Mapping[str, pl.DataType], of: Callable[[str], pl.Expr]
) -> list[pl.Expr]:
    before = {field["name"]: field["type"] for field in old}
    return [
        (
            _resolved(of(field["name"]), before[field["name"]], field["type"], dtypes[field["name"]])
            if field["name"] in before
            else _default(field["default"], dtypes[field["name"]])
        ).alias(field["name"])
        for field in new
    ]


def project(
    frame: pl.DataFrame, writer: WriterSchema, reader: WriterSchema, dtypes: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """Rows of `writer` as rows of `reader`, whose columns have `dtypes`. Nothing must be `unresolvable`."""
    return frame.select(_columns(writer.raw["fields"], reader.raw["fields"], dtypes, pl.col))
