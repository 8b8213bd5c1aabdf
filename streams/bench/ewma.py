"""The lighter task that the peers do: an exponentially weighted average of one metric by agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

METRIC = "response_time"
_WEIGHT = 0.1


def updated(before: float | None, record: Mapping[str, Any]) -> float | None:
    """The average after one more record (weight 0.1); unchanged where the record does not have the metric."""
    value = record[METRIC]
    if value is None:
        return before
    return float(value) if before is None else before + _WEIGHT * (float(value) - before)
