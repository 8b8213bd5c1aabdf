"""What a step of the lake writer does when disk or broker fail: tell, wait, try again."""

from __future__ import annotations

import asyncio
import contextlib

from infra.runtime.logs import get_logger

RETRY_FIRST_S, RETRY_MOST_S = 0.5, 30.0
_log = get_logger("lake.service")


async def wait_at_most(event: asyncio.Event, most_s: float) -> None:
    """Until `event` is set, `most_s` at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            await event.wait()


class Patience:
    """Waits longer after each failure in a row, and no longer once `stopping` is set."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._retry_s = 0.0
        self.last_error = ""
        """What failed last, since the start."""

    @property
    def trouble(self) -> str:
        """What cannot be done now and is tried again; empty while all is well."""
        return self.last_error if self._retry_s else ""

    def all_well(self) -> None:
        """A step went through."""
        self._retry_s = 0.0

    async def wait_after(self, error: BaseException, what: str) -> None:
        """Say what failed and wait; buffers are kept, and reading stops when they are full."""
        self._retry_s = min(max(RETRY_FIRST_S, self._retry_s * 2), RETRY_MOST_S)
        self.last_error = f"{what}: {error!r}"
        _log.error(
            "the lake writer cannot go on and tries again", step=what, error=repr(error), again_in_s=self._retry_s
        )
        await wait_at_most(self._stopping, self._retry_s)
