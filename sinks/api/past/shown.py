"""Values of the lake as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sinks.api.times import iso


def shown(value: object) -> Any:  # noqa: ANN401  # any JSON value
    """Times with Z, ids as text, named values as one object, numbers that JSON does not know as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, UUID | date):
        return str(value)
    if isinstance(value, list):
        return _listed(value)
    if isinstance(value, Mapping):
        return {str(name): shown(each) for name, each in value.items()}
    return value


def _listed(values: list[Any]) -> Any:  # noqa: ANN401  # as above
    if values and all(isinstance(each, Mapping) and each.keys() == {"name", "value"} for each in values):
        return {each["name"]: shown(each["value"]) for each in values}
    return [shown(each) for each in values]


def shown_row(row: Mapping[str, object], named: Iterable[str] = ()) -> dict[str, Any]:
    """A row; `named`: columns of named values, {} where there are none."""
    found = {name: shown(value) for name, value in row.items()}
    return found | {name: found[name] or {} for name in named}
