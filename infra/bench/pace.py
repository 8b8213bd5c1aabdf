"""A load at a pace, whatever is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def at_pace(
    send: Callable[[int], Awaitable[dict[str, float]]], per_s: float, seconds: float, every_s: float = 0.02
) -> dict[str, float]:
    """What `send(count)` returned, by key when each was sent, for `per_s` each second, a few every `every_s`."""
    loop = asyncio.get_running_loop()
    began_s, sent, total = loop.time(), dict[str, float](), round(per_s * seconds)
    while len(sent) < total:
        due = min(total, round((loop.time() - began_s) * per_s) + 1)
        sent |= await send(due - len(sent))
        await asyncio.sleep(every_s)
    return sent
