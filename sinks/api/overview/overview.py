"""The whole fleet of a scope on one page: made at most once a second for everybody who sees the same."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.runtime.clock import Clock
from sinks.api.live.fleet import fleet
from sinks.api.live.memory import Memory
from sinks.api.live.render import event
from sinks.api.live.viewers import Viewers
from sinks.api.overview.beside import Beside
from sinks.api.overview.board import AlertBoard
from sinks.api.overview.board import Ask as AskAlerts
from sinks.api.overview.newest import newest_changes
from sinks.api.overview.pulse import Pulse
from sinks.api.past.pool import LakePool
from sinks.api.scope import Scope
from sinks.api.times import at_s, iso, iso_us

KEPT_S = 1.0
TELL_EVERY_S, _RARELY_S = 0.4, 2.0
"""Shortest and longest time between two tellings; the larger the fleet, the longer."""
_SHARE_OF_TIME = 20
"""The time between two tellings is at least so many times what one costs."""
_QUIET_S = 5.0
"""Viewers hear so much later that nothing changed, so that they see how fresh what they see is."""
_KEPT = 64


class Overviews:
    """`run` keeps what it is made of current, and tells viewers of `fleet`."""

    def __init__(
        self,
        memory: Memory,
        viewers: Viewers,
        past: LakePool,
        lake: Path,
        clock: Clock,
        ask: AskAlerts,
        as_of_us: Callable[[], int],
    ) -> None:
        self._memory, self._viewers, self._clock = memory, viewers, clock
        self._as_of_us = as_of_us
        self.board = AlertBoard(ask)
        self.pulse = Pulse(lake, memory, clock)
        self.beside = Beside(past, clock)
        self._cost_s = 0.0
        self._known: OrderedDict[Scope, tuple[float, dict[str, Any]]] = OrderedDict()
        self._texts: OrderedDict[tuple[Scope, int], bytes] = OrderedDict()
        viewers.fleet_text = self.text

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                pulse = self.pulse.run(self.beside.is_looked_at)
                for part in (self.board.run(), pulse, self.beside.run(), self._tell()):
                    tasks.create_task(part)
        finally:
            self.pulse.close()

    async def _tell(self) -> None:
        told, quiet_s = self._mark(), 0.0
        while True:
            pause_s = min(_RARELY_S, max(TELL_EVERY_S, _SHARE_OF_TIME * self._cost_s))
            await asyncio.sleep(pause_s)
            quiet_s += pause_s
            if self._viewers.present and (self._mark() != told or quiet_s >= _QUIET_S):
                told, quiet_s = self._mark(), 0.0
                self._viewers.tell_fleet()

    def _mark(self) -> tuple[int, ...]:
        return self._memory.frame, self.board.version, self.pulse.version, self.beside.version

    def text(self, scope: Scope, number: int) -> bytes:
        """The event `fleet` of a scope, made once for each number."""
        text = self._texts.get((scope, number))
        if text is None:
            text = self._texts[scope, number] = event("fleet", self._fresh(scope))
            if len(self._texts) > _KEPT:
                self._texts.popitem(last=False)
        return text

    def of(self, scope: Scope) -> dict[str, Any]:
        """What `GET /api/overview` answers, at most `KEPT_S` old."""
        known = self._known.get(scope)
        if known is not None and self._clock.monotonic_s() - known[0] < KEPT_S:
            return known[1]
        return self._fresh(scope)

    def _fresh(self, scope: Scope) -> dict[str, Any]:
        self.beside.looked_at()
        began_s = time.perf_counter()
        found = self._made(scope)
        self._cost_s = time.perf_counter() - began_s
        self._known[scope] = (self._clock.monotonic_s(), found)
        self._known.move_to_end(scope)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return found

    def _made(self, scope: Scope) -> dict[str, Any]:
        whole, pulse, now_us = fleet(self._memory, scope), self.pulse, int(self._clock.now_s() * 1e6)
        changes = newest_changes(self._memory, scope, list(self.board.seen(scope)), self.beside.falls(scope), now_us)
        looked = iso(at_s(pulse.as_of_s)) if pulse.as_of_s else None
        return {
            "as_of": iso_us(self._as_of_us()),
            "agents": whole["agents"],
            "by_status": whole["by_status"],
            "trust": whole["trust"],
            "lowest_trust": whole["lowest_trust"],
            "alerts": self.board.of(scope),
            "violations": pulse.violations(scope) | {"as_of": looked},
            "throughput": _with(pulse.rate(scope), looked),
            "ledger": self.beside.ledger(scope),
            "changes": changes,
        }


def _with(rate: dict[str, Any] | None, as_of: str | None) -> dict[str, Any] | None:
    return None if rate is None else rate | {"as_of": as_of}
