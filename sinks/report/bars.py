"""The bars of detection: what a run is held against, and whether it got there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

LEAST_SHARE_FOUND = 0.95
MOST_FALSE_ALARMS_PER_HOUR = 1.0
"""On 1,000 agents."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A value and its bar; `value` None, and `met` with it, when the run gives none."""

    value: float | None
    bar: float
    met: bool | None


def detection_bars(share_found: float | None, false_alarms_per_hour: float | None) -> dict[str, Any]:
    """Both bars by name. `share_found` 0 to 1; `false_alarms_per_hour` on 1,000 agents."""
    share = Bar(share_found, LEAST_SHARE_FOUND, None if share_found is None else share_found >= LEAST_SHARE_FOUND)
    alarms = Bar(
        false_alarms_per_hour,
        MOST_FALSE_ALARMS_PER_HOUR,
        None if false_alarms_per_hour is None else false_alarms_per_hour <= MOST_FALSE_ALARMS_PER_HOUR,
    )
    return {"share_found": asdict(share), "false_alarms_per_hour": asdict(alarms)}
