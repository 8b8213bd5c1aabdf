"""A saved view as it is kept, and as the OpenAPI document tells it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from sinks.api.models import Answer, Moment

Kind = Literal["sql", "trends", "agents", "alerts", "governance", "topology"]
MAX_CONTENT_BYTES, MAX_DEPTH = 16_000, 12
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", examples=["0e1f3c5a7b9d4e2f8a6c1b3d5f7e9a0c"])]


def _small(content: dict[str, Any]) -> dict[str, Any]:
    """What can be written as JSON and read again, of bounded size and depth. Raises `ValueError`."""
    if _deeper(content, MAX_DEPTH):
        raise ValueError(f"the content is nested more than {MAX_DEPTH} deep")
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    if len(text.encode()) > MAX_CONTENT_BYTES:
        raise ValueError(f"the content is longer than {MAX_CONTENT_BYTES} bytes as JSON")
    return content


def _deeper(value: object, most: int) -> bool:
    """Whether a JSON value is nested deeper than `most`."""
    if not isinstance(value, dict | list):
        return False
    return most == 0 or any(_deeper(each, most - 1) for each in (value.values() if isinstance(value, dict) else value))


def _printable(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise ValueError("a name is one line that can be printed")
    return name.strip()


Content = Annotated[dict[str, Any], AfterValidator(_small), Field(description="what the page makes of it; no secrets")]
Name = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_printable)]


class ViewWanted(BaseModel):
    """A view to be kept."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    name: Name
    content: Content
    shared: Annotated[bool, Field(description="whether everybody of the tenant sees it")] = False


class View(BaseModel):
    """A view as the topic has it. `tenant` None: of those who see the whole fleet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id
    tenant: Annotated[str, Field(max_length=500)] | None
    owner: Annotated[str, Field(max_length=500)]
    owner_name: Annotated[str, Field(max_length=500)]
    kind: Kind
    name: Name
    content: Content
    shared: bool
    created: AwareDatetime
    changed: AwareDatetime

    def with_content(self, wanted: ViewWanted, changed: datetime) -> View:
        """It as `wanted` has it, from `changed` on."""
        return self.model_copy(update={**wanted.model_dump(), "changed": changed})


class ViewTold(Answer):
    """A saved view."""

    id: Id
    kind: Kind
    name: str = Field(examples=["Slowest tools"])
    content: dict[str, Any] = Field(examples=[{"sql": "SELECT 1"}])
    shared: bool
    own: bool = Field(description="whether it is the caller's, who may change it")
    owner: str = Field(description="the name of its owner's key", examples=["ada"])
    created: Moment
    changed: Moment


class ViewsTold(Answer):
    """The views that the caller sees: their own, and those that others of the tenant share; by name."""

    items: list[ViewTold]
