"""Questions in SQL take turns: so many run at once, so many wait, and one whose client goes away is ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from infra.web.problem import unavailable
from sinks.api.sql.models import SqlQuestion
from sinks.api.sql.run import Told, ask
from sinks.lake.sql import Stop
from sinks.lake.sql_process import Spares, start_worker

AT_ONCE, MOST_WAITING = 2, 8


@dataclass(slots=True)
class _Room:
    """The questions of one tenant: how many there may be and are, places for those that run."""

    most: int
    places: asyncio.Semaphore
    asked: int = 0


class Queue:
    """So many questions run at once, so many wait; one more is answered 503.

    A tenant has half of the places and half of the queue: others are answered beside it, however much it asks.
    `spares`: processes that wait, so that a question does not wait for the start of one; None: there are none.
    """

    def __init__(self, lake: Path, spares: Spares | None = None) -> None:
        self._lake = lake
        self._spares = spares
        self._places = asyncio.Semaphore(AT_ONCE)
        self._asked = 0
        self._rooms: dict[str | None, _Room] = {}

    async def ask(self, question: SqlQuestion, tenant: str | None) -> Told:
        """The answer; cancelled, the question's process ends at once. Raises `Problem`."""
        room = self._room_with_place(tenant)
        self._asked += 1
        room.asked += 1
        stop, began = Stop(), asyncio.Event()
        # A task of its own: a client that goes away does not free its place before its process has ended.
        running = asyncio.create_task(self._run(question, tenant, room, stop, began))
        running.add_done_callback(lambda task: self._left(tenant, room, task))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            stop()
            if not began.is_set():  # it has no process, and gives its place in the queue back at once
                running.cancel()
            raise

    def warm(self) -> None:
        """Somebody is about to ask, or has: have processes ready, without waiting for them."""
        if self._spares is not None:
            asyncio.get_running_loop().run_in_executor(None, self._spares.refill)

    def _room_with_place(self, tenant: str | None) -> _Room:
        """Raises `Problem` 503."""
        if self._asked < AT_ONCE + MOST_WAITING:
            parts = 1 if tenant is None else 2
            new = _Room((AT_ONCE + MOST_WAITING) // parts, asyncio.Semaphore(AT_ONCE // parts))
            room = self._rooms.setdefault(tenant, new)
            if room.asked < room.most:
                return room
        raise unavailable("too many questions in SQL at once", retry_after_s=5.0, type="busy")

    async def _run(
        self, question: SqlQuestion, tenant: str | None, room: _Room, stop: Stop, began: asyncio.Event
    ) -> Told:
        async with room.places, self._places:
            began.set()
            start = start_worker if self._spares is None else self._spares.take
            return await asyncio.to_thread(ask, self._lake, question, tenant, stop=stop, start=start)

    def _left(self, tenant: str | None, room: _Room, task: asyncio.Task[Told]) -> None:
        """Also where the task was cancelled before its first step, in which nothing of its own would run."""
        if not task.cancelled():
            task.exception()  # seen: where its client has gone nobody else looks
        self._asked -= 1
        room.asked -= 1
        if not room.asked:
            del self._rooms[tenant]
        self.warm()  # after the answer, which it would take processor time from
