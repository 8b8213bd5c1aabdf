"""A table of lines, named and numbered, to records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from infra.runtime.id_columns import event_ids
from infra.runtime.ids import derived_id
from producers.gateway.ndjson.fields import Field, fields_of
from producers.gateway.ndjson.lists import list_column
from producers.sdk.encode import Record
from schemas.encode import (
    Doubles,
    Fixed,
    Longs,
    Pool,
    Pooled,
    Values,
    encode_columns,
    encode_optional,
    encode_string,
)
from schemas.registry import topic_schema


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of each row of a table: session ids as `pool` and `index` i8[rows], their bits i8[rows], numbers i8[rows].

    `bits` None: ids follow from session and number, so that a second try has the same.
    """

    sessions: Sequence[str]
    index: NDArray[np.int64]
    bits: NDArray[np.int64] | None
    seqs: NDArray[np.int64]


def encode_table(
    topic: str, frame: pl.DataFrame, numbers: Numbers, lists: Mapping[str, Mapping[str, bytes]], now_us: int
) -> list[Record]:
    """The records of a table whose columns are `read.Lines.tables`' with agent_id and user_id filled in."""
    stamps = frame["timestamp"].fill_null(now_us).to_numpy()
    given = frame["timestamp"].fill_null(0).to_numpy()
    columns: dict[str, Values] = {
        "event_id": Fixed(_ids(numbers, stamps, given)),
        "agent_id": _texts(frame["agent_id"], nullable=False),
        "user_id": _texts(frame["user_id"], nullable=False),
        "deployment_id": _texts(frame["deployment_id"], nullable=True),
        "timestamp": Longs(stamps),
        "session_id": Pooled(Pool.of([encode_string(each) for each in numbers.sessions]), numbers.index),
        "seq": Longs(numbers.seqs),
    }
    for field in fields_of(topic):
        column = frame[field.name]
        columns[field.name] = list_column(column, lists[field.name]) if field.kind == "list" else _column(column, field)
    values = encode_columns(topic_schema(topic), frame.height, columns).to_list()
    keys = [agent_id.encode() for agent_id in frame["agent_id"]]
    return list(map(Record, keys, values, (stamps // 1000).tolist(), numbers.seqs.tolist()))


def _ids(numbers: Numbers, stamps: NDArray[np.int64], given: NDArray[np.int64]) -> NDArray[np.uint8]:
    if numbers.bits is not None:
        return event_ids(stamps, numbers.bits, numbers.seqs)
    session = numbers.sessions[0]
    derived = [derived_id(at, session, seq) for at, seq in zip(given.tolist(), numbers.seqs.tolist(), strict=True)]
    return np.frombuffer(b"".join(derived), np.uint8).reshape(-1, 16)


def _texts(column: pl.Series, *, nullable: bool) -> Pooled:
    """Texts, each different one encoded once."""
    distinct = column.unique(maintain_order=True)
    pieces = [None if text is None else encode_string(text) for text in distinct]
    codes = column.to_frame().join(
        pl.DataFrame({column.name: distinct, "_code": np.arange(distinct.len())}),
        on=column.name,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )["_code"]
    pool = Pool.of([encode_optional(piece) if nullable else piece or b"\0" for piece in pieces])
    return Pooled(pool, codes.to_numpy().astype(np.int64, copy=False))


def _column(column: pl.Series, field: Field) -> Values:
    valid = column.is_not_null().to_numpy() if field.nullable else None
    if field.kind == "text":
        return _texts(column, nullable=field.nullable)
    if field.kind == "double":
        return Doubles(column.fill_null(0.0).to_numpy(), valid)
    if field.kind in {"long", "time"}:
        return Longs(column.fill_null(0).to_numpy(), valid)
    return column.to_list()
