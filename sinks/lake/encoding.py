"""How columns are laid out in Parquet: quick and small when events land, smallest when hours are compacted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from sinks.lake.storage import fsync_path

LANDING_LEVEL = 1
COMPACTED_LEVEL = 6
ROW_GROUP_ROWS = 131_072
_SAMPLE_ROWS = 65_536


@dataclass(frozen=True)
class Layout:
    """Encodings by Parquet column path: names in `dictionary`, others as `encodings` say, else plain."""

    dictionary: list[str]
    encodings: dict[str, str] = field(default_factory=dict)
    level: int = LANDING_LEVEL


def to_arrow(frame: pl.DataFrame) -> pa.Table:
    """A frame as an Arrow table; `event_id` (16 bytes) becomes a UUID."""
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    index = table.schema.get_field_index("event_id")
    if index < 0:
        return table
    chunked = table.column(index)
    chunks = [pa.ExtensionArray.from_storage(pa.uuid(), chunk.cast(pa.binary(16))) for chunk in chunked.chunks]
    return table.set_column(index, "event_id", pa.chunked_array(chunks, pa.uuid()))  # type: ignore[call-overload]  # the stubs lack extension types


def _leaves(name: str, kind: pa.DataType) -> list[tuple[str, pa.DataType]]:
    """Parquet column paths below a column, with their types."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _leaves(f"{name}.list.element", kind.value_type)
    if pa.types.is_struct(kind):
        return [leaf for child in kind for leaf in _leaves(f"{name}.{child.name}", child.type)]
    return [(name, kind)]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_whole_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind))


def landing_layout(schema: pa.Schema) -> Layout:
    """Dictionaries for text, BYTE_STREAM_SPLIT for doubles, deltas for whole numbers: without a look at values."""
    dictionary, encodings = [], {}
    for path, kind in [leaf for column in schema for leaf in _leaves(column.name, column.type)]:
        if _is_text(kind):
            dictionary.append(path)
        elif pa.types.is_float64(kind):
            encodings[path] = "BYTE_STREAM_SPLIT"
        elif _is_whole_number(kind):
            encodings[path] = "DELTA_BINARY_PACKED"
    return Layout(dictionary, encodings)


_DICTIONARY = "DICTIONARY"
_CHOICES_FLOAT = (_DICTIONARY, "BYTE_STREAM_SPLIT")
_CHOICES_WHOLE = (_DICTIONARY, "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT")
_CHOICES_TEXT = (_DICTIONARY, "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY")
_CHOICES_UUID = ("PLAIN", "DELTA_BYTE_ARRAY")


def _choices(kind: pa.DataType) -> tuple[str, ...]:
    """Encodings worth a try for a type; DuckDB reads all of them (but not BYTE_STREAM_SPLIT on a UUID)."""
    if pa.types.is_float64(kind):
        return _CHOICES_FLOAT
    if _is_whole_number(kind):
        return _CHOICES_WHOLE
    if _is_text(kind):
        return _CHOICES_TEXT
    if kind == pa.uuid():
        return _CHOICES_UUID
    return ("PLAIN",)


def _size_bytes(column: pa.Table, encoding: str, level: int) -> int:
    """Bytes of a one-column table in an encoding."""
    sink = pa.BufferOutputStream()
    name = column.schema.names[0]
    _write(column, sink, Layout([name], {}, level) if encoding == _DICTIONARY else Layout([], {name: encoding}, level))
    return int(sink.getvalue().size)


def smallest_layout(table: pa.Table, level: int = COMPACTED_LEVEL) -> Layout:
    """The encoding of each column that makes a sample of it smallest. Nested columns keep the landing layout."""
    landing = landing_layout(table.schema)
    start = max(0, (table.num_rows - _SAMPLE_ROWS) // 2)
    sample = table.slice(start, _SAMPLE_ROWS)
    dictionary, encodings = [], {}
    for path, kind in [leaf for column in table.schema for leaf in _leaves(column.name, column.type)]:
        choices = _choices(kind)
        if path not in table.column_names:
            choices = (_DICTIONARY,) if path in landing.dictionary else (landing.encodings.get(path, "PLAIN"),)
        best = choices[0]
        if len(choices) > 1:
            best = min(choices, key=lambda choice: _size_bytes(sample.select([path]), choice, level))  # called at once
        if best == _DICTIONARY:
            dictionary.append(path)
        else:
            encodings[path] = best
    return Layout(dictionary, encodings, level)


def _write(table: pa.Table, where: pa.NativeFile | str, layout: Layout) -> None:
    pq.write_table(
        table,
        where,
        compression="zstd",
        compression_level=layout.level,
        use_dictionary=layout.dictionary,  # type: ignore[arg-type]  # the stubs know only bool
        column_encoding=layout.encodings,
        row_group_size=ROW_GROUP_ROWS,
        write_statistics=True,
        store_schema=True,
    )


def write_parquet(table: pa.Table, path: Path, layout: Layout) -> None:
    """Write a table and have it on the disk. Raises `OSError` (no space, no permission)."""
    _write(table, str(path), layout)
    fsync_path(path)
