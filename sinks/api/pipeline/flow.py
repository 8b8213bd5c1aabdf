"""How far topics reach and consumer groups have come: read often while somebody looks, else now and then.

To connect to the broker takes about a second, and a history begins with the first reading: so who comes finds both.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from aiokafka.errors import KafkaError

from infra.runtime.clock import Clock
from infra.runtime.errors import FleetpulseError
from infra.runtime.logs import get_logger
from infra.runtime.offsets import OffsetReader, Offsets, consumer_groups
from schemas.catalogue import STREAM_SOURCES, TOPICS

OWN = "fleetpulse-"
STREAMS, ALERTS, LAKE, NOTIFY = f"{OWN}streams", f"{OWN}alert-manager", f"{OWN}lake", f"{OWN}notify"
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {STREAMS: STREAM_SOURCES, ALERTS: ("fleet.signals",), LAKE: tuple(TOPICS)}
)
"""What each group that a whole system has reads; a notifier's, one for each channel, are asked for."""
MOST_GROUPS = 32
LOOK_S, IDLE_S, FIRST_WITHIN_S = 2.0, 60.0, 6.0
REST_S = 10.0
"""Between two readings while nobody looks; as long as rates are taken over, so that there are some."""
_GROUPS_EVERY_S, _AGAIN_S = 60.0, 3.0
KEPT_POINTS = 300
RATE_OVER_S = 10.0
_log = get_logger("api")


@dataclass(frozen=True, slots=True)
class Point:
    """One reading: at `at_s` since 1970; records in each topic so far; records that each group has still to read."""

    at_s: float
    monotonic_s: float
    totals: Mapping[str, int]
    lags: Mapping[str, int]


def topics_of(group: str) -> Sequence[str]:
    """What a group of ours reads."""
    if group == NOTIFY or group.startswith(f"{NOTIFY}."):
        return ("fleet.alerts",)
    return GROUPS.get(group, tuple(TOPICS))


class Flow:
    """`run` reads every `REST_S`, and every `LOOK_S` until nobody has asked for `IDLE_S`."""

    def __init__(self, bootstrap: str, clock: Clock) -> None:
        self._bootstrap, self._clock = bootstrap, clock
        self._woken = asyncio.Event()
        self._asked_s = -math.inf
        self._read_since = asyncio.Event()
        """Whether there was a reading that began after somebody came."""
        self._running = False
        self.offsets: Offsets | None = None
        self.groups: Mapping[str, Sequence[str]] = {}
        self.points: deque[Point] = deque(maxlen=KEPT_POINTS)
        self.trouble = ""

    async def look(self) -> None:
        """Have it read often. Who comes after a rest waits for a reading, up to `FIRST_WITHIN_S`; `trouble` says why
        there is none."""
        if not self._is_wanted():
            self._read_since = asyncio.Event()
            self._woken.set()
        self._asked_s = self._clock.monotonic_s()
        if self._running:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_WITHIN_S):
                    await self._read_since.wait()

    def _is_wanted(self) -> bool:
        return self._clock.monotonic_s() - self._asked_s <= IDLE_S

    def rates(self) -> dict[str, float]:
        """Records a second by topic over the last `RATE_OVER_S`, or since the reading before; empty until there are
        two."""
        if len(self.points) < 2:
            return {}
        *earlier, last = self.points
        before = next((p for p in earlier if last.monotonic_s - p.monotonic_s <= RATE_OVER_S), earlier[-1])
        passed_s = last.monotonic_s - before.monotonic_s
        if passed_s <= 0:
            return {}
        return {topic: max(end - before.totals.get(topic, end), 0) / passed_s for topic, end in last.totals.items()}

    async def run(self) -> None:
        """Until cancelled."""
        self._running = True
        while True:
            try:
                await self._read_on()
            except (KafkaError, OSError, TimeoutError, FleetpulseError) as error:
                if not self.trouble:
                    _log.warning("the pipeline's offsets cannot be read", error=repr(error))
                self.trouble = "the broker does not answer"
                self._read_since.set()
                await self._pause(_AGAIN_S)

    async def _read_on(self) -> None:
        """With one set of groups, until somebody looks for whom it is an old one: a channel may be new."""
        found = [name for name in await consumer_groups(self._bootstrap) if name.startswith(OWN)][:MOST_GROUPS]
        groups = {name: tuple(topics_of(name)) for name in dict.fromkeys([*GROUPS, *found])}
        reader = OffsetReader(self._bootstrap, groups, TOPICS)
        until_s = self._clock.monotonic_s() + _GROUPS_EVERY_S
        try:
            await reader.start()
            self.groups = groups
            while True:
                read_since = self._read_since
                self._take(await reader.read())
                read_since.set()
                if self._is_wanted() and self._clock.monotonic_s() >= until_s:
                    return
                await self._pause(LOOK_S)
        finally:
            await reader.stop()

    async def _pause(self, wanted_s: float) -> None:
        """Until the next reading, `wanted_s` while somebody looks; who comes after a rest ends it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wanted_s if self._is_wanted() else REST_S):
                await self._woken.wait()
        self._woken.clear()

    def _take(self, offsets: Offsets) -> None:
        totals = {topic: offsets.total(topic) for topic in TOPICS}
        lags = {group: offsets.lag(group, topics) for group, topics in self.groups.items()}
        self.points.append(Point(self._clock.now_s(), self._clock.monotonic_s(), totals, lags))
        self.offsets, self.trouble = offsets, ""
