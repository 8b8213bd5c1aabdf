"""The book of alerts: which alert of which agent fires, and since when. Pure: what happens comes in, events come out.

Everything that an event holds follows from the book and the input, so a replay gives the same fingerprint and epoch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from streams.alerting.rules import RULES, SEVERITY
from streams.operators.arrays import Field, SlotArrays

LEVEL = MappingProxyType({"info": 1, "warning": 1, "critical": 2})
"""How a severity is kept in the book; 0 = not firing. Only a rise of the level fires again."""

FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "level": Field("u1", (len(RULES),), 0, "[rule]: 0 = not firing, 1 = firing, 2 = firing as critical"),
        "epoch": Field("u4", (len(RULES),), 0, "[rule]: firings so far, count"),
        "starts_s": Field(
            "f8", (len(RULES),), np.nan, "[rule]: event time of the firing, s since the epoch; NaN = never"
        ),
        "seen_s": Field(
            "f8", (len(RULES),), np.nan, "[rule]: event time at which it was last seen true, s; NaN = never"
        ),
    }
)
"""State by agent slot; `RULES` gives the order of the rules."""

Evidence = Mapping[str, str | float]


def _columns() -> dict[str, list[Any]]:
    return {
        name: []
        for name in (
            "agent_id", "fingerprint", "epoch", "state", "name", "severity", "summary", "starts_at", "ends_at", "value",
            "threshold", "labels", "evidence", "correlation_id", "oldest_source_timestamp", "row",
        )
    }  # fmt: skip


@dataclass(slots=True)
class AlertEvents:
    """Columns of fleet.alerts, without the rest of the envelope; times in microseconds since the epoch.

    `row`: row of the input that caused the event, None where time did.
    """

    columns: dict[str, list[Any]] = field(default_factory=_columns)

    def __len__(self) -> int:
        return len(self.columns["name"])

    def add(self, **values: object) -> None:
        """Append one event; columns that are not given are None."""
        for name, column in self.columns.items():
            column.append(values.get(name))

    def rows(self) -> list[dict[str, Any]]:
        """The events as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*self.columns.values(), strict=True)]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a rule fires or resolves: `at_s` event time, `value` compared with `threshold`, facts for people."""

    at_s: float
    summary: str
    value: float | None = None
    threshold: float | None = None
    evidence: Evidence = field(default_factory=dict)
    row: int | None = None


def fingerprint(name: str, labels: Mapping[str, str]) -> str:
    """32 hexadecimal digits over the name and the labels, whatever their order."""
    parts = [name, *(f"{key}\x1f{labels[key]}" for key in sorted(labels))]
    return hashlib.blake2b("\x1e".join(parts).encode(), digest_size=16).hexdigest()


@dataclass(slots=True)
class AlertBook:
    """State of all alerts. `arrays` has `FIELDS`, by agent slot; it grows with the slots that it sees."""

    arrays: SlotArrays = field(default_factory=lambda: SlotArrays(FIELDS))

    def fires(self, slot: int, rule: int) -> bool:
        """Whether the alert fires now."""
        return slot < self.arrays.capacity and bool(self.arrays["level"][slot, rule])

    def fire(self, out: AlertEvents, slot: int, agent_id: str, rule: int, cause: Cause, severity: str = "") -> None:
        """The rule is true: an event where it was not, or became worse; else only a note that it still is."""
        self.arrays.reserve(slot + 1)
        severity = severity or SEVERITY[RULES[rule]]
        seen, level = self.arrays["seen_s"], self.arrays["level"]
        seen[slot, rule] = np.fmax(seen[slot, rule], cause.at_s)
        if level[slot, rule] >= LEVEL[severity]:
            return
        level[slot, rule] = LEVEL[severity]
        self.arrays["epoch"][slot, rule] += 1
        self.arrays["starts_s"][slot, rule] = cause.at_s
        self._emit(out, slot, agent_id, rule, "firing", severity, cause)

    def resolve(self, out: AlertEvents, slot: int, agent_id: str, rule: int, cause: Cause) -> None:
        """The rule is no longer true: an event where it fired."""
        if not self.fires(slot, rule):
            return
        critical = self.arrays["level"][slot, rule] == LEVEL["critical"]
        self.arrays["level"][slot, rule] = 0
        severity = "critical" if critical else SEVERITY[RULES[rule]]
        self._emit(out, slot, agent_id, rule, "resolved", severity, cause)

    def quiet(self, rules: Iterable[int], count: int, before_s: float) -> list[tuple[int, int]]:
        """(slot, rule) of firing alerts of slots 0 to `count` - 1 that were last seen true before `before_s`."""
        columns = np.asarray(list(rules), np.int64)
        count = min(count, self.arrays.capacity)
        old = (self.arrays["level"][:count, columns] > 0) & (self.arrays["seen_s"][:count, columns] < before_s)
        return [(int(slot), int(columns[rule])) for slot, rule in np.argwhere(old)]

    def _emit(
        self, out: AlertEvents, slot: int, agent_id: str, rule: int, state: str, severity: str, cause: Cause
    ) -> None:
        labels = {"agent_id": agent_id}
        at_us = _micros(cause.at_s)
        out.add(
            agent_id=agent_id,
            fingerprint=fingerprint(RULES[rule], labels),
            epoch=int(self.arrays["epoch"][slot, rule]),
            state=state,
            name=RULES[rule],
            severity=severity,
            summary=cause.summary,
            starts_at=_micros(float(self.arrays["starts_s"][slot, rule])),
            ends_at=at_us if state == "resolved" else None,
            value=cause.value,
            threshold=cause.threshold,
            labels=_named(labels),
            evidence=_named(cause.evidence),
            oldest_source_timestamp=at_us,
            row=cause.row,
        )


def _micros(time_s: float) -> int:
    return round(time_s * 1e6)


def _named(values: Evidence) -> Sequence[dict[str, str]]:
    return [
        {"name": name, "value": value if isinstance(value, str) else f"{value:.6g}"} for name, value in values.items()
    ]
