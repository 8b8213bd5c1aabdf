"""Answers that go on: made until they end by themselves, their reader leaves or may not read any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from enum import Enum

from starlette.types import Receive

LOOK_S = 1.0
"""So often it is looked whether the reader still may."""


class Ended(Enum):
    """Why an answer has ended."""

    DONE = "done"
    GONE = "gone"
    REFUSED = "refused"


async def serve_until_gone(
    serve: Coroutine[None, None, None], receive: Receive, allowed: Callable[[], bool] | None = None
) -> Ended:
    """Run `serve`; cancelled, and waited for, when the reader leaves, or when they are not `allowed` any more (None:
    nobody asks). Raises what it raises."""
    serving = asyncio.create_task(serve)
    ends = {asyncio.create_task(_gone(receive)): Ended.GONE}
    if allowed is not None:
        ends[asyncio.create_task(_refused(allowed))] = Ended.REFUSED
    try:
        done, _ = await asyncio.wait({serving, *ends}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (serving, *ends):
            task.cancel()
        await asyncio.wait({serving, *ends})
    if not serving.cancelled() and (error := serving.exception()) is not None:
        raise error
    return Ended.DONE if serving in done else next(why for task, why in ends.items() if task in done)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refused(allowed: Callable[[], bool]) -> None:
    while allowed():  # noqa: ASYNC110  # a key or session ends by the clock too: nothing tells of that
        await asyncio.sleep(LOOK_S)
