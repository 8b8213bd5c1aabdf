"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "missing"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `missing` means that `make run` cannot work; `mend` says what to do unless it is ok."""

    name: str
    state: State
    detail: str
    mend: str = ""
