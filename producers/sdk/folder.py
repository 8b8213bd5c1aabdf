"""One folder per session below the spool directory, held by a file lock that dies with the process.

A folder is made under a hidden name, locked, then renamed, so no other process ever sees one without its lock. What
is found unlocked belongs to a process that is gone, and its events are sent by whoever locks it first.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.runtime.errors import SettingError
from producers.sdk.spool import SUFFIX, Budget, TopicSpool

_log = logging.getLogger("fleetpulse.sdk.spool")
_LOCK = "lock"
_ABOUT = "session.json"
_HIDDEN = ".new-"


@dataclass
class SpoolFolder:
    """A session's folder that this process holds."""

    path: Path
    session_id: str
    agent_id: str
    lock_fd: int

    def spool(self, topic: str, budget: Budget, segment_bytes: int) -> TopicSpool:
        """The segments of a topic here, with what files there are."""
        spool = TopicSpool(self.path, topic, budget, segment_bytes)
        spool.load()
        return spool

    def topics(self) -> list[str]:
        """The topics that have segments here."""
        return sorted({path.name.rsplit(".", 2)[0] for path in self.path.glob(f"*{SUFFIX}")})

    def release(self) -> None:
        """Let go of the folder; remove it when nothing is left to send."""
        if not self.topics():
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock_fd)


def claim(spool_dir: Path, session_id: str, agent_id: str, user_id: str = "") -> SpoolFolder:
    """Make the folder of a new session. Raises `SettingError` when the directory cannot be written, `OSError` when its
    disk is full.
    """
    hidden = spool_dir / f"{_HIDDEN}{session_id}"
    try:
        hidden.mkdir(parents=True)
        fd = os.open(hidden / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        about = {"session_id": session_id, "agent_id": agent_id, "user_id": user_id}
        (hidden / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
        path = hidden.rename(spool_dir / session_id)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise SettingError(
            f"the spool folder {spool_dir} cannot be written: {error.strerror}",
            setting="Reporter(spool_dir=...)",
            way_out="Choose a folder that can be written, or spool_bytes=0 to go without",
        ) from error
    return SpoolFolder(path, session_id, agent_id, fd)


def adopt_leftovers(spool_dir: Path, mine: tuple[str, str] | None = None) -> Iterator[SpoolFolder]:
    """Lock the folders of sessions whose process is gone; with `mine` (agent id, user id) only those of that agent."""
    if not spool_dir.is_dir():
        return
    for path in sorted(spool_dir.iterdir()):
        # One that is still being made is not to be locked by somebody else: its reporter would not start.
        if path.name.startswith(_HIDDEN) or not (path / _LOCK).is_file():
            continue
        try:
            folder = _adopt(path, mine)
        except (OSError, ValueError, KeyError) as error:
            _log.warning("the spool folder %s cannot be taken over: %s", path, error)
            continue
        if folder is not None and folder.topics():
            yield folder
        elif folder is not None:
            folder.release()


def _adopt(path: Path, mine: tuple[str, str] | None) -> SpoolFolder | None:
    fd = os.open(path / _LOCK, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        about = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
        if mine is not None and mine != (about["agent_id"], about.get("user_id") or mine[1]):
            os.close(fd)
            return None
        return SpoolFolder(path, str(about["session_id"]), str(about["agent_id"]), fd)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
