"""Answers kept for a moment: made once for all who wait, anew when old, never of a failure."""

from __future__ import annotations

import asyncio

import pytest

from infra.runtime.clock import ManualClock
from sinks.api.kept import Kept


class Maker:
    """Makes 1, 2, 3...; while `gate` is not set whoever asks waits."""

    def __init__(self) -> None:
        self.made = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> int:
        await self.gate.wait()
        self.made += 1
        if self.made == 2:
            raise ValueError("the second fails")
        return self.made


async def test_all_who_wait_get_one_answer_and_one_who_leaves_takes_it_from_nobody() -> None:
    kept, make = Kept[str, int](ManualClock(0.0), 5.0), Maker()
    make.gate.clear()
    first, second = (asyncio.create_task(kept.of("a", make)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    make.gate.set()
    assert (await second, make.made) == (1, 1)


async def test_what_is_old_is_made_anew_and_a_failure_is_not_kept() -> None:
    clock, make = ManualClock(0.0), Maker()
    kept = Kept[str, int](clock, 5.0)
    assert await kept.of("a", make) == 1
    clock.advance(4.9)
    assert await kept.of("a", make) == 1
    clock.advance(0.1)
    with pytest.raises(ValueError, match="second"):
        await kept.of("a", make)
    assert await kept.of("a", make) == 3


async def test_beside_the_old_answer_a_new_one_is_made() -> None:
    clock, make = ManualClock(0.0), Maker()
    make.made = 10
    kept = Kept[str, int](clock, 5.0, beside_s=20.0)
    assert await kept.of("a", make) == 11
    clock.advance(6.0)
    assert await kept.of("a", make) == 11
    assert await kept.of("a", make) == 12
    clock.advance(30.0)
    assert await kept.of("a", make) == 13


async def test_only_so_many_keys_are_kept() -> None:
    kept, make = Kept[int, int](ManualClock(0.0), 5.0), Maker()
    make.made = 10
    for key in range(65):
        await kept.of(key, make)
    assert await kept.of(0, make) == 76


async def test_what_takes_longer_than_it_is_kept_is_made_once_at_a_time() -> None:
    clock, make = ManualClock(0.0), Maker()
    kept = Kept[str, int](clock, 5.0)
    make.gate.clear()
    first = asyncio.create_task(kept.of("a", make))
    await asyncio.sleep(0)
    clock.advance(6.0)
    second = asyncio.create_task(kept.of("a", make))
    await asyncio.sleep(0)
    make.gate.set()
    assert (await first, await second, make.made) == (1, 1, 1)
