"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write `text` under another name beside `path`, then give it its name. A path that is no plain file (a pipe,
    /dev/stdout) is written to as it is. Raises `OSError`; what was there before then stays."""
    path = path.resolve()  # a link stays a link
    if path.exists() and not path.is_file():
        path.write_text(text)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
