"""Attribute values as plain ones, whatever was sent: bounded in number, length and depth."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Value: TypeAlias = str | bool | int | float
Attributes: TypeAlias = Mapping[str, Value]

MOST_ATTRIBUTES = 256
"""Of one span, point, record or resource; more are left out."""
LONGEST_NAME = 128
LONGEST_VALUE = 8_192
"""Characters; longer texts end in an ellipsis."""
_MOST_ITEMS = 64
_DEEPEST = 8


def cut(text: str, limit: int) -> str:
    """The text, at most `limit` characters of it."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def attributes_of(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    """Attributes by name; lists and mappings as JSON text, bytes as hex. Empty values and long names are left out."""
    found: dict[str, Value] = {}
    for pair in pairs:
        if len(found) >= MOST_ATTRIBUTES:
            break
        if 0 < len(pair.key) <= LONGEST_NAME and (value := value_of(pair.value)) is not None:
            found[pair.key] = value
    return found


def value_of(value: AnyValue) -> Value | None:
    """One value: text cut to `LONGEST_VALUE`, None where nothing is set."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return cut(value.string_value, LONGEST_VALUE)
    if kind in {"bool_value", "int_value", "double_value"}:
        plain: Value = getattr(value, kind)
        return plain
    if kind in {"array_value", "kvlist_value", "bytes_value"}:
        return cut(json.dumps(_plain(value, 0), ensure_ascii=False), LONGEST_VALUE)
    return None


def _plain(value: AnyValue, depth: int) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        if depth >= _DEEPEST:
            return "…"
        return [_plain(each, depth + 1) for each in value.array_value.values[:_MOST_ITEMS]]
    if kind == "kvlist_value":
        if depth >= _DEEPEST:
            return "…"
        return {
            cut(each.key, LONGEST_NAME): _plain(each.value, depth + 1)
            for each in value.kvlist_value.values[:_MOST_ITEMS]
        }
    if kind == "bytes_value":
        return value.bytes_value[:_MOST_ITEMS].hex()
    return value_of(value)


def text(attributes: Attributes, *names: str, limit: int = 256) -> str | None:
    """The first of the named attributes that says something, as text of at most `limit` characters."""
    for name in names:
        value = attributes.get(name)
        if value is not None and not isinstance(value, bool) and (said := str(value).strip()):
            return cut(said, limit)
    return None


def number(attributes: Attributes, *names: str) -> float | None:
    """The first of the named attributes that is a finite number."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = float(value)
            if math.isfinite(found):
                return found
    return None


def mean(values: Sequence[float]) -> float:
    """Their mean; infinite where the sum is beyond numbers, where `fmean` raises. At least one value."""
    return sum(values) / len(values)


def named_texts(attributes: Attributes, names: Iterable[str], limit: int = 256) -> dict[str, str]:
    """Those of the named attributes that are there, as text."""
    return {name: cut(str(attributes[name]), limit) for name in names if name in attributes}
