"""Rules, as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sinks.api.alerts.models import MAX_YAML_CHARS
from sinks.api.models import Answer, Moment

Yaml = Annotated[str, Field(min_length=1, max_length=MAX_YAML_CHARS, examples=["version: 1\nrules: []\n"])]
MOST_HOURS = 168


class MistakeAnswer(Answer):
    """What is wrong, and where: lines and columns count from 1."""

    line: int
    column: int
    field: str = Field(examples=["rules[cpu_high].metric"])
    message: str


class RulesAnswer(Answer):
    """The rules in force. A tenant sees those for everybody and those that name it alone, without the text."""

    source: Literal["file", "default"] = Field(description="the file of --rules, else what comes with the program")
    editable: bool = Field(description="whether the caller may replace them")
    restricted: bool = Field(description="whether there may be rules that the caller does not see")
    version: str | None = Field(description="names the text; an order to replace it may say which one it replaces")
    text: str | None = Field(description="the file as it is written")
    replay_from: Moment | None = Field(
        description="begin of the oldest hour that a preview can replay; null: nothing is there, or not for the caller"
    )
    valid: bool = Field(description="false: workers and alert manager go on by what they had before")
    errors: list[MistakeAnswer]
    rules: list[dict[str, Any]] = Field(description="defaults filled in; what each kind has is in docs/rules.md")
    sections: dict[str, Any] = Field(description="inhibit, routes, maintenance, correlation, flapping, watchdog")


class CheckAnswer(Answer):
    """Whether a text can be used."""

    valid: bool
    rules: int | None = Field(description="how many there are; null unless it is valid")
    errors: list[MistakeAnswer]


class TextGiven(BaseModel):
    """A whole file of rules."""

    model_config = ConfigDict(extra="forbid")

    yaml: Yaml


class PreviewGiven(TextGiven):
    """A text, and on what it is tried."""

    hours: int = Field(default=24, ge=1, le=MOST_HOURS, description="so far back")
    agent: str = Field(
        default="*", min_length=1, max_length=200, pattern=r"^[^\x00]+$", description="an agent, or a pattern with *"
    )
