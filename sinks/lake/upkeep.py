"""Compaction and retention as a background task of the lake writer."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from infra.runtime.logs import get_logger
from sinks.lake.compaction import CompactionOptions, Compactor
from sinks.lake.retention import retain

COMPACT_EVERY_S = 30.0
RETAIN_EVERY_S = 3600.0
_log = get_logger("lake.upkeep")


class Upkeep:
    """Compacts every half minute, removes expired hours every hour."""

    def __init__(self, lake: Path, options: CompactionOptions | None = None) -> None:
        self._lake = lake
        self._compactor = Compactor(lake, options or CompactionOptions())
        self._retain_at_s = 0.0

    def stop(self) -> None:
        """Have a compaction that is at work end after the file that it writes."""
        self._compactor.stop()

    async def run(self) -> None:
        """Run until cancelled. What fails is told and tried again: the writer goes on beside it."""
        while True:
            await asyncio.sleep(COMPACT_EVERY_S)
            try:
                await asyncio.to_thread(self._compactor.run, time.time())
                if time.monotonic() >= self._retain_at_s:
                    self._retain_at_s = time.monotonic() + RETAIN_EVERY_S
                    await asyncio.to_thread(retain, self._lake, time.time())
            except OSError as error:
                _log.warning("upkeep failed and is tried again", error=repr(error))
