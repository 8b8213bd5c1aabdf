"""Looks whether a pack's file changed: by its time and size, then by its content. A bad file changes nothing."""

from __future__ import annotations

from pathlib import Path

from infra.health import Health, HealthStatus
from infra.runtime.logs import get_logger
from streams.rules.load import RulesError, load_pack
from streams.rules.model import Pack

LOOK_EVERY_S = 1.0
_log = get_logger("rules")


def health_of_rules(problem: str | None) -> Health:
    """Degraded while the newest content of the file of rules is not in force, and why."""
    if problem is None:
        return Health()
    return Health(HealthStatus.DEGRADED, f"rules are not in force, the old ones stay: {problem}")


class RulesFile:
    """A pack's file. `problem`: why its newest content is not in force, None while it is."""

    def __init__(self, path: Path, pack: Pack) -> None:
        self._path = path
        self._pack = pack
        self._seen: tuple[int, int, int] | None = (0, 0, 0)  # of no file: the first look reads, or finds none
        self.problem: str | None = None

    def look(self) -> Pack | None:
        """The pack, if it is another than before; else None. Says in the log what is wrong, once a change."""
        seen = self._stamp()
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            pack = load_pack(self._path)
        except RulesError as error:
            self.problem = str(error)
            _log.error("rules are not in force, the old ones stay", problem=self.problem)
            return None
        self.problem = None
        if pack == self._pack:
            return None
        self._pack = pack
        _log.info("rules in force", file=str(self._path), rules=len(pack.rules))
        return pack

    def _stamp(self) -> tuple[int, int, int] | None:
        """When the file changed, its size and which it is; None where there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
