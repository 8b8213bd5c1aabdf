"""How long requests wait for their acknowledgement, without a timer each: one look at the oldest while any wait."""

from __future__ import annotations

import asyncio

from producers.gateway.lot import Receipt

LOOK_S = 0.1


class Patience:
    """Gives up receipts that have waited `most_s`: their futures raise `TimeoutError`."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._waiting: dict[Receipt, float] = {}
        self._looking: asyncio.TimerHandle | None = None

    async def wait(self, receipt: Receipt) -> None:
        """Return when all lots of `receipt` are acknowledged. Raises what refused them, and `TimeoutError`."""
        loop = asyncio.get_running_loop()
        self._waiting[receipt] = loop.time() + self._most_s
        if self._looking is None:
            self._looking = loop.call_later(self._pause_s, self._look, loop)
        try:
            await receipt.future
        finally:
            self._waiting.pop(receipt, None)

    @property
    def _pause_s(self) -> float:
        return min(LOOK_S, self._most_s / 4)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """They lie in the order in which they came, and each may wait equally long."""
        now_s = loop.time()
        while self._waiting and next(iter(self._waiting.values())) <= now_s:
            receipt = next(iter(self._waiting))
            del self._waiting[receipt]
            receipt.refuse(TimeoutError())
        self._looking = loop.call_later(self._pause_s, self._look, loop) if self._waiting else None
