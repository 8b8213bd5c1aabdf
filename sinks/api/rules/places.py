"""Checks of rules take turns: each is a process of a second, so nobody may have all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from infra.web.problem import too_many, unavailable

AT_ONCE, MOST_ASKED = 2, 32
MOST_OF_A_TENANT = 4
"""Checks of one tenant that are made or wait; who asks for the whole fleet has twice as many."""
_RETRY_AFTER_S = 2.0


@dataclass(slots=True)
class _Room:
    """The checks of one tenant: how many there may be and are, places for those that are made."""

    most: int
    places: asyncio.Semaphore
    asked: int = 0


class CheckPlaces:
    """So many checks are made at once, so many wait. A tenant has half of the places: others' checks are made beside
    its own, however many it asks for."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._rooms: dict[str | None, _Room] = {}

    @contextlib.asynccontextmanager
    async def place(self, tenant: str | None) -> AsyncIterator[None]:
        """A place while the block runs. Raises `Problem` 429 where the tenant has too many, 503 where all have."""
        room = self._room(tenant)
        room.asked += 1
        try:
            async with room.places, self._places:
                yield
        finally:
            room.asked -= 1
            if not room.asked:
                del self._rooms[tenant]

    def _room(self, tenant: str | None) -> _Room:
        if sum(room.asked for room in self._rooms.values()) >= MOST_ASKED:
            raise unavailable("too many rules are checked at once", retry_after_s=_RETRY_AFTER_S, type="busy")
        parts = 2 if tenant is None else 1
        new = _Room(parts * MOST_OF_A_TENANT, asyncio.Semaphore(parts * AT_ONCE // 2))
        room = self._rooms.setdefault(tenant, new)
        if room.asked >= room.most:
            raise too_many("too many checks of rules at once", retry_after_s=_RETRY_AFTER_S)
        return room
