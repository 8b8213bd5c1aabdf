"""Time limits of requests without a timer each: one look at all of them, four times a second, while there are any."""

from __future__ import annotations

import asyncio

LOOK_S = 0.25


class Slot:
    """A request in flight: when its present part must be over (loop time, infinite = never), and whether it was not."""

    __slots__ = ("ends_s", "expired", "task")

    def __init__(self, task: asyncio.Task[object], ends_s: float) -> None:
        self.task = task
        self.ends_s = ends_s
        self.expired = False

    def extend(self, seconds: float) -> None:
        """The next part of the request begins, and may take so long."""
        self.ends_s = self.task.get_loop().time() + seconds


class Deadlines:
    """Cancels the tasks of requests that take longer than they may; `len` is how many are in flight."""

    def __init__(self) -> None:
        self._slots: set[Slot] = set()
        self._looking: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._slots)

    def begin(self, loop: asyncio.AbstractEventLoop, ends_s: float) -> Slot:
        """A request of the running task begins; `finish` must follow."""
        task = asyncio.current_task(loop)
        assert task is not None
        slot = Slot(task, ends_s)
        self._slots.add(slot)
        if self._looking is None:
            self._looking = loop.call_later(LOOK_S, self._look, loop)
        return slot

    def finish(self, slot: Slot) -> None:
        """The request is over."""
        self._slots.discard(slot)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = loop.time()
        for slot in self._slots:
            if slot.ends_s <= now_s and not slot.expired:
                slot.expired = True
                slot.task.cancel()
        self._looking = loop.call_later(LOOK_S, self._look, loop) if self._slots else None
