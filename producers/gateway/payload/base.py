"""What all payloads share: names in both spellings, bounded texts, finite numbers, times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AliasChoices, AliasGenerator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
MOST_ENTRIES = 100

Id = Annotated[str, Field(min_length=1, max_length=256)]
Short = Annotated[str, Field(max_length=256)]
Text = Annotated[str, Field(max_length=32_768)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


def _as_text(value: object) -> object:
    """A value of a mapping of facts: text as it is, the rest as JSON."""
    if not isinstance(value, Mapping):
        return value
    return {name: fact if isinstance(fact, str) else json.dumps(fact) for name, fact in value.items()}


Facts = Annotated[dict[Short, Text], Field(max_length=MOST_ENTRIES), BeforeValidator(_as_text)]
"""Named facts of any JSON type; what is no text is kept as JSON."""


class Payload(BaseModel):
    """Unknown fields are ignored; `some_name` may also be written `someName`; NaN and infinity are refused."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        alias_generator=AliasGenerator(validation_alias=lambda name: AliasChoices(name, to_camel(name))),
        allow_inf_nan=False,
    )


class Claims(Payload):
    """Whose event it is, as the client sees it, and when it happened; all of it may be left out."""

    agent_id: Id | None = None
    user_id: Id | None = None
    deployment_id: Id | None = None
    timestamp: datetime | None = None


def micros(moment: datetime | None) -> int | None:
    """Micros since the epoch; a time without zone is UTC."""
    if moment is None:
        return None
    return ((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _EPOCH) // _US


def given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401  # a schema's fields
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
