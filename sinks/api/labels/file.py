"""`agents.yaml`: which agents have which labels and stand where.

Entries are taken from top to bottom; of two that name a label of the same agent the later one counts. `match`,
`tenant`, `deployment` and `host` are patterns (`*`: any text, `?`: any character); all that an entry has must fit.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from infra.runtime.errors import SettingError
from infra.runtime.placed_errors import mistakes_of
from infra.runtime.positioned_yaml import Document, YamlMistakeError, parse_document, read_document

VARIABLE: Final = "FLEETPULSE_AGENTS_FILE"
FILE_NAME: Final = "agents.yaml"
MOST_ENTRIES: Final = 10_000
MOST_PATTERNS: Final = 500
"""Of entries whose `match` is a pattern: each is tried on every agent; names are looked up."""
_WILD: Final = re.compile(r"[*?]")

Pattern = Annotated[str, Field(min_length=1, max_length=500)]
LabelName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$")]
LabelText = Annotated[str, Field(max_length=500)]
Coordinate = Annotated[FiniteFloat, Field(ge=-10_000, le=10_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, coerce_numbers_to_str=True)


class Entry(_Strict):
    """Agents and what is said of them. `position`: x, y, z in the 3D view; several at one place stand around it."""

    match: Pattern = "*"
    tenant: Pattern = "*"
    deployment: Pattern = "*"
    host: Pattern = "*"
    labels: dict[LabelName, LabelText] = Field(default={}, max_length=50)
    position: tuple[Coordinate, Coordinate, Coordinate] | None = None


class AgentsFile(_Strict):
    """The whole file."""

    version: Literal[1] = 1
    agents: tuple[Entry, ...] = Field(default=(), max_length=MOST_ENTRIES)

    @model_validator(mode="after")
    def _is_quick(self) -> Self:
        if sum(not is_plain(entry.match) for entry in self.agents) > MOST_PATTERNS:
            raise ValueError(f"more than {MOST_PATTERNS} entries whose match is a pattern")
        return self


def named_agents_file(named: Path | None, data_dir: Path) -> Path:
    """Where the file is: what was named, by an option or FLEETPULSE_AGENTS_FILE, which must be right; else
    `agents.yaml` of the data folder, where there may be none. Raises `SettingError`."""
    named = named or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is None:
        return data_dir / FILE_NAME
    read_agents_file(named)
    return named


def is_plain(pattern: str) -> bool:
    """Whether a pattern is the name of one agent."""
    return _WILD.search(pattern) is None


def parse_agents_file(text: str) -> AgentsFile:
    """The file of a text. Raises `YamlMistakeError`, whose message tells line and column."""
    return _checked(parse_document(text))


def read_agents_file(path: Path) -> AgentsFile:
    """The file at `path`. Raises `SettingError` with line and column, also where it cannot be read."""
    try:
        return _checked(read_document(path))
    except YamlMistakeError as error:
        raise SettingError(f"{path}: {error.problem}", setting=VARIABLE, way_out="Correct it there") from error
    except OSError as error:
        why = f"{path} cannot be read: {error.strerror}"
        raise SettingError(why, setting=VARIABLE, way_out="Name a file that can be") from error


def _checked(document: Document) -> AgentsFile:
    try:
        return AgentsFile.model_validate(document.value)
    except ValidationError as error:
        raise YamlMistakeError(mistakes_of(error, AgentsFile, document)) from None
