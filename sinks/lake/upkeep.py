"""Compaction and retention as a background task of the lake writer."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

from infra.runtime.errors import LakeError
from infra.runtime.logs import get_logger
from sinks.lake.compaction import CompactionOptions, Compactor
from sinks.lake.keep import Applied, keep_s_by_table, note_applied
from sinks.lake.retention import retain

COMPACT_EVERY_S = 30.0
RETAIN_EVERY_S = 3600.0
_log = get_logger("lake.upkeep")


class Upkeep:
    """Compacts every half minute, removes expired hours every hour, and at once when somebody decides otherwise."""

    def __init__(self, lake: Path, options: CompactionOptions | None = None) -> None:
        self._lake = lake
        self._compactor = Compactor(lake, options or CompactionOptions())
        self._stopping = threading.Event()
        self._retain_at_s = 0.0
        self._keep_s: dict[str, int] = {}

    def stop(self) -> None:
        """Have a compaction that is at work end after the file that it writes, a removal after what it reads."""
        self._stopping.set()
        self._compactor.stop()

    async def run(self) -> None:
        """Run until cancelled. What fails is told and tried again: the writer goes on beside it."""
        while True:
            await asyncio.sleep(COMPACT_EVERY_S)
            try:
                await asyncio.to_thread(self._compactor.run, time.time())
                await asyncio.to_thread(self.retain, time.time(), time.monotonic())
            except (OSError, LakeError) as error:
                _log.warning("upkeep failed and is tried again", error=repr(error))

    def retain(self, now_s: float, monotonic_s: float) -> list[str]:
        """Remove what need not be kept, where it is time to look; the folders. `now_s` since the epoch.

        Blocks. Raises `OSError`, and `LakeError` where it cannot be read how long to keep: then nothing is removed.
        """
        keep_s = keep_s_by_table(self._lake)
        if keep_s == self._keep_s and monotonic_s < self._retain_at_s:
            return []
        removed = retain(self._lake, now_s, keep_s, self._stopping)
        if self._stopping.is_set():
            return removed
        note_applied(self._lake, Applied(now_s, keep_s))
        self._keep_s, self._retain_at_s = keep_s, monotonic_s + RETAIN_EVERY_S
        return removed
