"""What a mapping hands on: events without their envelope, and what it did not take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_MOST_REASONS = 5


class OtlpEvent(NamedTuple):
    """One event: `fields` as in the schema of the topic; lists of named values are mappings.

    `user_id`: the tenant that the resource names, None where it names none. `timestamp_us`: micros since the epoch.
    """

    topic: str
    agent_id: str
    fields: Mapping[str, Any]
    timestamp_us: int
    user_id: str | None = None
    deployment_id: str | None = None


@dataclass(slots=True)
class Mapped:
    """Events of one request in the order of what they came from.

    `rejected`: spans, data points or log records that were not taken, by reason. `forbidden`: those of them that were
    in another's name. `seen`: how many there were.
    """

    events: list[OtlpEvent] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    forbidden: int = 0
    seen: int = 0

    def reject(self, reason: str, count: int = 1) -> None:
        """Count what is not taken."""
        if count:
            self.rejected[reason] += count

    def forbid(self, reason: str, count: int) -> None:
        """Count what is in another's name."""
        self.reject(reason, count)
        self.forbidden += count

    @property
    def all_forbidden(self) -> bool:
        """Whether there was something, and all of it in another's name."""
        return 0 < self.seen == self.forbidden

    def message(self) -> str:
        """What was not taken and why, for a person; empty where all was taken."""
        return "; ".join(f"{count}: {reason}" for reason, count in self.rejected.most_common(_MOST_REASONS))
