"""Who watches changes: woken together, told each at their own pace.

Nothing is queued for anybody. A viewer knows the frame of the memory that it saw last; when it has taken what it was
sent, it is sent what is different since then, as it is now. So a slow viewer costs as much as a fast one: it misses
what came and went in between (and is told that it lagged), never what is. One that takes nothing goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra.web.problem import unavailable
from sinks.api.live.alert_ring import AlertRing
from sinks.api.live.memory import Memory
from sinks.api.live.render import Renderer
from sinks.api.scope import Scope

MAX_VIEWERS = 500
SEND_WITHIN_S = 20.0
"""A viewer that takes nothing for so long is dropped."""
MAX_VIEWERS_PER_CALLER = 200


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a viewer is: `frame` of the memory, `alert` of the ring, `fleet`: number of the counts of the whole; before
    the first of each: 0."""

    frame: int = 0
    alert: int = 0
    fleet: int = 0


class Viewers:
    """The viewers of one process; `boot` tells its ids from those of any other process."""

    def __init__(self, memory: Memory, most: int = MAX_VIEWERS, most_per_caller: int = MAX_VIEWERS_PER_CALLER) -> None:
        self.memory = memory
        self.alerts = AlertRing()
        self.renderer = Renderer(memory)
        self.boot = os.urandom(6).hex()
        self.send_within_s = SEND_WITHIN_S
        self.dropped = 0
        """Viewers that took nothing for too long."""
        self.lagged = 0
        """How often one was told that it lagged."""
        self.fleet_text: Callable[[Scope, int], bytes] = lambda _scope, _number: b""
        """Event of the counts of a scope."""
        self.fleet = 0
        """Number of the counts that viewers are told now."""
        self.closing = asyncio.Event()
        self._most, self._most_per_caller = most, most_per_caller
        self._changed = asyncio.Event()
        self._present: dict[str, int] = {}

    @property
    def present(self) -> int:
        """How many watch."""
        return sum(self._present.values())

    @contextlib.contextmanager
    def watching(self, caller: str) -> Iterator[None]:
        """One more viewer while the block runs. Raises `Problem` 503 where there are too many."""
        mine = self._present.get(caller, 0)
        if self.present >= self._most or mine >= self._most_per_caller:
            raise unavailable("too many viewers", type="busy", retry_after_s=15)
        self._present[caller] = mine + 1
        try:
            yield
        finally:
            self._present[caller] -= 1
            if not self._present[caller]:
                del self._present[caller]

    def wake(self) -> None:
        """Something changed."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def tell_fleet(self) -> None:
        """The counts are others."""
        self.fleet += 1
        self.wake()

    def close(self) -> None:
        """Have every viewer end: the process stops."""
        self.closing.set()
        self.wake()

    async def news(self, seen: Seen, within_s: float, *, fleet: bool = False) -> bool:
        """Wait until there is something after `seen`; False: nothing came within this time. `fleet`: counts are news,
        too."""
        end = asyncio.get_running_loop().time() + within_s
        while self._is_here(seen, fleet=fleet) and not self.closing.is_set():
            try:
                async with asyncio.timeout_at(end):
                    await self._changed.wait()
            except TimeoutError:
                return False
        return True

    def here(self) -> Seen:
        """Where everything is now."""
        return Seen(self.memory.frame, self.alerts.last, self.fleet)

    def _is_here(self, seen: Seen, *, fleet: bool) -> bool:
        here = self.here()
        return (here.frame, here.alert) == (seen.frame, seen.alert) and not (fleet and here.fleet != seen.fleet)

    def identity(self, seen: Seen) -> str:
        """An id for `Last-Event-ID`."""
        return f"{self.boot}-{seen.frame}-{seen.alert}"

    def place(self, identity: str | None) -> Seen | None:
        """Where the viewer was that got this id; None where it was not one of this process."""
        boot, _, rest = (identity or "")[:80].partition("-")
        frame, _, alert = rest.partition("-")
        if boot != self.boot or not (frame.isascii() and frame.isdigit() and alert.isascii() and alert.isdigit()):
            return None
        seen, here = Seen(int(frame), int(alert)), self.here()
        return seen if seen.frame <= here.frame and seen.alert <= here.alert else None
