"""The small types that packs are made of: durations, patterns, templates."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Severity = Literal["info", "warning", "critical"]
RANK: dict[str, int] = {"info": 1, "warning": 2, "critical": 3}
"""Severities in order."""

_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_FIELD = re.compile(r"\{([^{}]*)\}")
TEMPLATE_FIELDS = frozenset(
    {
        "agent_id", "user_id", "deployment_id", "host", "gateway", "name", "severity", "metric", "value", "threshold",
        "status", "reason", "confidence", "horizon", "window", "group",
    }
)  # fmt: skip
"""What a template may name."""


def seconds(value: object) -> object:
    """Seconds of `90s`, `15m`, `1h30m`, or a plain number of seconds. Raises `ValueError`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        raise ValueError("a duration is written like 90s, 15m, 6h or 7d")  # noqa: TRY004  # pydantic collects ValueErrors
    parts = _DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is no duration: write 90s, 15m, 6h or 7d")
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


def _safe(text: str) -> str:
    for name in _FIELD.findall(text):
        if name not in TEMPLATE_FIELDS:
            raise ValueError(f"a template may name {', '.join(sorted(TEMPLATE_FIELDS))}, not {{{name}}}")
    if "{" in _FIELD.sub("", text) or "}" in _FIELD.sub("", text):
        raise ValueError("a brace in a template stands around a field's name")
    return text


def render(template: str, values: dict[str, str]) -> str:
    """The template with `{name}` replaced; a name without a value becomes nothing. No format language."""
    return _FIELD.sub(lambda found: values.get(found[1], ""), template)


Duration = Annotated[float, BeforeValidator(seconds), Field(ge=0, allow_inf_nan=False)]
"""Seconds; written as text with a unit."""
Template = Annotated[str, AfterValidator(_safe)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Patterns = dict[str, str]
"""Field to pattern: `*` any text, `?` any character, `[ab]` one of some."""


def matches(patterns: Patterns, values: dict[str, str]) -> bool:
    """Whether every named value fits its pattern; a value that is missing is the empty text."""
    return all(fnmatchcase(values.get(name, ""), pattern) for name, pattern in patterns.items())


class Strict(BaseModel):
    """Knows exactly its fields, and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
