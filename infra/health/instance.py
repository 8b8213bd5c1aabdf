"""Which of several processes of a kind this one is: a name that it has again when it is started again.

A name with the process id in it would leave an agent behind at every restart, offline for ever.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_MOST = 256


@dataclass(frozen=True)
class Instance:
    """A name for as long as `close` is not called; the lock ends with the process, however it ends."""

    name: str
    _lock: IO[bytes] | None = None

    def close(self) -> None:
        """Give the name back."""
        if self._lock is not None:
            self._lock.close()


def _folder() -> Path:
    """A folder of this user's alone, for locks. Raises `OSError`."""
    folder = Path(tempfile.gettempdir()) / f"fleetpulse-instances-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder


def claim_instance(process: str, bootstrap: str) -> Instance:
    """HOST-N with the lowest N that no other process of this kind on this host has for this broker.

    Where no lock can be had the process id takes the place of N.
    """
    host = socket.gethostname()
    mark = hashlib.blake2b(bootstrap.encode(), digest_size=6).hexdigest()
    try:
        folder = _folder()
        for number in range(1, _MOST):
            lock = (folder / f"{mark}-{process}-{number}").open("ab")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            return Instance(f"{host}-{number}", lock)
    except OSError:
        pass  # a name that changes with a restart is better than no self-audit
    return Instance(f"{host}-p{os.getpid()}")
