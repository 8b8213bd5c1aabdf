"""Lines to tables of one topic each, with what is wrong with which line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from producers.gateway.ndjson.fields import (
    CLAIMS,
    DEFAULTS,
    LONGEST_TEXT_BYTES,
    Field,
    fields_of,
    line_schema,
    topics_by_name,
)
from producers.gateway.ndjson.lists import encode_lists

ROW = "_row"
MOST_LINES = 200_000
MOST_FAULTS = 1_000
"""A body with more lines that are wrong is refused whole."""
_PIECE_LINES = 512
_MOST_EXPLAINED = 20
"""Lines of which the field that cannot be read is looked for: each costs as much as hundreds of others to read."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line; `row` counts lines that are not blank, from 0."""

    row: int
    field: str
    message: str


class TooManyFaultsError(ValueError):
    """More than `MOST_FAULTS` lines are wrong, or there are more than `MOST_LINES` lines."""


@dataclass(slots=True)
class Lines:
    """`tables`: by topic the fit lines, columns of the schema, of `CLAIMS` and `ROW`. `lines` are not blank.
    `arrays`: by topic and field the lists of these lines, encoded, by their texts."""

    lines: int
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    arrays: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def split_lines(body: bytes) -> list[bytes]:
    """The lines that are not blank."""
    return [line for line in body.split(b"\n") if line and not line.isspace()]


def line_numbers(body: bytes) -> list[int]:
    """The numbers, from 1, of the lines that are not blank."""
    return [number for number, line in enumerate(body.split(b"\n"), 1) if line and not line.isspace()]


def read_lines(body: bytes) -> Lines:
    """Read and check all lines. Blocks for about a microsecond a line. Raises `TooManyFaultsError`."""
    if body.count(b"\n") > MOST_LINES:
        raise TooManyFaultsError(f"more than {MOST_LINES} lines")
    faults: list[Fault] = []
    frame = _parse(body)
    frame = _parse_apart(split_lines(body), faults) if frame is None else frame.with_row_index(ROW)
    lines = frame.height + len(faults)
    known = topics_by_name()
    topic = frame["topic"].replace_strict(known, default=None, return_dtype=pl.String)
    _note(
        faults,
        frame.filter(topic.is_null()),
        "topic",
        f"is missing or none of {', '.join(sorted(set(known.values())))}",
    )
    found = Lines(lines, faults=faults)
    for name in topic.unique().drop_nulls().sort():
        found.tables[name] = _table(name, frame.filter(topic == name), found)
    if len({fault.row for fault in faults}) > MOST_FAULTS:
        raise TooManyFaultsError(f"more than {MOST_FAULTS} lines do not fit; the first: {_first(faults)}")
    return found


def _first(faults: Sequence[Fault]) -> str:
    fault = min(faults, key=lambda each: each.row)
    return f"line {fault.row + 1}, {fault.field}: {fault.message}"


def _parse(body: bytes) -> pl.DataFrame | None:
    """All lines at once, or None where one of them cannot be read."""
    try:
        return pl.read_ndjson(io.BytesIO(body), schema=line_schema())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None


def _parse_apart(lines: Sequence[bytes], faults: list[Fault]) -> pl.DataFrame:
    """Read pieces, and by halving find the lines that cannot be read. Raises `TooManyFaultsError`."""
    good: list[pl.DataFrame] = []
    waiting = [(at, lines[at : at + _PIECE_LINES]) for at in range(0, len(lines), _PIECE_LINES)][::-1]
    while waiting:
        first, piece = waiting.pop()
        frame = _parse(b"\n".join(piece))
        if frame is not None and frame.height == len(piece):
            good.append(frame.with_row_index(ROW, first))
        elif len(piece) == 1:
            faults.append(Fault(first, *(_why(piece[0]) if len(faults) < _MOST_EXPLAINED else ("", "cannot be read"))))
            if len(faults) > MOST_FAULTS:
                raise TooManyFaultsError(f"more than {MOST_FAULTS} lines cannot be read; the first: {_first(faults)}")
        else:
            middle = len(piece) // 2
            waiting += [(first + middle, piece[middle:]), (first, piece[:middle])]
    return pl.concat(good) if good else pl.DataFrame(schema={ROW: pl.UInt32, **line_schema()})


def _why(line: bytes) -> tuple[str, str]:
    """Field and message of a line that cannot be read."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        return "", f"is no JSON: {error}"[:200]
    if not isinstance(content, dict):
        return "", "is no JSON object"
    for name, dtype in line_schema().items():
        if name in content and _parse(json.dumps({name: content[name]}).encode()) is None:
            return name, f"is no {_NAMES.get(type(dtype), 'text')}"
    return "", "cannot be read"


_NAMES = {pl.Float64: "number", pl.Int64: "whole number", pl.Boolean: "boolean"}


def _note(faults: list[Fault], frame: pl.DataFrame, name: str, message: str) -> None:
    faults += [Fault(row, name, message) for row in frame[ROW].head(MOST_FAULTS + 1)]


def _table(topic: str, frame: pl.DataFrame, found: Lines) -> pl.DataFrame:
    """The lines of one topic, defaults filled in, times as micros; those that do not fit are left out and noted."""
    fields = fields_of(topic)
    defaults = DEFAULTS.get(topic, {})
    frame = frame.select(ROW, *CLAIMS, *(each.name for each in fields))
    frame = frame.with_columns(pl.col(name).fill_null(value) for name, value in defaults.items())
    if topic == "fleet.violations":
        frame = frame.with_columns(pl.coalesce("policy_name", "policy_id", pl.lit("")).alias("policy_name"))
    frame, wrong = _times(frame, [each.name for each in fields if each.kind == "time"] + ["timestamp"])
    wrong += [check for each in fields for check in _checks(each)]
    wrong += [(name, "has more than 256 characters", pl.col(name).str.len_bytes() > 256) for name in CLAIMS[:3]]
    for each in fields:
        if each.kind == "list":
            found.arrays[topic, each.name], unfit = encode_lists(frame[each.name], each)
            wrong += [(each.name, why, pl.col(each.name) == text) for text, why in list(unfit.items())[:MOST_FAULTS]]
            if len(unfit) > MOST_FAULTS:
                raise TooManyFaultsError(
                    f"more than {MOST_FAULTS} lines do not fit: {each.name} {next(iter(unfit.values()))}"
                )
    return _without(frame, wrong, found.faults)


def _checks(each: Field) -> Iterable[tuple[str, str, pl.Expr]]:
    """Field, message, and the expression that is true where it does not fit."""
    column = pl.col(each.name)
    if each.kind == "text":
        yield each.name, f"has more than {LONGEST_TEXT_BYTES} bytes", column.str.len_bytes() > LONGEST_TEXT_BYTES
    if each.words:
        yield each.name, f"is none of {', '.join(each.words)}", ~column.is_in(list(each.words))
    if not each.nullable and each.kind != "list":
        yield each.name, "is missing", column.is_null()


def _times(frame: pl.DataFrame, names: list[str]) -> tuple[pl.DataFrame, list[tuple[str, str, pl.Expr]]]:
    """Times as micros since the epoch: from whole micros or RFC 3339."""
    wrong = []
    for name in names:
        if frame[name].null_count() == frame.height:
            frame = frame.with_columns(pl.lit(None, pl.Int64).alias(name))
            continue
        text = pl.col(name)
        micros = text.cast(pl.Int64, strict=False)
        parsed = text.str.strptime(pl.Datetime("us", "UTC"), "%+", strict=False).dt.epoch("us")
        given = f"_given_{name}"
        frame = frame.with_columns(text.is_not_null().alias(given), pl.coalesce(micros, parsed).alias(name))
        wrong.append((name, "is no time: RFC 3339 or micros since 1970", pl.col(given) & pl.col(name).is_null()))
    return frame, wrong


def _without(frame: pl.DataFrame, wrong: Sequence[tuple[str, str, pl.Expr]], faults: list[Fault]) -> pl.DataFrame:
    """The lines of which no expression is true; the others are noted."""
    masks = frame.select(expression.fill_null(value=False).alias(str(i)) for i, (_, _, expression) in enumerate(wrong))
    hits = masks.select(pl.all().any()).row(0)
    if not any(hits):
        return frame
    bad = masks.select(pl.any_horizontal(pl.all()).alias("bad"))["bad"]
    for i, hit in enumerate(hits):
        if hit:
            _note(faults, frame.filter(masks[str(i)]), wrong[i][0], wrong[i][1])
    return frame.filter(~bad)
