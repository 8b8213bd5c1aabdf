"""Settings that are plainly right, without pydantic's validators: to build those takes 2.6 MB of an agent's memory.

What is not plain at a glance (another type, an unknown name, a limit that does not hold) is for pydantic to judge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    Model = TypeVar("Model", bound=BaseModel)

_UNSURE = object()
_EXACT = 2**53
"""Whole numbers up to here are what they are as a float, too."""


def made_plainly(kind: type[Model], values: Mapping[str, object]) -> Model | None:
    """What `kind(**values)` gives, where every value is what its field asks for; None where pydantic has to judge.

    Only for kinds without validators of their own, or where these have nothing to do.
    """
    fields = kind.model_fields
    if any(field.is_required() and name not in values for name, field in fields.items()):
        return None
    plain: dict[str, Any] = {
        name: _plain(fields[name], value) if name in fields else _UNSURE for name, value in values.items()
    }
    if any(value is _UNSURE for value in plain.values()):
        return None
    return kind.model_construct(**plain)


def _plain(field: FieldInfo, value: object) -> object:
    choices = get_args(field.annotation) if isinstance(field.annotation, UnionType) else (field.annotation,)
    if value is None:
        return None if NoneType in choices else _UNSURE
    for choice in choices:
        as_asked = _as(choice, value)
        if as_asked is not _UNSURE:
            return as_asked if all(_holds(mark, as_asked) for mark in field.metadata) else _UNSURE
    return _UNSURE


def _as(asked: Any, value: object) -> object:  # noqa: ANN401  # an annotation
    """`value` as the type `asked`, where that takes no judgement."""
    if type(value) is str:
        # What is not ASCII may hold surrogates, which pydantic refuses.
        return _text_as(asked, value) if value.isascii() else _UNSURE
    if asked is float and type(value) is int:
        return float(value) if abs(value) <= _EXACT else _UNSURE
    if get_origin(asked) is tuple:
        return value if type(value) is tuple and get_args(asked) == (Any, ...) else _UNSURE
    plain = type(value) is asked and asked in {int, float, bool}
    return value if plain or (asked is Path and isinstance(value, Path)) else _UNSURE


def _text_as(asked: Any, value: str) -> object:  # noqa: ANN401  # an annotation
    if asked is str or (get_origin(asked) is Literal and value in get_args(asked)):
        return value
    return Path(value) if asked is Path else _UNSURE


def _holds(mark: object, value: Any) -> bool:  # noqa: ANN401  # of the field's type
    """Whether a value keeps to one limit of its field; not, where the limit is of a kind unknown here."""
    match mark:
        case Ge(ge=limit):
            return bool(value >= limit)
        case Gt(gt=limit):
            return bool(value > limit)
        case Le(le=limit):
            return bool(value <= limit)
        case MinLen(min_length=least):
            return len(value) >= least
        case MaxLen(max_length=most):
            return most is not None and len(value) <= most
    pattern = vars(mark) if hasattr(mark, "__dict__") else {}
    return pattern.keys() == {"pattern"} and re.search(pattern["pattern"], value) is not None
