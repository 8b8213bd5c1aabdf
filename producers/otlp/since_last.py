"""What a cumulative histogram gained since it was last told: the memory that makes a mean of now out of one of ever.

Exporters are cumulative unless told otherwise, and the mean since an agent started hides what is slow today. Another
gateway, or this one after a restart, has no memory of a series and takes what was told: the first mean is that since
the series began. A request that is tried again gives the same answer as before.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from producers.otlp.points import Point

MOST_SERIES = 50_000
"""About 0.5 kB each; beyond, those that were told longest ago are forgotten."""


class Gain(NamedTuple):
    """`observations` observations that sum to `total`."""

    observations: int
    total: float


class _Told(NamedTuple):
    start_ns: int
    time_us: int
    observations: int
    total: float
    gain: Gain


class SinceLast:
    """Cumulative series of many agents by (tenant, agent, metric, attributes). For any thread."""

    def __init__(self, most: int = MOST_SERIES) -> None:
        self._most = most
        self._told: OrderedDict[int, _Told] = OrderedDict()
        self._lock = threading.Lock()

    def gain(self, owner: tuple[str, ...], point: Point) -> Gain:
        """What a distribution gained since the point before; of a delta point what it says."""
        now = Gain(point.count, point.value or 0.0)
        if point.delta:
            return now
        with self._lock:
            return self._gained(hash((owner, point.name, frozenset(point.attributes.items()))), point, now)

    def _gained(self, series: int, point: Point, now: Gain) -> Gain:
        before = self._told.get(series)
        if before is not None and before.time_us >= point.time_us:
            return before.gain if before.time_us == point.time_us else now
        gain = now
        if before is not None and before.start_ns == point.start_ns and before.observations <= point.count:
            gain = Gain(point.count - before.observations, now.total - before.total)
        self._told[series] = _Told(point.start_ns, point.time_us, point.count, now.total, gain)
        self._told.move_to_end(series)
        if len(self._told) > self._most:
            self._told.popitem(last=False)
        return gain

    def __len__(self) -> int:
        return len(self._told)
