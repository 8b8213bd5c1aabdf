"""The file of rules, read again when it changes; a bad one keeps the old rules and is logged."""

from __future__ import annotations

from pathlib import Path

from infra.runtime.clock import Clock
from infra.runtime.logs import get_logger
from streams.manager.config import ManagerConfig
from streams.rules.load import RulesError, pack_of

_EVERY_S = 2.0
_log = get_logger("alert-manager")


class RulesFile:
    """The present settings. The first reading raises `RulesError`; a later one keeps what there was."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._config = ManagerConfig(pack=pack_of(path))
        self._seen = self._mark()
        self._looked_s = clock.monotonic_s()

    def current(self) -> ManagerConfig:
        """Settings; the same object as long as nothing has changed. Looks at the file every two seconds at most."""
        now_s = self._clock.monotonic_s()
        if self._path is None or now_s - self._looked_s < _EVERY_S:
            return self._config
        self._looked_s = now_s
        if (mark := self._mark()) != self._seen:
            self._seen = mark
            self._read(self._path)
        return self._config

    def _mark(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size) if found is not None else None

    def _read(self, path: Path) -> None:
        try:
            pack = pack_of(path)
        except RulesError as error:
            _log.error("the rules are not used, the old ones stay", file=str(path), error=str(error))
            return
        if pack != self._config.pack:
            self._config = ManagerConfig(pack=pack)
            _log.info("new rules", file=str(path))
