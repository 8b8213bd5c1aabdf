"""Answers kept for a moment: many look at the same, and who comes while one is being made waits for that one."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from infra.runtime.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_MOST = 64


class Kept(Generic[K, V]):
    """Answers by key, each kept for `kept_s`; of the keys the last `_MOST` that were asked for.

    For `beside_s` after that who asks gets the old answer at once, while a new one is made beside.
    """

    def __init__(self, clock: Clock, kept_s: float, beside_s: float = 0.0) -> None:
        self._clock, self._kept_s, self._beside_s = clock, kept_s, beside_s
        self._known: OrderedDict[K, tuple[float, asyncio.Future[V]]] = OrderedDict()

    async def of(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        """The answer for `key`. What `make` raises is raised to all who wait, and not kept."""
        known = self._known.get(key)
        # One that is being made is waited for, however long it takes: what is slow must not be asked twice at once.
        if known is None or (known[1].done() and self._age_s(known) >= self._kept_s):
            begun = self._begin(key, make)
            known = known if known is not None and self._will_do(known) else begun
        # Shielded: one client that goes away must not take the answer from the others.
        return await asyncio.shield(known[1])

    def _age_s(self, known: tuple[float, asyncio.Future[V]]) -> float:
        return self._clock.monotonic_s() - known[0]

    def _will_do(self, known: tuple[float, asyncio.Future[V]]) -> bool:
        """Whether an answer that is no longer kept is better than to wait."""
        return known[1].done() and self._age_s(known) < self._kept_s + self._beside_s

    def _begin(self, key: K, make: Callable[[], Awaitable[V]]) -> tuple[float, asyncio.Future[V]]:
        begun = self._clock.monotonic_s(), asyncio.ensure_future(make())
        begun[1].add_done_callback(lambda done: self._forget_failed(key, done))
        self._known[key] = begun
        self._known.move_to_end(key)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return begun

    def _forget_failed(self, key: K, done: asyncio.Future[V]) -> None:
        known = self._known.get(key)
        if known is not None and known[1] is done and (done.cancelled() or done.exception() is not None):
            del self._known[key]
