"""System and process metrics of OpenTelemetry (ratios by state and core) as percent.

Source: OpenTelemetry semantic conventions, "System metrics" and "Process metrics"; older names of their attributes too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from producers.otlp.points import Point
from producers.otlp.values import mean, text

Series = Mapping[str, Sequence[Point]]
_STATE = (
    "system.cpu.state",
    "cpu.mode",
    "system.memory.state",
    "system.paging.state",
    "system.filesystem.state",
    "state",
)
_CORE = ("cpu.logical_number", "system.cpu.logical_number", "cpu")
_NOT_USED = frozenset({"idle", "iowait", "wait"})
_DEVICE = ("system.filesystem.mountpoint", "mountpoint", "system.device", "device")


def cpu_percent(series: Series) -> float | None:
    """Use of all cores, 0 to 100: of the process where it is told, else of the system."""
    process, system = _values(series, "process.cpu.utilization"), series.get("system.cpu.utilization")
    if process:
        return _percent(sum(process))
    if not system:
        return None
    cores: dict[str, list[Point]] = defaultdict(list)
    for point in system:
        cores[text(point.attributes, *_CORE) or ""].append(point)
    return _percent(mean([_busy(points) for points in cores.values()]))


def cores(series: Series) -> float | None:
    """Logical cores, as counted or as they appear in the utilization."""
    counted = _values(series, "system.cpu.logical.count")
    if counted:
        return max(counted)
    named = {text(point.attributes, *_CORE) for point in series.get("system.cpu.utilization", ())} - {None}
    return len(named) or None


def used_percent(series: Series, name: str) -> float | None:
    """What is used of memory, swap or the fullest file system, 0 to 100."""
    devices: dict[str, list[Point]] = defaultdict(list)
    for point in series.get(name, ()):
        devices[text(point.attributes, *_DEVICE) or ""].append(point)
    shares = [share for points in devices.values() if (share := _used(points)) is not None]
    return _percent(max(shares)) if shares else None


def used_bytes(series: Series) -> float | None:
    """`system.memory.usage` in the state `used`."""
    return _used(series.get("system.memory.usage", ()))


def total_bytes(series: Series) -> float | None:
    """`system.memory.limit`; else the sum of `system.memory.usage` over its states."""
    limit = _values(series, "system.memory.limit")
    if limit:
        return max(limit)
    states = [point for point in series.get("system.memory.usage", ()) if text(point.attributes, *_STATE)]
    if not {"used", "free"} <= {text(point.attributes, *_STATE) for point in states}:
        return None
    return sum(point.value or 0.0 for point in states)


def largest(series: Series, *names: str) -> float | None:
    """The largest value of the first of the named metrics that is there."""
    return next((max(values) for name in names if (values := _values(series, name))), None)


def _values(series: Series, name: str) -> list[float]:
    return [point.value for point in series.get(name, ()) if point.value is not None]


def _busy(points: Sequence[Point]) -> float:
    """The share of a core in use: without states what is told, else 1 - idle, else the sum of the other states."""
    states = [(text(point.attributes, *_STATE), point.value or 0.0) for point in points]
    idle = [value for state, value in states if state in _NOT_USED]
    if idle:
        return 1.0 - sum(idle)
    named = [value for state, value in states if state is not None]
    return sum(named) if named else mean([value for _, value in states])


def _used(points: Sequence[Point]) -> float | None:
    states = [(text(point.attributes, *_STATE), point.value or 0.0) for point in points]
    used = [value for state, value in states if state == "used"]
    if used:
        return sum(used)
    free = [value for state, value in states if state is None]
    return mean(free) if free else None


def _percent(ratio: float) -> float | None:
    return None if math.isnan(ratio) else min(max(100.0 * ratio, 0.0), 100.0)
