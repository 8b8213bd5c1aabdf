"""One `fleetpulse up` at a time in a data folder: two would take each other's broker, logs and unfinished files."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.runtime.errors import SettingError

_LOCK = "up.lock"


@contextmanager
def alone_in(data_dir: Path) -> Iterator[None]:
    """Hold the folder, which exists, until the block ends or the process dies.

    Raises `SettingError` when another process holds it.
    """
    with (data_dir / _LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingError(
                f"another `fleetpulse up` runs in {data_dir}",
                setting="--data-dir or FLEETPULSE_DATA_DIR",
                way_out="Stop that one, or name another folder",
            ) from error
        yield
