"""Durations as people write them on the command line: 500ms, 2s, 5m, 1h, or seconds."""

from __future__ import annotations

import re

from infra.runtime.errors import SettingError

_UNITS_S = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
_SHAPE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|)\s*")


def parse_duration_s(text: str, setting: str, *, or_zero: bool = False) -> float:
    """Seconds, more than 0 unless `or_zero`. Raises `SettingError` that names `setting`."""
    found = _SHAPE.fullmatch(text)
    seconds = float(found[1]) * _UNITS_S[found[2]] if found else -1.0
    if seconds < 0 or (seconds == 0 and not or_zero):
        raise SettingError(
            f"{text!r} is not a duration", setting=setting, way_out="Write for example 500ms, 2s, 5m or 1h"
        )
    return seconds
