"""Durable steps on a local file system: nothing has its final name before its bytes are on the disk."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

from infra.runtime.errors import LakeError

TEMPORARY = "_tmp"
POSITIONS = "_positions"
LOCKS = "_locks"


def fsync_path(path: Path) -> None:
    """Have a file's bytes, or a folder's entries, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_folders(folders: Iterable[Path]) -> None:
    """Have the entries of folders on the disk, each once."""
    for folder in set(folders):
        fsync_path(folder)


def replace_durably(path: Path, content: bytes) -> None:
    """Give `path` new content; a crash leaves the old or the new, whole."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_path(path.parent)


def make_folder(folder: Path) -> None:
    """Create a folder and have its name on the disk, up to the first that existed."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync_path(folder.parent)


def give_final_name(temporary: Path, final: Path) -> bool:
    """Name a durable temporary file; False when the final name is taken, which is left as it is.

    The caller makes the entry durable with `fsync_folders`.
    """
    try:
        os.link(temporary, final)
    except FileExistsError:
        temporary.unlink()
        return False
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}:
            raise
        # A file system without hard links: the check and the rename are two steps there.
        if final.exists():
            temporary.unlink()
            return False
        temporary.rename(final)
        return True
    temporary.unlink()
    return True


def open_lake(lake: Path) -> None:
    """Create the lake's folders and try a write. Raises `LakeError` with the reason when that does not work."""
    try:
        for folder in (lake, lake / TEMPORARY, lake / POSITIONS, lake / LOCKS):
            make_folder(folder)
        probe = lake / TEMPORARY / f"probe-{uuid.uuid4().hex}"
        probe.write_bytes(b"probe")
        probe.unlink()
    except OSError as error:
        raise LakeError(
            f"cannot write to the lake {lake}: {error.strerror or error}",
            setting="--lake or FLEETPULSE_LAKE",
            way_out="Choose a folder that this user can write and that has space",
        ) from error
