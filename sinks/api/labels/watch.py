"""Keeps labels as their file has them: it is looked at every two seconds and read when it has changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from infra.runtime.errors import FleetpulseError
from infra.runtime.logs import get_logger
from sinks.api.labels.file import AgentsFile, read_agents_file
from sinks.api.live.memory import Memory

LOOK_S = 2.0
_log = get_logger("api")


class LabelsWatch:
    """`path` None: there are no labels. `trouble`: why the file is not in force as it stands, empty while it is."""

    def __init__(self, path: Path | None, memory: Memory) -> None:
        self.path, self._memory = path, memory
        self._seen: tuple[int, ...] | None = None
        self.trouble = ""
        self.read = 0
        """How often the file was taken."""

    async def run(self) -> None:
        """Look until cancelled."""
        while self.path is not None:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Take the file where it is another than before; one with a mistake leaves the labels as they were."""
        if self.path is None or (mark := _mark(self.path)) == self._seen:
            return
        self._seen = mark
        try:
            found = await asyncio.to_thread(read_agents_file, self.path) if mark else AgentsFile()
        except FleetpulseError as error:
            self.trouble = error.problem
            _log.warning("the agents file is not taken", why=error.problem)
            return
        self.trouble = ""
        self.read += 1
        self._memory.label(found.agents)


def _mark(path: Path) -> tuple[int, ...] | None:
    try:
        told = path.stat()
    except OSError:
        return None  # no file, no labels
    # The time of change too: a file may be written over, or put in its place by cp -p, with its size and its time kept.
    return told.st_mtime_ns, told.st_ctime_ns, told.st_size, told.st_ino
