"""The file of rules, read again when it changes; a bad one keeps the old rules, is logged and shown."""

from __future__ import annotations

from pathlib import Path

from infra.runtime.clock import Clock
from streams.manager.config import ManagerConfig
from streams.rules.load import pack_of
from streams.rules.watch import LOOK_EVERY_S
from streams.rules.watch import RulesFile as WatchedFile


class RulesFile:
    """The present settings. The first reading raises `RulesError`; a later one keeps what there was."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._clock = clock
        self._config = ManagerConfig(pack=pack_of(path))
        self._file = WatchedFile(path, self._config.pack) if path is not None else None
        self._looked_s = clock.monotonic_s()

    @property
    def problem(self) -> str | None:
        """Why the newest content of the file is not in force; None while it is."""
        return self._file.problem if self._file is not None else None

    def current(self) -> ManagerConfig:
        """Settings; the same object as long as nothing has changed. Looks at the file every second at most."""
        now_s = self._clock.monotonic_s()
        if self._file is None or now_s - self._looked_s < LOOK_EVERY_S:
            return self._config
        self._looked_s = now_s
        if (pack := self._file.look()) is not None:
            self._config = ManagerConfig(pack=pack)
        return self._config
